"""What goes wrong with disks and files: said in clear words, to be tried again, nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.errors import Permanent, Retryable
from fenghuo.model import Event, Table
from fenghuo_collector.sinks.sqlite import database

from .stores import DAY, MINUTE, START, documents, drawn, metrics, ports, store


async def test_a_full_disk_is_retryable_and_writing_goes_on_when_there_is_room(tmp_path):
    async with store(tmp_path) as sink:
        connection = sink._metrics_file._connection
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        fields = [f"f{n}" for n in range(40)]
        wide = ports([f"p{n}" for n in range(48)], fields)
        big = [Table(wide, START + n * MINUTE, [[n * 7919 + port for port in range(48)]] * 40) for n in range(20)]
        for _ in range(2):
            with pytest.raises(Retryable, match="disk is full"):
                await sink.write([metrics(*big)])
        assert sink.query.count_tables() == 1, "nothing of the failed write is there"
        await sink.maintain()
        connection.execute("PRAGMA max_page_count = 1000000")
        await sink.write([metrics(*big)])
        assert sink.query.count_tables() == 21


async def test_a_locked_store_is_retryable(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with store(tmp_path) as sink:
        other = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match="second collector"):
            await sink.write([documents(Event("a", START, {}))])
        other.execute("ROLLBACK")
        other.close()
        await sink.write([documents(Event("a", START, {}))])
        assert sink.query.count_events() == 1


@pytest.mark.parametrize("content", [b"this is no database at all, " * 200, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_damaged_file_is_named_and_what_to_do_with_it(tmp_path, content):
    (tmp_path / "metrics.sqlite").write_bytes(content)
    with pytest.raises(Retryable, match=r"metrics\.sqlite.*(move the file away)"):
        async with store(tmp_path):
            pass


async def test_a_file_damaged_inside_fails_what_touches_it_without_ending_anything(tmp_path, caplog):
    async with store(tmp_path) as sink:
        await sink.write([documents(*[Event(str(n), START + n, {"message": f"{n} " * 2000}) for n in range(200)])])
    with (tmp_path / "events.sqlite").open("r+b") as file:
        file.seek(40_960)
        file.write(b"\xde\xad" * 60_000)
    clock = VirtualClock(START + 91 * DAY)
    async with store(tmp_path, clock) as sink:
        with pytest.raises(Retryable, match="damaged"):
            sink.query.events(limit=1000)
        with pytest.raises(Retryable, match="damaged"):
            await sink.maintain()
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START, 1)]


async def test_a_round_that_fails_is_followed_by_the_next(tmp_path, caplog):
    async with store(tmp_path, maintenance_interval=0.05) as sink:
        failures = asyncio.Queue()

        async def fail() -> None:
            failures.put_nowait(1)
            raise Retryable("the disk is full")

        sink.maintain = fail
        async with asyncio.timeout(10):
            await failures.get()
            await failures.get()
        assert "not looked after this time: the disk is full" in caplog.text


async def test_a_store_of_a_newer_fenghuo_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "metrics.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Permanent, match="newer"):
        async with store(tmp_path):
            pass


async def test_a_folder_that_cannot_be_made_is_retryable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Retryable):
        async with store(tmp_path / "file" / "store"):
            pass


async def test_a_start_that_failed_may_be_repeated(tmp_path):
    (tmp_path / "metrics.sqlite").write_bytes(b"no database" * 500)
    sink_context = store(tmp_path)
    with pytest.raises(Retryable):
        await sink_context.__aenter__()
    (tmp_path / "metrics.sqlite").unlink()
    async with store(tmp_path) as sink:
        await sink.write([documents(Event("a", START, {}))])


async def test_before_the_start_and_after_the_close_it_says_so(tmp_path):
    async with store(tmp_path) as sink:
        pass
    with pytest.raises(Retryable, match="closed"):
        await sink.write([documents(Event("a", START, {}))])


async def test_reading_does_not_hold_up_writing_and_sees_one_state(tmp_path):
    async with store(tmp_path) as sink:
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        with sink.query._metrics.borrow() as connection:
            before = connection.execute("SELECT count(*) FROM journal").fetchone()
            async with asyncio.timeout(2):
                await sink.write([metrics(Table(ports(), START + MINUTE, [[1, 2]]))])
            assert connection.execute("SELECT count(*) FROM journal").fetchone() == before
        assert sink.query.count_tables() == 2


async def test_a_cancelled_write_is_whole_or_not_there(tmp_path):
    async with store(tmp_path) as sink:
        tables = [Table(ports(), START + n * MINUTE, [[n, n]]) for n in range(500)]
        task = asyncio.create_task(sink.write([metrics(*tables)]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sink.write([metrics(Table(ports(), START, [[0, 0]]))])
        assert sink.query.count_tables() in (1, 500)


async def test_queries_beyond_the_room_wait_and_then_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with store(tmp_path) as sink:
        await sink.write([documents(Event("a", START, {}))])
        readers = sink.query._events
        with contextlib.ExitStack() as loans:
            for _ in range(4):
                loans.enter_context(readers.borrow())
            with pytest.raises(Retryable, match="too many"):
                await asyncio.to_thread(sink.query.events)
        assert len(sink.query.events()) == 1
