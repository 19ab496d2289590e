"""What the spool promises while all goes well, and how it gives room."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest
import zstandard

from fenghuo.errors import Permanent
from fenghuo.wire import Span, Stream
from fenghuo_agent.spool import Entry
from fenghuo_agent.spool.batch import footprint
from fenghuo_agent.spool.spool import lock_of


def entry(stream=Stream.METRICS, size=100, count=10):
    return Entry(stream, os.urandom(size), count)


async def settled(spool, condition):
    """Until what was asked for (deletions are not awaited) is done."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, {stream: spool.depth(stream) for stream in Stream if stream.is_data}
        await asyncio.sleep(0.005)


async def numbers(spool, stream, after=0):
    return [batch.sequence for batch in await spool.pending(stream, after, 10_000, 2**30)]


async def test_batches_come_out_as_they_went_in(place):
    async with place.opened() as spool:
        bodies = [os.urandom(size) for size in (0, 1, 5000, 200_000)]
        await spool.append([Entry(Stream.EVENTS, body, n) for n, body in enumerate(bodies)])
        found = await spool.pending(Stream.EVENTS, 0, 10)
        assert [zstandard.decompress(batch.body) for batch in found] == bodies
        assert [(batch.sequence, batch.count) for batch in found] == [(1, 0), (2, 1), (3, 2), (4, 3)]
        assert await spool.batches(Stream.EVENTS, [3, 99, 2]) == [found[2], found[1]]


async def test_reading_is_bounded_in_number_and_bytes_and_gives_at_least_one(place):
    async with place.opened() as spool:
        await spool.append([entry(size=1000) for _ in range(10)])
        assert len(await spool.pending(Stream.METRICS, 0, 3)) == 3
        assert len(await spool.pending(Stream.METRICS, 0, 10, max_bytes=2500)) == 2
        assert len(await spool.pending(Stream.METRICS, 0, 10, max_bytes=1)) == 1


async def test_numbers_go_on_after_the_stream_was_emptied_and_the_spool_opened_again(place):
    async with place.opened() as spool:
        await spool.append([entry() for _ in range(3)])
        spool.commit(spool.id, Stream.METRICS, [Span(1, 3)])
        known = spool.id
    async with place.opened() as spool:
        assert spool.id == known
        assert spool.depth(Stream.METRICS).batches == 0
        assert spool.oldest(Stream.METRICS) == 4
        await spool.append([entry()])
        assert await numbers(spool, Stream.METRICS) == [4]


async def test_commits_are_selective_and_numbers_of_another_spool_mean_nothing(place):
    async with place.opened() as spool:
        await spool.append([entry() for _ in range(10)])
        spool.commit("another", Stream.METRICS, [Span(1, 10)])
        spool.commit(spool.id, Stream.METRICS, [Span(2, 3), Span(5, 5), Span(9, 2**63)])
        await settled(spool, lambda: spool.depth(Stream.METRICS).batches == 5)
        assert await numbers(spool, Stream.METRICS) == [1, 4, 6, 7, 8]
        assert spool.oldest(Stream.METRICS) == 1


async def test_a_refused_batch_is_counted_apart(place):
    async with place.opened() as spool:
        await spool.append([entry(count=7), entry(count=8)])
        spool.refuse(spool.id, Stream.METRICS, 1, "no table")
        spool.refuse(spool.id, Stream.METRICS, 1, "no table")
        await settled(spool, lambda: spool.depth(Stream.METRICS).refused_items == 7)
    async with place.opened() as spool:
        assert spool.depth(Stream.METRICS).refused_batches == 1
        assert spool.dropped(Stream.METRICS) == 0


async def test_a_state_is_there_after_opening_again(place):
    async with place.opened() as spool:
        await spool.append([], {"rules": b"1", "other": b"x"})
        await spool.append([entry(Stream.ALERTS)], {"rules": b"2"})
    async with place.opened() as spool:
        assert await spool.load_state("rules") == b"2"
        assert await spool.load_state("other") == b"x"
        assert await spool.load_state("unknown") is None


async def test_over_the_cap_the_oldest_metrics_go_first_and_alerts_last_and_all_is_counted(place):
    cap = 2**18
    async with place.opened(cap=cap) as spool:
        size = 10_000
        fit = cap // footprint(zstd_size(size))
        for stream in (Stream.ALERTS, Stream.EVENTS, Stream.ASSETS, Stream.METRICS):
            await spool.append([entry(stream, size) for _ in range(fit // 4)])
        assert spool.dropped(Stream.METRICS) == 0
        await spool.append([entry(Stream.METRICS, size) for _ in range(fit)])
        kept, last = fit - 3 * (fit // 4), fit + fit // 4
        assert await numbers(spool, Stream.METRICS) == list(range(last - kept + 1, last + 1))
        await spool.append([entry(Stream.ALERTS, size) for _ in range(fit)])
        depths = {stream: spool.depth(stream) for stream in Stream if stream.is_data}
        assert sum(depth.bytes for depth in depths.values()) <= cap
        assert [depths[stream].batches for stream in (Stream.METRICS, Stream.ASSETS, Stream.EVENTS)] == [0, 0, 0]
        for depth in depths.values():
            assert depth.dropped_batches + depth.batches == depth.last
            assert depth.dropped_items == 10 * depth.dropped_batches
            assert depth.oldest == depth.dropped_batches + 1
        assert place.metric("dropped_items_total", stream="assets", reason="cap") == depths[Stream.ASSETS].dropped_items


async def test_over_the_cap_what_is_on_its_way_goes_last_of_its_stream(place):
    cap, size = 2**18, 10_000
    fit = cap // footprint(zstd_size(size))
    async with place.opened(cap=cap) as spool:
        await spool.append([entry(Stream.METRICS, size) for _ in range(fit)])
        spool.spare(spool.id, Stream.METRICS, 3)
        await spool.append([entry(Stream.METRICS, size) for _ in range(5)])
        assert await numbers(spool, Stream.METRICS) == [1, 2, 3, *range(9, fit + 6)]
        spool.spare(spool.id, Stream.METRICS, 0)
        await spool.append([entry(Stream.METRICS, size)])
        assert await numbers(spool, Stream.METRICS) == [2, 3, *range(9, fit + 7)]
        spool.spare(spool.id, Stream.METRICS, fit + 6)
        await spool.append([entry(Stream.ALERTS, size) for _ in range(fit)])
        assert spool.depth(Stream.METRICS).batches == 0, "urgency counts for more"
        assert spool.dropped(Stream.METRICS) == 10 * (fit + 6)


def zstd_size(size):
    return len(zstandard.compress(os.urandom(size)))


async def test_metrics_are_put_behind_once_undelivered_ones_are_old_until_none_is_left(place):
    async with place.opened(backfill_after=60.0) as spool:
        await spool.append([entry()])
        place.clock.advance(60)
        await spool.append([entry()])
        place.clock.advance(1)
        await spool.append([entry(), entry()])
        assert await numbers(spool, Stream.METRICS) == [1, 2]
        assert await numbers(spool, Stream.BACKFILL) == [1, 2]
        spool.commit(spool.id, Stream.METRICS, [Span(1, 1)])
        await settled(spool, lambda: spool.depth(Stream.METRICS).batches == 1)
        await spool.append([entry()])
        assert await numbers(spool, Stream.BACKFILL) == [1, 2, 3]
        spool.commit(spool.id, Stream.METRICS, [Span(2, 2)])
        await settled(spool, lambda: spool.depth(Stream.METRICS).batches == 0)
        await spool.append([entry()])
        assert await numbers(spool, Stream.METRICS) == [3]


async def test_the_file_stays_near_its_cap_and_shrinks_when_the_backlog_is_delivered(place):
    cap = 2**22
    async with place.opened(cap=cap) as spool:
        for _ in range(10):
            await spool.append([entry(size=size) for size in (100, 3000, 9000, 60_000) * 20])
        last = spool.depth(Stream.METRICS).last
        assert spool.depth(Stream.METRICS).bytes <= cap
        spool.commit(spool.id, Stream.METRICS, [Span(1, last)])
    assert place.path.stat().st_size < cap * 1.25 + 2**16
    full = place.path.stat().st_size
    async with place.opened(cap=cap), asyncio.timeout(20):
        while place.path.stat().st_size > full - 250 * 4096:  # noqa: ASYNC110 — the file's size tells no event
            await asyncio.sleep(0.05)


async def test_free_room_is_kept_in_the_file_so_that_a_full_disk_does_not_stop_delivery(place):
    async with place.opened(reserve=2**20):
        assert place.path.stat().st_size > 2**20
        assert place.path.with_name("spool.db-wal").stat().st_size > 2**20


HOLD = """
import asyncio, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from fenghuo.clock import SystemClock
from fenghuo_agent.spool import Spool, SpoolConfig
async def main():
    spool = Spool.open(SpoolConfig(path=Path(sys.argv[1])), SystemClock(), CollectorRegistry())
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await spool.close()
asyncio.run(main())
"""


def test_a_second_process_on_the_same_spool_is_refused_and_told_who_has_it(place):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(Permanent, match=f"in use by process {holder.pid}"):
            lock_of(place.path)
    finally:
        holder.stdin.close()
        holder.wait(10)
    lock_of(place.path).release()


async def test_nothing_is_taken_after_closing(place):
    async with place.opened() as spool:
        last = spool.append([entry()])
    assert last.done() or await asyncio.wait_for(last, 1) is None
    with pytest.raises(Permanent):
        spool.append([entry()])
