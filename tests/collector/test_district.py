"""What the console is told of agents."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Layout, Site, Table
from fenghuo.wire import Stream, Topic
from fenghuo_collector.district import District
from fenghuo_collector.incidents import AlertJournal
from fenghuo_collector.incidents.config import JournalConfig
from fenghuo_collector.latest import Latest, LatestConfig
from fenghuo_collector.sinks.base import Batch

from .ingest.support import AGENT, MemorySink, events_frame, make_ingest


async def test_lost_counts_the_items_that_the_agent_gave_up_and_nothing_twice(tmp_path: Path):
    ingest = make_ingest(1, MemorySink())
    clock, registry = SystemClock(), CollectorRegistry()
    journal = AlertJournal(JournalConfig(path=tmp_path / "alerts.sqlite"), clock=clock, registry=registry)
    latest = Latest(LatestConfig(), clock=clock, registry=registry)
    district = District(Site("bj"), clock, ingest, latest, journal, None)
    topic = str(Topic(AGENT, Stream.EVENTS))
    ingest.handle(topic, events_frame(1))
    assert [agent.lost for agent in district.agents()] == [0]
    ingest.handle(topic, events_frame(9, oldest=9, dropped=37))  # 2 to 8 never come: seven batches of 37 items
    (state,) = ingest.agents()
    assert (state.lost, state.dropped) == (7, 37)
    assert [agent.lost for agent in district.agents()] == [37]


async def test_a_sensor_has_its_state_beside_its_value_and_supplies_come_after(tmp_path: Path):
    clock, registry = SystemClock(), CollectorRegistry()
    journal = AlertJournal(JournalConfig(path=tmp_path / "alerts.sqlite"), clock=clock, registry=registry)
    latest = Latest(LatestConfig(), clock=clock, registry=registry)
    district = District(Site("bj"), clock, make_ingest(1, MemorySink()), latest, journal, None)
    shared = {"job": "snmp", "instance": "10.0.0.1", "device": "nas"}
    supplies = Layout("supply", shared, {"supply": ["Black"]}, ("supply_level_percent",))
    sensors = Layout("sensor", shared, {"sensor": ["Disk 10", "Disk 2", "Fan"]}, ("sensor_state", "sensor_status"))
    now = clock.now()
    tables = (Table(supplies, now, ((37,),)), Table(sensors, now, ((4, 1, 9), (2, 0, None))))
    await latest.write([Batch(AGENT, Stream.METRICS, 1, now, tables=tables)])
    page = await district.device(AGENT, "nas")
    assert page is not None
    assert [(each.name, each.field, each.value, each.status) for each in page.sensors] == [
        ("Disk 2", "sensor_state", 1, "ok"),
        ("Disk 10", "sensor_state", 4, "critical"),
        ("Fan", "sensor_state", 9, ""),
        ("Black", "supply_level_percent", 37, ""),
    ]
