"""What survives when the power, the disk or the file fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from fenghuo.clock import SystemClock
from fenghuo.errors import Permanent, Retryable
from fenghuo.wire import Span, Stream
from fenghuo_agent.app import started
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.spool import Entry
from fenghuo_agent.spool.database import open_database
from servers import disk
from servers.disk import fill

FRAME = 24 + 4096
"""Bytes of one page in the log (SQLite file format, section 4.1)."""
WRITER = Path(__file__).with_name("writing_process.py")
STREAMS = (Stream.ALERTS, Stream.EVENTS, Stream.METRICS)


def write_until_killed(path: Path, seconds: float, seed: int) -> dict[str, int]:
    """Run a process that spools, kill it after `seconds` of work; the last number it saw confirmed, by stream."""
    process = subprocess.Popen([sys.executable, str(WRITER), str(path), str(seed)], stdout=subprocess.PIPE)
    assert process.stdout
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().decode()
    finally:
        process.kill()
        process.wait()
    whole = said[: said.rfind("\n") + 1].splitlines()
    confirmed = dict.fromkeys(map(str, STREAMS), 0)
    for line in whole:
        stream, number = line.split()
        confirmed[stream] = int(number)
    return confirmed


async def check_after_kill(place, confirmed):
    async with place.opened() as spool:
        for stream in STREAMS:
            depth = spool.depth(stream)
            held = [batch.sequence for batch in await spool.pending(stream, 0, 10**6, 2**40)]
            assert depth.last >= confirmed[stream]
            assert held == list(range(depth.last - len(held) + 1, depth.last + 1)), "a gap in the numbers"
            assert depth.dropped_batches == 0
        state = await spool.load_state("events")
        assert int(state or b"0") == spool.depth(Stream.EVENTS).last, "the state and its batches are of one transaction"


async def kill_rounds(place, rounds):
    dice = random.Random(5)
    for round_ in range(rounds):
        confirmed = await asyncio.to_thread(write_until_killed, place.path, dice.uniform(0.01, 0.4), round_)
        await check_after_kill(place, confirmed)
    return confirmed


async def test_what_was_confirmed_is_there_after_kill_9(place):
    confirmed = await kill_rounds(place, 4)
    assert confirmed["events"] > 0


@pytest.mark.slow
async def test_what_was_confirmed_is_there_after_kill_9_many_times(place):
    await kill_rounds(place, 40)


async def copy_of_live_files(place, spool) -> Path:
    """The spool's files as a power cut would leave them, in a folder of their own."""
    folder = place.path.parent / "cut"
    folder.mkdir()
    for part in ("", "-wal"):
        source = place.path.with_name(place.path.name + part)
        (folder / source.name).write_bytes(source.read_bytes())
    return folder / place.path.name


async def test_a_log_cut_off_anywhere_costs_only_its_last_transactions(place):
    async with place.opened(reserve=2**21) as spool:  # with a reserve the log is long before it is copied into the file
        for number in range(1, 21):
            await spool.append([Entry(Stream.EVENTS, os.urandom(900), 1)], {"events": str(number).encode()})
        cut = await copy_of_live_files(place, spool)
    log = cut.with_name(cut.name + "-wal")
    whole, file = log.read_bytes(), cut.read_bytes()
    seen = set()
    for size in range(0, 32 + 90 * FRAME, 3 * FRAME + 50):
        cut.write_bytes(file)
        log.write_bytes(whole[:size] + os.urandom(size % 100))
        place.path = cut
        async with place.opened() as spool:
            held = [batch.sequence for batch in await spool.pending(Stream.EVENTS, 0, 100)]
            assert held == list(range(1, len(held) + 1))
            assert spool.depth(Stream.EVENTS).last == len(held)
            assert int(await spool.load_state("events") or b"0") == len(held)
            seen.add(len(held))
    assert len(seen) > 10


@pytest.mark.parametrize("damage", ["garbage", "middle", "short", "empty header"])
async def test_a_damaged_file_is_moved_aside_and_a_new_spool_begins(place, caplog, damage):
    async with place.opened() as spool:
        before = spool.id
        await spool.append([Entry(Stream.METRICS, os.urandom(3000), 1) for _ in range(50)])
    content = bytearray(place.path.read_bytes())
    if damage == "garbage":
        content[:] = os.urandom(len(content))
    elif damage == "middle":
        content[4096 * 2 : 4096 * 12] = os.urandom(4096 * 10)
    elif damage == "short":
        del content[4096 * 5 + 17 :]
    else:
        content[:4096] = bytes(4096)
    place.path.write_bytes(content)
    async with place.opened() as spool:
        assert spool.id != before
        await spool.append([Entry(Stream.METRICS, b"x", 1)])
        assert spool.depth(Stream.METRICS).last == 1
    aside = list(place.path.parent.glob("spool.db.corrupt-*"))
    assert [path.read_bytes() for path in aside if path.suffix == f".corrupt-{place.clock.now()}"] == [bytes(content)]
    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_file_damaged_while_in_use_is_replaced_and_what_it_held_is_counted_as_lost(place, caplog):
    async with place.opened() as spool:
        before = spool.id
        await spool.append([Entry(Stream.METRICS, os.urandom(3000), 10) for _ in range(50)])
        with sqlite3.connect(place.path) as other:
            other.execute("DROP TABLE batch")
        spool.commit(before, Stream.METRICS, [Span(1, 1)])
        await asyncio.wait_for(spool.append([Entry(Stream.METRICS, b"x", 10)]), 10)
        assert spool.id != before
        assert spool.depth(Stream.METRICS).last == 1
        assert spool.dropped(Stream.METRICS) == 500
        spool.commit(before, Stream.METRICS, [Span(1, 50)])
        await spool.append([])
        assert spool.depth(Stream.METRICS).batches == 1
        assert len(await spool.pending(Stream.METRICS, 0, 10)) == 1
    assert place.metric("dropped_items_total", stream="metrics", reason="damage") == 500


async def test_another_programs_database_is_left_alone(place):
    with sqlite3.connect(place.path) as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(Permanent, match="another program"):
        place.open()


async def test_a_newer_spool_is_left_alone(place):
    async with place.opened():
        pass
    with contextlib.closing(sqlite3.connect(place.path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(Permanent, match="schema version 99"):
        place.open()


def test_a_start_cut_off_before_the_tables_were_made_is_made_up_for(tmp_path):
    path = tmp_path / "spool.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
    with contextlib.closing(open_database(path, 1, os.urandom)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.fixture
def small_disk(place):
    """A disk of one megabyte under the spool."""
    with disk.small_disk(place.path.parent / "disk") as folder:
        place.path = folder / "spool.db"
        yield folder


async def test_on_a_full_disk_batches_wait_in_memory_and_are_written_once_there_is_room(place, small_disk, caplog):
    async with place.opened() as spool:
        await spool.append([Entry(Stream.METRICS, os.urandom(10_000), 1)])
        filler = fill(small_disk)
        waiting = [spool.append([Entry(Stream.METRICS, os.urandom(100_000), 1)]) for _ in range(3)]
        await asyncio.sleep(0.5)
        assert not any(future.done() for future in waiting)
        assert spool.waiting > 300_000
        filler.unlink()
        await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert [batch.sequence for batch in await spool.pending(Stream.METRICS, 0, 10)] == [1, 2, 3, 4]
        assert spool.waiting == 0
        assert spool.dropped(Stream.METRICS) == 0
    assert {record.levelno for record in caplog.records} <= {logging.WARNING, logging.INFO}


async def test_when_memory_is_full_too_the_oldest_metrics_go_first_and_are_counted_on_disk_later(place, small_disk):
    async with place.opened(memory=2**18) as spool:
        filler = fill(small_disk)
        waiting = [spool.append([Entry(Stream.METRICS, os.urandom(40_000), 7)]) for _ in range(20)]
        waiting.append(spool.append([Entry(Stream.ALERTS, os.urandom(100_000), 1)]))
        assert spool.waiting <= 2 * 2**18
        filler.unlink()
        await asyncio.wait_for(asyncio.gather(*waiting), 20)
        metrics = spool.depth(Stream.METRICS)
        assert spool.depth(Stream.ALERTS).batches == 1
        assert metrics.batches + metrics.dropped_batches == 20
        assert metrics.dropped_items == 7 * metrics.dropped_batches > 0
        found = await spool.pending(Stream.METRICS, 0, 100, 2**30)
        assert [batch.sequence for batch in found] == list(range(1, metrics.batches + 1))
    assert place.metric("dropped_items_total", stream="metrics", reason="memory") == metrics.dropped_items


async def test_with_its_reserve_a_full_disk_does_not_stop_what_is_delivered_at_once(place, small_disk):
    async with place.opened(reserve=2**17) as spool:
        fill(small_disk)
        for number in range(1, 60):
            await asyncio.wait_for(spool.append([Entry(Stream.METRICS, os.urandom(20_000), 1)]), 5)
            spool.commit(spool.id, Stream.METRICS, [Span(number, number)])
        assert place.metric("disk_failures_total") == 0


async def test_a_spool_that_cannot_be_made_for_a_full_disk_may_be_tried_again(place, small_disk):
    filler = fill(small_disk)
    with pytest.raises(Retryable):
        place.open()
    filler.unlink()
    async with place.opened() as spool:
        await spool.append([Entry(Stream.METRICS, b"x", 1)])


async def test_an_agent_that_starts_on_a_full_disk_waits_for_room(place, small_disk, caplog):
    filler = fill(small_disk)
    config = AgentConfig.model_validate(
        {"site": "a/b", "agent": "gw1", "collector": "mqtt://127.0.0.1:9", "spool": {"path": place.path, "reserve": 0}}
    )

    async def start() -> None:
        async with started(config, [], SystemClock(), Random(1), place.registry):
            pass

    starting = asyncio.create_task(start())
    while "the agent's start failed" not in caplog.text:  # noqa: ASYNC110 — a log has no event to wait for
        await asyncio.sleep(0.01)
    filler.unlink()
    await asyncio.wait_for(starting, 20)
    assert {record.levelno for record in caplog.records} <= {logging.WARNING, logging.INFO}


async def test_a_spool_where_none_can_ever_be_is_an_error_at_once(place):
    place.path.write_text("no folder")
    place.path /= "spool.db"
    with pytest.raises(Permanent, match="cannot be opened: File exists"):
        place.open()


async def test_closing_on_a_full_disk_ends_and_says_what_is_lost(place, small_disk, caplog, monkeypatch):
    monkeypatch.setattr("fenghuo_agent.spool.spool.CLOSE_SECONDS", 0.5)
    async with place.opened() as spool:
        fill(small_disk)
        spool.append([Entry(Stream.METRICS, os.urandom(300_000), 1)])
    assert "are lost" in caplog.text
