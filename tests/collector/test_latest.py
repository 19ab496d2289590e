"""The store of latest values and its exposition."""

from __future__ import annotations

import asyncio
import math

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Layout, Site, Table, Value, single
from fenghuo.wire import Stream
from fenghuo_collector.latest import Latest, LatestConfig
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.prometheus.exposition import Exposition

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")
OTHER = AgentId(Site("bj/haidian/zgc-no2"), "gw1")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def latest(clock: VirtualClock, registry: CollectorRegistry) -> Latest:
    return Latest(LatestConfig(), clock=clock, registry=registry)


def interface(*names: str, device: str = "sw-1") -> Layout:
    labels = {"job": "snmp", "instance": "10.0.0.1", "device": device}
    fields = ("ifOperStatus", "ifHCInOctets")
    return Layout("interface", labels, {"ifName": list(names)}, fields, {"ifHCInOctets": 64})


def system(clock: VirtualClock, device: str = "sw-1", **values: Value) -> Table:
    return single("system", {"job": "snmp", "instance": "10.0.0.1", "device": device}, values, clock.now())


async def take(latest: Latest, clock: VirtualClock, *tables: Table, agent: AgentId = AGENT) -> None:
    await latest.write([Batch(agent, Stream.METRICS, 1, clock.now(), tables=tables)])


def exposed(latest: Latest) -> dict[tuple[str, str], float]:
    """What a scrape reads: (name, device and port) → value; the parser is prometheus_client's own."""
    text = Exposition(latest).scrape().decode()
    return {
        (sample.name, sample.labels.get("ifName", sample.labels.get("device", ""))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_when_two_tables_of_a_layout_come_the_newer_is_kept_and_gives_rates(latest, clock):
    layout = interface("Gi1", "Gi2")
    await take(latest, clock, Table(layout, clock.now(), [[1, 2], [1000, None]]))
    clock.advance(10)
    await take(latest, clock, Table(layout, clock.now(), [[1, 1], [3000, 5]]))
    (entry,) = latest.entries(name="interface")
    assert [entry.value("ifHCInOctets", row) for row in (0, 1)] == [3000, 5]
    assert [entry.rate("ifHCInOctets", row) for row in (0, 1)] == [200.0, None]
    assert entry.value("noSuchField") is None


async def test_when_the_same_labels_come_as_another_layout_object_they_are_the_same_table(latest, clock):
    for _ in range(2):
        await take(latest, clock, Table(interface("Gi1"), clock.now(), [[1], [1]]))
    assert len(latest.entries()) == 1


async def test_when_a_device_does_not_answer_only_the_newer_snmp_up_is_shown(latest, clock):
    await take(latest, clock, system(clock, sysUpTime=100, snmp_up=1), Table(interface("Gi1"), clock.now(), [[1], [1]]))
    assert latest.devices()[0].up is True
    clock.advance(60)
    await take(latest, clock, system(clock, snmp_up=0))
    (device,) = latest.devices()
    assert device.up is False
    assert device.last == clock.now()
    series = exposed(latest)
    assert series[("snmp_up", "sw-1")] == 0
    assert ("sysUpTime", "sw-1") not in series
    assert ("ifOperStatus", "Gi1") in series


async def test_when_both_states_come_in_one_batch_the_later_reading_counts(latest, clock):
    up = system(clock, sysUpTime=100, snmp_up=1)
    clock.advance(1)
    await take(latest, clock, up, system(clock, snmp_up=0))
    assert latest.devices()[0].up is False
    assert exposed(latest)[("snmp_up", "sw-1")] == 0


async def test_when_a_device_stays_away_its_old_tables_go_after_the_bound(latest, clock):
    await take(latest, clock, Table(interface("Gi1"), clock.now(), [[1], [1]]))
    for _ in range(10):
        clock.advance(60)
        await take(latest, clock, system(clock, snmp_up=0))
    assert [entry.name for entry in latest.entries()] == ["system"]
    assert ("ifOperStatus", "Gi1") not in exposed(latest)


async def test_when_a_source_is_read_rarely_it_stays_for_two_and_a_half_of_its_intervals(latest, clock):
    layout = interface("Gi1")
    for _ in range(2):
        await take(latest, clock, Table(layout, clock.now(), [[1], [1]]))
        clock.advance(900)
    assert latest.entries()
    clock.advance(1300)
    assert latest.entries()
    clock.advance(100)
    assert not latest.entries()


async def test_when_a_table_ends_it_is_gone_at_once(latest, clock):
    await take(latest, clock, Table(interface("Gi1"), clock.now(), [[1], [1]]))
    await take(latest, clock, Table(interface("Gi1"), clock.now(), (), ended=True))
    assert latest.entries() == []
    assert latest.agents() == []
    assert exposed(latest) == {}


async def test_when_one_port_ends_only_its_series_go(latest, clock):
    await take(latest, clock, Table(interface("Gi1", "Gi2"), clock.now(), [[1, 1], [1, 1]]))
    await take(latest, clock, Table(interface("Gi2"), clock.now(), (), ended=True))
    (entry,) = latest.entries()
    assert [row["ifName"] for _, row in entry.rows()] == ["Gi1"]
    assert entry.value("ifOperStatus", 1) is None
    assert ("ifOperStatus", "Gi2") not in exposed(latest)
    await take(latest, clock, Table(interface("Gi1"), clock.now(), (), ended=True))
    assert latest.entries() == []


async def test_when_an_old_layout_ends_after_the_new_one_came_the_new_one_stays(latest, clock):
    old, new = interface("Gi1"), interface("Gi1", "Gi2")
    await take(latest, clock, Table(old, clock.now(), [[1], [1]]))
    clock.advance(1)
    await take(latest, clock, Table(new, clock.now(), [[1, 1], [1, 1]]))
    await take(latest, clock, Table(old, clock.now(), (), ended=True))
    assert [entry.layout for entry in latest.entries()] == [new]


async def test_when_there_is_no_room_what_was_not_renewed_for_longest_goes(clock, registry):
    latest = Latest(LatestConfig(max_values=1000), clock=clock, registry=registry)
    for number in range(20):
        layout = Layout("interface", {"device": f"sw-{number}"}, {"ifName": [str(n) for n in range(100)]}, ("x",))
        await take(latest, clock, Table(layout, clock.now(), [range(100)]))
        clock.advance(1)
    assert [entry.device for entry in latest.entries()] == [f"sw-{number}" for number in range(10, 20)]
    assert registry.get_sample_value("fenghuo_collector_latest_evicted_tables_total") == 10
    assert registry.get_sample_value("fenghuo_collector_latest_values") == 1000


async def test_devices_are_listed_by_agent_and_site(latest, clock):
    await take(latest, clock, system(clock, "b", snmp_up=1), system(clock, "a", snmp_up=1))
    await take(latest, clock, single("sensor", {"device": "t1"}, {"x": 1}, clock.now()), agent=OTHER)
    assert [device.name for device in latest.devices()] == ["a", "b", "t1"]
    assert [device.name for device in latest.devices(AGENT)] == ["a", "b"]
    assert [(d.name, d.up) for d in latest.devices(site=Site("bj/haidian/zgc-no2"))] == [("t1", None)]
    assert latest.devices(AGENT)[0].value("system", "snmp_up") == 1
    assert latest.newest(AGENT) == clock.now()


async def test_backlog_is_not_taken(latest):
    assert [stream for stream in Stream if latest.takes(stream)] == [Stream.METRICS]


async def test_the_exposition_escapes_labels_types_counters_and_carries_times(latest, clock):
    labels = {"device": 'a"b\\c\nd', "job": "snmp", "room": ""}
    layout = Layout("sensor", labels, {}, ("x_total", "y", "z", "inf"), {"x_total": 64})
    await take(latest, clock, Table(layout, clock.now(), [[2**64 - 1], [None], [math.nan], [math.inf]]))
    assert Exposition(latest).scrape().decode().splitlines() == [
        "# TYPE inf gauge",
        rf'inf{{agent="gw1",device="a\"b\\c\nd",job="snmp",site="bj/haidian/zgc-no1"}} +Inf {clock.now()}',
        "# TYPE x_total counter",
        rf'x_total{{agent="gw1",device="a\"b\\c\nd",job="snmp",site="bj/haidian/zgc-no1"}} {2**64 - 1} {clock.now()}',
        "# TYPE z gauge",
        rf'z{{agent="gw1",device="a\"b\\c\nd",job="snmp",site="bj/haidian/zgc-no1"}} NaN {clock.now()}',
    ]


async def test_while_tables_come_and_go_another_thread_may_scrape(latest, clock):
    await take(latest, clock, system(clock, snmp_up=1))
    exposition = Exposition(latest)
    scrape_often = [exposition.scrape] * 30
    scrapes = asyncio.get_running_loop().run_in_executor(None, lambda: [scrape() for scrape in scrape_often])
    number = 0
    while not scrapes.done():
        number += 1
        layout = interface("Gi1", "Gi2", device=f"sw-{number % 50}")
        ended = number % 3 == 0
        await take(latest, clock, Table(layout, clock.now(), () if ended else [[1, 2], [3, 4]], ended=ended))
        await asyncio.sleep(0)
    assert all(text.startswith(b"# TYPE") for text in await scrapes)
