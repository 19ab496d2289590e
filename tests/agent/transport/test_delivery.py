"""End to end over a real Mosquitto, with a collector that answers as each test wants."""

from __future__ import annotations

import msgspec

from fenghuo.wire import Ack, Stream
from fenghuo.wire.ack import Refusal


async def test_what_is_spooled_arrives_and_is_forgotten_once_committed(bench, tools):
    await bench.put(Stream.METRICS, 5)
    async with tools.Collector(bench.port).listening() as collector, tools.running(bench.transport().run()):
        await bench.put(Stream.METRICS, 5)
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.METRICS) == list(range(1, 11))
    assert collector.bodies == [b"body"] * 10
    assert {frame.spool for frame in collector.frames} == {bench.spool.id}
    assert {frame.agent for frame in collector.frames} == {str(tools.agent)}


async def test_the_retained_status_says_online_and_after_the_end_offline(bench, tools):
    async with tools.Collector(bench.port).listening() as collector:
        async with tools.running(bench.transport().run()):
            await tools.until(lambda: collector.status, "a status")
        await tools.until(lambda: len(collector.status) == 2, "the second status")
    online, offline = (msgspec.msgpack.decode(status) for status in collector.status)
    assert (online["state"], offline["state"]) == ("online", "offline")
    assert online["boot"] == "boot-1"
    assert online["spool"] == bench.spool.id


async def test_what_was_not_received_is_sent_again(bench, tools):
    async with tools.Collector(bench.port, answer=tools.silence).listening() as collector:
        async with tools.running(bench.transport().run()):
            await bench.put(Stream.EVENTS, 3)
            await tools.until(lambda: collector.sequences(Stream.EVENTS) == [1, 2, 3, 1], "the oldest once more")
            collector.answer = tools.commit
            await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.firsts(Stream.EVENTS) == [1, 2, 3]


async def test_a_new_collector_gets_what_the_old_one_had_not_committed(bench, tools):
    async with tools.Collector(bench.port, answer=tools.receive).listening() as collector:
        async with tools.running(bench.transport().run()):
            await bench.put(Stream.EVENTS, 20)
            await tools.until(lambda: len(collector.frames) == 20, "all to be received")
            collector.run, collector.answer = "collector-2", tools.commit
            await bench.put(Stream.EVENTS, 1)
            await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.EVENTS) == [*range(1, 22), *range(1, 21)]


async def test_a_refused_batch_is_counted_as_lost_and_not_sent_again(bench, tools, caplog):
    def refuse_second(collector, frame):
        if frame.sequence == 2:
            return [Ack(collector.run, frame.spool, frame.stream, refused=[Refusal(2, "no table")])]
        return tools.commit(collector, frame)

    async with tools.Collector(bench.port, answer=refuse_second).listening() as collector:
        async with tools.running(bench.transport().run()):
            await bench.put(Stream.METRICS, 3)
            await tools.until(lambda: not bench.held(), "all to be settled")
    assert collector.sequences(Stream.METRICS) == [1, 2, 3]
    assert bench.spool.depth(Stream.METRICS).refused_items == 1
    assert "no table" in caplog.text
