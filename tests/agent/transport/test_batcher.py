"""From tables and events to spooled batches."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Event, Layout, Table, single
from fenghuo.wire import Frame, Stream, decode_frame, decode_items, encode_frame
from fenghuo_agent.batcher import MAX_ENCODED, BatchConfig, Batcher
from fenghuo_agent.spool import Spool, SpoolConfig

PORTS = Layout("interface", {"job": "snmp"}, {"ifName": [f"Gi0/{n}" for n in range(48)]}, ("in", "out"), {"in": 64})


@pytest.fixture
async def spool(tmp_path):
    spool = Spool.open(SpoolConfig(path=tmp_path / "spool.db"), SystemClock(), CollectorRegistry())
    yield spool
    await spool.close()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def batcher(spool, registry):
    return Batcher(spool, BatchConfig(flush_interval=30.0, event_interval=0.05), registry)


def table(time: int = 1) -> Table:
    return Table(PORTS, time, [list(range(48)), [None] * 48])


def event(number: int) -> Event:
    return Event(f"id-{number}", number, {"event": {"kind": "event"}})


async def items(spool, stream):
    found = []
    for batch in await spool.pending(stream, 0, 1000):
        header = Frame("a/b", "s", "b", stream, batch.sequence, 1, 0, batch.count, 0)
        body = decode_frame(encode_frame(header, batch.body))[1]
        decoded = decode_items(body, tables=stream.holds_tables)
        assert batch.count == sum(getattr(item, "size", 1) for item in decoded)
        found += decoded
    return found


async def test_an_alert_is_on_disk_without_waiting_for_a_timer(spool, batcher, tools):
    batcher.alert(event(1))
    batcher.table(table())
    await tools.until(lambda: spool.depth(Stream.ALERTS).batches == 1, "the alert", seconds=5)
    assert spool.depth(Stream.METRICS).batches == 0


async def test_events_are_gathered_for_a_moment(spool, batcher, tools):
    for number in range(10):
        batcher.event(event(number))
    await tools.until(lambda: spool.depth(Stream.EVENTS).items == 10, "the events", seconds=5)
    assert spool.depth(Stream.EVENTS).batches == 1


async def test_metrics_go_out_when_a_batch_is_full(spool, registry, tools):
    batcher = Batcher(spool, BatchConfig(flush_interval=30.0, values=960), registry)
    for time in range(25):
        batcher.table(table(time))
    await tools.until(lambda: spool.depth(Stream.METRICS).batches == 2, "two full batches", seconds=5)
    await batcher.drain()
    assert [item.time for item in await items(spool, Stream.METRICS)] == list(range(25))


async def test_metrics_go_out_after_the_interval(spool, registry, tools):
    batcher = Batcher(spool, BatchConfig(flush_interval=0.05), registry)
    batcher.table(single("sensor", {"job": "mqtt_sensor"}, {"value": 20.5}, 1))
    await tools.until(lambda: spool.depth(Stream.METRICS).items == 1, "the reading", seconds=5)


async def test_a_state_is_saved_with_all_that_came_before_it(spool, batcher):
    batcher.table(table())
    batcher.asset(Event("a", 1, {}))
    batcher.event(event(1))
    await batcher.save({"rules": b"state"})
    assert [spool.depth(stream).items for stream in (Stream.METRICS, Stream.ASSETS, Stream.EVENTS)] == [96, 1, 1]
    assert await spool.load_state("rules") == b"state"


async def test_one_document_that_cannot_be_encoded_takes_no_other_with_it(spool, batcher, registry):
    for number in range(9):
        batcher.event(event(number))
    batcher.event(Event("bad", 1, {"what": object()}))
    batcher.event(event(9))
    await batcher.drain()
    assert [item.id for item in await items(spool, Stream.EVENTS)] == [f"id-{number}" for number in range(10)]
    assert registry.get_sample_value("fenghuo_agent_batch_lost_items_total", {"stream": "events"}) == 1


async def test_what_is_too_large_for_one_frame_is_split_and_what_cannot_be_split_is_counted(spool, batcher, registry):
    for number in range(5):
        batcher.event(Event(f"id-{number}", number, {"message": "x" * (MAX_ENCODED // 3)}))
    batcher.event(Event("huge", 9, {"message": "x" * MAX_ENCODED}))
    await batcher.drain()
    assert [item.id for item in await items(spool, Stream.EVENTS)] == [f"id-{number}" for number in range(5)]
    assert registry.get_sample_value("fenghuo_agent_batch_lost_items_total", {"stream": "events"}) == 1


async def test_a_table_that_does_not_fit_its_layout_is_counted_and_spoils_no_batch(spool, batcher, registry):
    batcher.table(Table(PORTS, 1, [[1, 2, 3], [None] * 48]))
    batcher.table(Table(PORTS, 2, ()))
    batcher.table(Table(PORTS, 3, (), ended=True))
    await batcher.drain()
    assert [item.time for item in await items(spool, Stream.METRICS)] == [3]
    assert registry.get_sample_value("fenghuo_agent_batch_lost_items_total", {"stream": "metrics"}) == 192
