"""Sinks that are slow, dead, picky or faulty, and what that costs the others: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.errors import PartialWrite, Permanent, Rejection, Retryable
from fenghuo.wire import Stream
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.config import DeliveryConfig
from fenghuo_collector.ingest.deadletters import RecentDeadLetters
from fenghuo_collector.ingest.delivery import Delivery
from fenghuo_collector.ingest.metrics import DeliveryMetrics
from fenghuo_collector.sinks.base import Batch

from .support import AGENT, NOW, MemorySink, event, header, until


class Bench:
    """A delivery under test, and what it committed."""

    def __init__(self, *sinks: MemorySink, **options) -> None:
        self.committed: list[int] = []
        self.dead = RecentDeadLetters()
        self.registry = CollectorRegistry()
        self.accounts = {stream: StreamAccount(AGENT, "s1", stream) for stream in Stream}
        settings = {"retry": 0.01, "retry_max": 0.05, "linger": 0, **options}
        self.delivery = Delivery(
            sinks,
            DeliveryConfig.model_validate(settings),
            DeliveryMetrics(self.registry),
            clock=SystemClock(),
            random=random.Random(1),
            dead_letters=self.dead,
            committed=lambda account, number: self.committed.append(number),
        )

    def offer(self, *numbers: int, stream: Stream = Stream.EVENTS, size: int = 100, events: int = 1) -> None:
        for number in numbers:
            items = [event(f"e{number}.{index}") for index in range(events)]
            self.delivery.offer(self.accounts[stream], Batch(AGENT, stream, number, NOW, events=items, size=size))

    async def offer_each(self, numbers, sink: MemorySink, **options) -> None:
        """Offer one after the other, each when `sink` has the one before."""
        for number in numbers:
            self.offer(number, **options)
            await until(lambda number=number: number in sink.sequences)

    def metric(self, name: str, sink: str = "memory") -> float:
        return self.registry.get_sample_value(f"fenghuo_collector_sink_{name}", {"sink": sink}) or 0

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.delivery.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_when_all_required_sinks_have_a_batch_it_is_committed_once():
    sinks = MemorySink("a"), MemorySink("b")
    sinks[1].gate.clear()
    async with Bench(*sinks).running() as bench:
        bench.offer(1, 2)
        await until(lambda: sinks[0].sequences == [1, 2])
        assert bench.committed == []
        sinks[1].gate.set()
        await until(lambda: bench.committed == [1, 2])
    assert len(bench.delivery) == 0


async def test_when_a_sink_that_is_not_required_is_dead_commits_do_not_wait():
    dead = MemorySink("dead", required=False)
    dead.gate.clear()
    async with Bench(MemorySink("live"), dead).running() as bench:
        bench.offer(1)
        await until(lambda: bench.committed == [1])


async def test_when_no_required_sink_takes_a_stream_its_batches_count_as_committed():
    sink = MemorySink(streams=[Stream.METRICS])
    async with Bench(sink, MemorySink("listener", required=False)).running() as bench:
        bench.offer(1)
        assert bench.committed == [1]


async def test_when_a_write_fails_it_is_repeated_with_the_same_batches():
    sink = MemorySink()
    sink.plan = [Retryable("away"), TimeoutError(), Retryable("still away", retry_after=0.01)]
    async with Bench(sink).running() as bench:
        bench.offer(1, 2)
        await until(lambda: bench.committed == [1, 2])
    assert [[batch.sequence for batch in batches] for batches in sink.writes] == [[1, 2]] * 4
    assert bench.metric("retries_total") == 3


async def test_when_a_write_takes_too_long_it_is_given_up_and_repeated():
    sink = MemorySink()
    sink.gate.clear()
    async with Bench(sink, write_timeout=0.05).running() as bench:
        bench.offer(1)
        await until(lambda: len(sink.writes) >= 2)
        sink.gate.set()
        await until(lambda: bench.committed == [1])


async def test_when_part_of_a_write_fails_only_that_part_comes_again():
    sink = MemorySink()
    # Items 0-2 are of batch 1, 3-5 of batch 2.
    sink.plan = [
        PartialWrite("some", rejected=[Rejection(1, "mapping")], retry=[4, 5]),
        PartialWrite("again", rejected=[Rejection(1, "late mapping")], retry=[0]),
    ]
    async with Bench(sink).running() as bench:
        bench.offer(1, 2, events=3)
        await until(lambda: bench.committed == [1, 2])
    assert [[item.id for batch in batches for item in batch.events] for batches in sink.writes] == [
        ["e1.0", "e1.1", "e1.2", "e2.0", "e2.1", "e2.2"],
        ["e2.1", "e2.2"],
        ["e2.1"],
    ]
    assert [(letter.sequence, letter.index, letter.reason) for letter in bench.dead.letters] == [
        (1, 1, "mapping"),
        (2, 2, "late mapping"),
    ]
    assert bench.metric("rejected_items_total") == 2
    assert bench.metric("items_total") == 4


async def test_when_a_partial_write_says_nothing_more_all_is_stored():
    sink = MemorySink()
    sink.plan = [PartialWrite("fine", retry=[99], rejected=[Rejection(-1, "no such item")])]
    async with Bench(sink).running() as bench:
        bench.offer(1)
        await until(lambda: bench.committed == [1])
    assert bench.dead.count == 0


async def test_when_a_write_is_refused_for_good_its_items_are_dead_letters_and_the_next_goes_on():
    sink = MemorySink()
    sink.plan = [Permanent("no such index")]
    async with Bench(sink).running() as bench:
        bench.offer(1, events=3)
        await until(lambda: bench.committed == [1])
        bench.offer(2)
        await until(lambda: bench.committed == [1, 2])
    assert bench.dead.count == 3
    assert sink.sequences == [2]


async def test_when_a_sink_has_a_fault_only_the_guilty_batch_is_buried():
    class Faulty(MemorySink):
        async def write(self, batches):
            if any(batch.sequence == 2 for batch in batches):
                raise ZeroDivisionError
            await super().write(batches)

    sink = Faulty()
    async with Bench(sink).running() as bench:
        bench.offer(1, 2, 3)
        await until(lambda: sorted(bench.committed) == [1, 2, 3])
    assert sink.sequences == [1, 3]
    assert [letter.sequence for letter in bench.dead.letters] == [2]


async def test_when_a_sink_cannot_start_it_is_tried_again_and_the_others_work():
    class Slow(MemorySink):
        attempts = 0

        async def start(self):
            self.attempts += 1
            if self.attempts < 3:
                raise Retryable("not yet") if self.attempts == 1 else Permanent("no")

    slow, other = Slow("slow"), MemorySink("other")
    async with Bench(slow, other).running() as bench:
        bench.offer(1)
        await until(lambda: other.sequences == [1])
        await until(lambda: bench.committed == [1])
    assert slow.attempts == 3


async def test_when_a_required_sink_is_full_the_newest_are_shed_and_come_again_for_it_alone():
    slow, fast = MemorySink("slow"), MemorySink("fast")
    slow.gate.clear()
    async with Bench(slow, fast, queue=500, group_batches=1).running() as bench:
        bench.offer(1)
        await until(lambda: slow.writes)
        await bench.offer_each(range(2, 11), fast)
        assert bench.committed == []
        assert bench.metric("shed_batches_total", "slow") == 5
        assert bench.metric("queue_bytes", "slow") <= 500
        account = bench.accounts[Stream.EVENTS]
        lacking = [number for number in range(1, 11) if bench.delivery.lacking(account, number)]
        assert lacking == [6, 7, 8, 9, 10]
        bench.offer(6)  # comes again while there is no room: it is put off, and costs nobody its place
        assert bench.delivery.lacking(account, 6)
        assert bench.metric("shed_batches_total", "slow") == 6
        slow.gate.set()
        await until(lambda: sorted(bench.committed) == [1, 2, 3, 4, 5])
        bench.offer(*lacking)
        await until(lambda: sorted(bench.committed) == list(range(1, 11)))
    assert sorted(slow.sequences) == list(range(1, 11))
    assert sorted(fast.sequences) == list(range(1, 11))


async def test_when_a_sink_that_is_not_required_is_full_it_loses_for_itself_only():
    slow, fast = MemorySink("slow", required=False), MemorySink("fast")
    slow.gate.clear()
    async with Bench(slow, fast, queue=300, group_batches=1).running() as bench:
        bench.offer(1, events=2)
        await until(lambda: slow.writes)
        await bench.offer_each(range(2, 11), fast, events=2)
        assert sorted(bench.committed) == list(range(1, 11))
        slow.gate.set()
        await until(lambda: len(slow.sequences) == 3)
    assert bench.metric("lost_items_total", "slow") == 14


async def test_when_there_is_no_room_the_least_urgent_goes_first():
    sink = MemorySink()
    sink.gate.clear()
    async with Bench(sink, queue=400, group_batches=1).running() as bench:
        bench.offer(1)
        await until(lambda: sink.writes)
        bench.offer(10, stream=Stream.ALERTS)
        bench.offer(20, stream=Stream.METRICS)
        bench.offer(30, stream=Stream.BACKFILL)
        bench.offer(11, stream=Stream.ALERTS)  # the backfill goes
        bench.offer(31, stream=Stream.BACKFILL)  # finds nothing less urgent
        bench.offer(12, stream=Stream.ALERTS)  # the metrics go
        sink.gate.set()
        await until(lambda: len(sink.sequences) == 4)
    assert sink.sequences == [1, 10, 11, 12]


async def test_when_a_batch_finds_no_room_at_one_sink_the_next_ones_have_it_all_the_same():
    full, free = MemorySink("full"), MemorySink("free")
    full.gate.clear()
    async with Bench(full, free, queue=200, group_batches=1).running() as bench:
        for number in (1, 2):
            bench.offer(number, stream=Stream.ALERTS)
            await until(lambda number=number: number in free.sequences)
        bench.offer(3)  # less urgent than all that waits at the first sink
        await until(lambda: free.sequences == [1, 2, 3])
    assert free.ids == ["e1.0", "e2.0", "e3.0"]
    assert bench.metric("shed_batches_total", "full") == 1


async def test_when_a_shed_batch_is_remembered_no_longer_it_is_new_when_it_comes_again(monkeypatch):
    monkeypatch.setattr("fenghuo_collector.ingest.delivery._HOMELESS", 3)
    dead = MemorySink()
    dead.gate.clear()
    async with Bench(dead, queue=200, group_batches=1).running() as bench:
        account = bench.accounts[Stream.EVENTS]
        for number in range(1, 10):
            account.see(header(number))
            bench.offer(number)
            await until(lambda: dead.writes)
    assert len(bench.delivery) == 2 + 3
    assert [number in account.held for number in range(1, 10)] == [True] * 2 + [False] * 4 + [True] * 3


async def test_when_much_waits_alerts_go_first_and_backfill_last():
    sink = MemorySink()
    bench = Bench(sink, group_batches=2)
    for number, stream in enumerate([Stream.BACKFILL, Stream.METRICS, Stream.EVENTS, Stream.ALERTS, Stream.METRICS]):
        bench.offer(number + 1, stream=stream)
    async with bench.running():
        await until(lambda: len(sink.sequences) == 5)
    assert sink.sequences == [4, 3, 2, 5, 1]


async def test_when_many_batches_wait_they_are_written_in_groups_within_bounds():
    sink = MemorySink()
    bench = Bench(sink, group_bytes=1000, group_items=8, group_batches=5)
    bench.offer(*range(1, 13))
    bench.offer(13, size=5000)
    bench.offer(*range(14, 17), events=5)
    async with bench.running():
        await until(lambda: len(bench.committed) == 16)
    assert [len(batches) for batches in sink.writes] == [5, 5, 2, 1, 1, 1, 1]


async def test_when_batches_come_one_by_one_they_linger_for_others_but_alerts_do_not():
    sink = MemorySink()
    async with Bench(sink, linger=0.2).running() as bench:
        bench.offer(1)
        await asyncio.sleep(0.02)
        bench.offer(2)
        await asyncio.sleep(0.02)
        assert sink.writes == []
        bench.offer(3, stream=Stream.ALERTS)
        await until(lambda: len(sink.sequences) == 3, 0.1)
    assert sink.sequences == [3, 1, 2]


async def test_when_all_items_of_a_batch_were_rejected_there_is_nothing_to_store():
    sink = MemorySink()
    async with Bench(sink).running() as bench:
        bench.offer(1, events=0)
        assert bench.committed == [1]
    assert sink.writes == []


async def test_when_delivery_ends_it_waits_for_what_is_being_written_but_not_for_a_sink_that_fails():
    slow, dead = MemorySink("slow"), MemorySink("dead")
    dead.plan = [Retryable("away")] * 1000
    slow.gate.clear()
    async with Bench(slow, dead, linger=5).running() as bench:
        bench.offer(1)
        asyncio.get_running_loop().call_later(0.1, slow.gate.set)
        await asyncio.wait_for(bench.delivery.drain(), 2)
        assert slow.sequences == [1]
        states = {state.name: state for state in bench.delivery.sinks()}
    assert (states["dead"].failing, states["dead"].last_error) == (True, "away")
    assert (states["slow"].failing, states["slow"].waiting_bytes) == (False, 0)


@pytest.mark.parametrize("names", [("a", "a")])
def test_when_two_sinks_have_one_name_it_is_an_error(names):
    with pytest.raises(ValueError, match="same name"):
        Bench(*(MemorySink(name) for name in names))
