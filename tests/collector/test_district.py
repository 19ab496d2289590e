"""What the console is told of agents."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Site
from fenghuo.wire import Stream, Topic
from fenghuo_collector.district import District
from fenghuo_collector.incidents import AlertJournal
from fenghuo_collector.incidents.config import JournalConfig
from fenghuo_collector.latest import Latest, LatestConfig

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
