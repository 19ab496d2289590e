"""Ingest through a real broker."""

from __future__ import annotations

from fenghuo.model import Table
from fenghuo.wire import Stream

from .support import NOW, PORTS, MemorySink, events_frame, make_ingest, running, tables_frame, until, wire_agent


async def test_when_a_batch_is_stored_its_agent_is_told_so(broker_port):
    sink = MemorySink()
    async with running(make_ingest(broker_port, sink)), wire_agent(broker_port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert sink.ids == ["e1"]
    assert sink.closed


async def test_when_readings_come_their_layout_is_the_same_object_each_time(broker_port):
    sink = MemorySink()
    async with running(make_ingest(broker_port, sink)), wire_agent(broker_port) as agent:
        for number in (1, 2):
            await agent.send(tables_frame(number, Table(PORTS, NOW + number, [[5, 6], [1, None]])), Stream.METRICS)
        await until(lambda: {1, 2} <= agent.numbers("committed", Stream.METRICS))
    first, second = (batch.tables[0] for batch in sink.batches)
    assert first.layout is second.layout
    assert [list(column) for column in second.columns] == [[5, 6], [1, None]]
