"""End to end over a real Mosquitto, with a collector that answers as each test wants."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from fenghuo.wire import Ack, Span, Stream, encode_ack
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


async def test_what_was_given_up_is_said_by_the_status_soon(bench, tools, monkeypatch):
    monkeypatch.setattr("fenghuo_agent.transport.session._STATUS_SECONDS", 0.05)
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector):
        await tools.until(lambda: collector.status, "a status")
        cap = bench.spool._writer._store._cap
        bench.spool._writer._store._cap = 0
        await bench.put(Stream.EVENTS, 3)
        bench.spool._writer._store._cap = cap
        await tools.until(lambda: len(collector.status) > 1, "a status that says what was lost")
    said = msgspec.msgpack.decode(collector.status[1])["streams"]
    assert said["events"] == [bench.spool.oldest(Stream.EVENTS), bench.spool.dropped(Stream.EVENTS)]
    assert said["events"][1] > 0
    assert said["alerts"] == [1, 0]


async def test_what_was_not_received_is_sent_again_oldest_first(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector):
        await bench.put(Stream.EVENTS, 3)
        await tools.until(lambda: collector.sequences(Stream.EVENTS) == [1, 2, 3, 1], "the oldest once more")
        collector.answer = tools.commit
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.firsts(Stream.EVENTS) == [1, 2, 3]
    assert bench.metric("resent_batches_total", stream="events") >= 3


async def test_a_batch_lost_on_the_way_is_sent_again_and_the_others_are_not(bench, tools):
    def lose_second_once(collector, frame):
        lost = frame.sequence == 2 and collector.sequences(Stream.EVENTS).count(2) == 1
        return [] if lost else tools.commit(collector, frame)

    collector = tools.Collector(bench.port, answer=lose_second_once)
    async with bench.delivering(collector):
        await bench.put(Stream.EVENTS, 5)
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.EVENTS) == [1, 2, 3, 4, 5, 2]


async def test_a_new_collector_gets_what_the_old_one_had_not_committed(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.receive)
    async with bench.delivering(collector):
        await bench.put(Stream.EVENTS, 20)
        await tools.until(lambda: bench.metric("held_batches", stream="events") == 20, "all to be received")
        collector.run, collector.answer = "collector-2", tools.commit
        await bench.put(Stream.EVENTS, 1)
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.EVENTS) == [*range(1, 22), *range(1, 21)]


async def test_two_collectors_that_share_the_streams_cause_no_sending_again(bench, tools):
    def answer_by_turns(collector, frame):
        collector.run = f"collector-{frame.sequence % 2}"
        return tools.receive(collector, frame)

    collector = tools.Collector(bench.port, answer=answer_by_turns)
    async with bench.delivering(collector):
        for _ in range(40):
            await bench.put(Stream.METRICS, 1)
            await asyncio.sleep(0.03)
    assert collector.sequences(Stream.METRICS) == list(range(1, 41))


async def test_what_is_received_and_never_committed_is_asked_for_again_after_the_longer_wait(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.receive)
    async with bench.delivering(collector, commit_timeout=0.7):
        await bench.put(Stream.EVENTS, 3)
        await tools.until(lambda: len(collector.frames) == 4, "the oldest once more")
        collector.answer = tools.commit
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.firsts(Stream.EVENTS) == [1, 2, 3]


async def test_a_refused_batch_is_counted_as_lost_and_not_sent_again(bench, tools, caplog):
    def refuse_second(collector, frame):
        if frame.sequence == 2:
            return [Ack(collector.run, frame.spool, frame.stream, refused=[Refusal(2, "no table")])]
        return tools.commit(collector, frame)

    collector = tools.Collector(bench.port, answer=refuse_second)
    async with bench.delivering(collector):
        await bench.put(Stream.METRICS, 3)
        await tools.until(lambda: not bench.held(), "all to be settled")
    assert collector.sequences(Stream.METRICS) == [1, 2, 3]
    assert bench.spool.depth(Stream.METRICS).refused_items == 1
    assert "no table" in caplog.text


async def test_an_acknowledgement_that_comes_twice_or_late_does_no_harm(bench, tools):
    collector = tools.Collector(bench.port, answer=lambda it, frame: tools.commit(it, frame) * 2)
    async with bench.delivering(collector):
        await bench.put(Stream.METRICS, 3)
        await tools.until(lambda: not bench.held(), "all to be committed")
        await collector.say(Ack("collector-1", bench.spool.id, "metrics", committed=[Span(1, 3)]))
        await bench.put(Stream.METRICS, 2)
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.METRICS) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "ack"),
        (b"\xc1garbage", "ack"),
        (encode_ack(Ack("c", "another-spool", "alerts", committed=[Span(1, 2**40)])), "spool"),
        (encode_ack(Ack("c", "SPOOL", "status", committed=[Span(1, 2**40)])), "stream"),
        (encode_ack(Ack("c", "SPOOL", "nonsense", committed=[Span(1, 2**40)])), "stream"),
    ],
)
async def test_a_bad_acknowledgement_is_counted_and_changes_nothing(bench, tools, payload, reason):
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector):
        await bench.put(Stream.ALERTS, 1)
        await tools.until(lambda: collector.frames, "the alert")
        await collector.say_raw(payload.replace(b"\xa5SPOOL", b"\xd9\x24" + bench.spool.id.encode()))
        await tools.until(lambda: bench.metric("bad_acks_total", reason=reason) == 1, "the bad one to be counted")
        assert bench.held() == 1
        collector.answer = tools.commit
        await tools.until(lambda: not bench.held(), "delivery to go on")


async def test_numbers_that_were_never_sent_are_not_forgotten_whatever_a_collector_says(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector, window=2):
        await bench.put(Stream.EVENTS, 5)
        await tools.until(lambda: len(collector.frames) >= 2, "the window to be full")
        await collector.say(Ack("c", bench.spool.id, "events", committed=[Span(-5, 2**63), Span(4, 1)]))
        await tools.until(lambda: bench.spool.oldest(Stream.EVENTS) == 3, "what was sent to be committed")
        collector.answer = tools.commit
        await tools.until(lambda: not bench.held(), "the rest")
    assert collector.firsts(Stream.EVENTS) == [1, 2, 3, 4, 5]


async def test_no_more_than_the_window_is_on_its_way(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector, window=4, ack_timeout=30):
        await bench.put(Stream.METRICS, 20)
        await tools.until(lambda: len(collector.frames) == 4, "a full window")
        await asyncio.sleep(0.3)
        assert collector.sequences(Stream.METRICS) == [1, 2, 3, 4]
        await bench.put(Stream.ALERTS, 1)
        await tools.until(lambda: collector.sequences(Stream.ALERTS) == [1], "the alert to pass the full stream")


async def test_after_an_outage_alerts_come_first_and_live_metrics_before_the_backlog(bench, tools):
    await bench.backlog(Stream.METRICS, 30)
    await bench.put(Stream.METRICS, 200, b"m" * 500)
    assert bench.spool.depth(Stream.BACKFILL).batches == 200
    await bench.put(Stream.EVENTS, 20)
    await bench.put(Stream.ALERTS, 5)
    collector = tools.Collector(bench.port)
    async with bench.delivering(collector, backfill_rate=10_000):
        await tools.until(lambda: bench.spool.depth(Stream.METRICS).batches == 0, "live metrics to be empty")
        await bench.put(Stream.METRICS, 1)
        await tools.until(lambda: not bench.spool.depth(Stream.METRICS).batches, "live metrics to pass", seconds=5)
        await tools.until(lambda: not bench.held(), "the backlog")
    order = [frame.stream for frame in collector.frames]
    assert order[:5] == ["alerts"] * 5
    assert order[5:25] == ["events"] * 20
    assert order[25:55] == ["metrics"] * 30
    live = max(place for place, stream in enumerate(order) if stream == "metrics")
    assert live > 54
    assert "backfill" in order[live:], "live metrics did not wait for the backlog"
    assert collector.firsts(Stream.BACKFILL) == list(range(1, 201))


async def test_what_an_earlier_run_had_sent_is_sent_again_and_its_late_answer_is_taken(bench, tools):
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector):
        await bench.put(Stream.EVENTS, 2)
        await tools.until(lambda: len(collector.frames) == 2, "both")
    transport = bench.transport()
    async with collector.listening():
        await collector.say(Ack("c", bench.spool.id, "events", committed=[Span(1, 1)]))
        async with tools.running(transport.run()):
            await tools.until(lambda: len(collector.frames) == 4, "both once more")
            await collector.say(Ack("c", bench.spool.id, "events", committed=[Span(1, 2)]))
            await tools.until(lambda: not bench.held(), "the late answer")


async def test_draining_sends_what_is_there_and_ends_soon_without_a_broker_too(bench, tools):
    collector = tools.Collector(bench.port)
    async with bench.delivering(collector) as transport:
        await bench.put(Stream.EVENTS, 50)
        assert await transport.drain(5)
        sent = bench.metric("sent_batches_total", stream="events")
    assert sent == 50
    alone = bench.transport(url="mqtt://127.0.0.1:1")
    async with tools.running(alone.run()):
        assert not await alone.drain(0.2)


async def test_the_backlog_does_not_pass_live_metrics_that_wait_for_the_collector(bench, tools):
    await bench.backlog(Stream.METRICS, 5)
    await bench.put(Stream.METRICS, 5)
    collector = tools.Collector(bench.port, answer=tools.silence)
    async with bench.delivering(collector, window=2, ack_timeout=30):
        await tools.until(lambda: len(collector.frames) == 2, "a full window")
        await asyncio.sleep(0.3)
        assert [(frame.stream, frame.sequence) for frame in collector.frames] == [("metrics", 1), ("metrics", 2)]


async def test_while_nobody_listens_only_one_batch_at_a_time_is_tried_and_then_all_come_in_order(bench, tools):
    transport = bench.transport()
    async with tools.running(transport.run()):
        await bench.put(Stream.EVENTS, 30)
        await tools.until(lambda: bench.metric("unheard_total") >= 3, "three tries")
        assert bench.metric("sent_batches_total", stream="events") <= 4
        collector = tools.Collector(bench.port)
        async with collector.listening():
            await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.firsts(Stream.EVENTS) == list(range(1, 31))
