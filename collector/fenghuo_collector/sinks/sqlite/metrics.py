"""Metrics in SQLite: a journal that takes tables at once, and chunks that the journal is compacted into.

`layout`   each distinct layout of each agent, once, by the hash of its content
`journal`  tables as they came, one row each: durable as soon as written
`chunk`    what one layout read in one window, see `encode`
`ended`    when a layout's series ended
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from fenghuo.errors import Permanent, Rejection
from fenghuo.model import Layout, Table
from fenghuo.wire.body import decode_layout, encode_layout
from fenghuo.wire.columns import WireColumn, pack
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite.database import transaction
from fenghuo_collector.sinks.sqlite.encode import decode_chunk, encode_chunk, join, matrix, take
from fenghuo_collector.sinks.sqlite.events import MAX_TIME

log = logging.getLogger(__name__)

VERSION = 1
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS layout (
        id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL,
        hash BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (agent, name, device, hash))""",
    """CREATE TABLE IF NOT EXISTS journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT, layout INTEGER NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL,
        body BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS journal_time ON journal (layout, time)",
    """CREATE TABLE IF NOT EXISTS chunk (
        layout INTEGER NOT NULL, start INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        written INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (layout, start))""",
    "CREATE INDEX IF NOT EXISTS chunk_range ON chunk (layout, first, last)",
    "CREATE INDEX IF NOT EXISTS chunk_last ON chunk (last)",
    "CREATE INDEX IF NOT EXISTS chunk_written ON chunk (written)",
    """CREATE TABLE IF NOT EXISTS ended (
        layout INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (layout, time)) WITHOUT ROWID""",
)
_encode = msgspec.msgpack.Encoder().encode
_columns = msgspec.msgpack.Decoder(list[WireColumn])


def unpack_columns(body: bytes) -> list[WireColumn]:
    """A journal row's columns as the wire packs them; `Permanent` where the row is damaged."""
    try:
        return _columns.decode(body)
    except msgspec.DecodeError as error:
        raise Permanent(f"a damaged table: {error}") from error


def _wrong(table: Table) -> str:
    """Why a table cannot be stored; "" where it can."""
    if abs(table.time) > MAX_TIME:
        return f"time {table.time} is no moment in Unix milliseconds"
    if table.ended:
        return ""
    height = table.layout.height
    if len(table.columns) != len(table.layout.fields) or any(len(column) != height for column in table.columns):
        return f"table {table.layout.name}: its columns do not fit its layout"
    return ""


class MetricsWriter:
    """Writes by the one connection that does; layouts that it has seen cost a look-up in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._layouts: WeakKeyDictionary[Layout, dict[str, int]] = WeakKeyDictionary()

    def append(self, batches: Iterable[Batch]) -> tuple[int, list[Rejection]]:
        """Put the batches' tables into the journal in one transaction; how many were new to it, and which cannot be
        stored (`index` counts through the batches' tables).
        """
        stored = 0
        rejected: list[Rejection] = []
        try:
            with transaction(self._connection):
                for index, (batch, table) in enumerate((each, table) for each in batches for table in each.tables):
                    if wrong := _wrong(table):
                        rejected.append(Rejection(index, wrong))
                    elif table.layout.height:
                        stored += self._append(str(batch.agent), table, batch.received)
        except BaseException:
            self._layouts.clear()
            raise
        return stored, rejected

    def _append(self, agent: str, table: Table, received: int) -> int:
        layout = self._layout(agent, table.layout)
        if table.ended:
            return self._connection.execute("INSERT OR IGNORE INTO ended VALUES (?, ?)", (layout, table.time)).rowcount
        body = _encode([pack(column) for column in table.columns])
        return self._connection.execute(
            "INSERT OR IGNORE INTO journal (layout, time, received, body) VALUES (?, ?, ?, ?)",
            (layout, table.time, received, body),
        ).rowcount

    def _layout(self, agent: str, layout: Layout) -> int:
        known = self._layouts.setdefault(layout, {})
        if agent not in known:
            body = bytes(encode_layout(layout))
            key = (agent, layout.name, layout.labels.get("device", ""), hashlib.blake2b(body, digest_size=16).digest())
            self._connection.execute(
                "INSERT OR IGNORE INTO layout (agent, name, device, hash, body) VALUES (?, ?, ?, ?, ?)", (*key, body)
            )
            found = self._connection.execute(
                "SELECT id FROM layout WHERE agent = ? AND name = ? AND device = ? AND hash = ?", key
            )
            known[agent] = int(found.fetchone()[0])
        return known[agent]

    def put(self, packed: Sequence[Packed], now: int) -> None:
        """Store chunks and take what they hold out of the journal, in one transaction."""
        with transaction(self._connection):
            for each in packed:
                self._connection.execute(
                    "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
                    (each.group.layout, each.group.start, each.first, each.last, now, each.body),
                )
                self._connection.execute(
                    "DELETE FROM journal WHERE layout = ? AND time >= ? AND time < ? AND id <= ?",
                    (each.group.layout, each.group.start, each.group.end, each.newest),
                )

    def expire(self, before: int, most: int = 200) -> int:
        """Delete up to `most` chunks of before the time `before`, or stored before it; how many went."""
        with transaction(self._connection):
            gone = 0
            for column in ("last", "written"):
                gone += self._connection.execute(
                    f"DELETE FROM chunk WHERE rowid IN (SELECT rowid FROM chunk WHERE {column} < ? LIMIT ?)",  # noqa: S608 — ours
                    (before, most - gone),
                ).rowcount
            return gone

    def forget(self, before: int) -> int:
        """Delete ends of before `before`, and layouts of which nothing is left; how many layouts went."""
        with transaction(self._connection):
            self._connection.execute("DELETE FROM ended WHERE time < ?", (before,))
            gone = self._connection.execute(
                """DELETE FROM layout WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.layout = layout.id)
                AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.layout = layout.id)
                AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.layout = layout.id)"""
            ).rowcount
            self._layouts.clear()
            return gone


# Compaction ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """The journal's rows of one layout in one window, `start` to before `end` (Unix milliseconds)."""

    layout: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A group made into a chunk that holds the journal's rows up to the id `newest`."""

    group: Group
    first: int
    last: int
    newest: int
    body: bytes


def due(connection: sqlite3.Connection, now: int, window: int, settle: int) -> list[Group]:
    """The groups that are worth a chunk now: their window has passed and nothing came for `settle` milliseconds, or
    their oldest row has waited for two windows (a clock that is ahead, or a backlog that never pauses).
    """
    rows = connection.execute(
        """SELECT layout, start, (SELECT received FROM journal WHERE id = oldest),
        (SELECT received FROM journal WHERE id = newest) FROM (
            SELECT layout, time - (time % ?1 + ?1) % ?1 AS start, min(id) AS oldest, max(id) AS newest
            FROM journal INDEXED BY journal_time GROUP BY 1, 2)""",
        (window,),
    ).fetchall()
    return [
        Group(layout, start, start + window)
        for layout, start, oldest, newest in rows
        if (start + window <= now - settle and newest <= now - settle) or oldest <= now - 2 * window
    ]


def compact(connection: sqlite3.Connection, group: Group) -> Packed | None:
    """The group's chunk, merged with the one that is there. Reads only; None where the journal has nothing of it."""
    rows = connection.execute(
        "SELECT id, time, body FROM journal WHERE layout = ? AND time >= ? AND time < ? ORDER BY time",
        (group.layout, group.start, group.end),
    ).fetchall()
    if not rows:
        return None
    layout = read_layout(connection, group.layout)
    columns = [unpack_columns(row[2]) for row in rows]
    times = np.array([row[1] for row in rows], np.int64)
    fields = [matrix([each[index] for each in columns], layout.height) for index in range(len(layout.fields))]
    there = connection.execute(
        "SELECT body FROM chunk WHERE layout = ? AND start = ?", (group.layout, group.start)
    ).fetchone()
    if there:
        try:
            chunk = decode_chunk(there[0])
            fields = [join(chunk.field(index), field) for index, field in enumerate(fields)]
            times = np.concatenate([chunk.times, times])
        except Permanent as error:
            log.error("layout %s lost its readings from %s on, for a window: %s", group.layout, group.start, error)  # noqa: TRY400 — the text says it all
    times, order = first_of_each(times)
    body = encode_chunk(times, [take(field, order) for field in fields])
    return Packed(group, int(times[0]), int(times[-1]), max(row[0] for row in rows), body)


def first_of_each(times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The distinct times in order, and where each stands first."""
    return np.unique(times, return_index=True)


def read_layout(connection: sqlite3.Connection, number: int) -> Layout:
    row = connection.execute("SELECT body FROM layout WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise Permanent(f"the store lacks layout {number}")
    return decode_layout(row[0])
