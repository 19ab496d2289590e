"""The rules' memory, and alerts that were told and have not reached every required sink yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fenghuo.model import Event
from fenghuo_collector.sinks.sqlite.database import Writer, transaction

VERSION = 1
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, events BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
)
_MEMORY = "engine"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Event])


class Outbox:
    """A file of its own; what is put into it survives a power cut."""

    def __init__(self, path: Path) -> None:
        self._file = Writer(path, SCHEMA, VERSION)

    async def open(self) -> tuple[bytes | None, list[tuple[int, list[Event]]]]:
        """Open the file: the memory saved last, and what waits. `Retryable` where that is not possible now."""
        await self._file.open()
        return await self._file.run(self._read)

    def _read(self) -> tuple[bytes | None, list[tuple[int, list[Event]]]]:
        connection = self._file.connection
        row = connection.execute("SELECT data FROM memory WHERE name = ?", (_MEMORY,)).fetchone()
        waiting = connection.execute("SELECT number, events FROM waiting ORDER BY number").fetchall()
        return (row[0] if row else None), [(number, _decoder.decode(events)) for number, events in waiting]

    async def put(self, events: Sequence[Event]) -> int:
        """Keep alerts until `done`; the number of their batch."""
        packed = _encoder.encode(events)

        def insert() -> int:
            connection = self._file.connection
            with transaction(connection):
                number = connection.execute("INSERT INTO waiting (events) VALUES (?)", (packed,)).lastrowid
            assert number is not None
            return number

        return await self._file.run(insert)

    async def done(self, numbers: Sequence[int]) -> None:
        """These batches are stored: they are not needed here any more."""

        def delete() -> None:
            connection = self._file.connection
            with transaction(connection):
                connection.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in numbers])

        await self._file.run(delete)

    async def remember(self, memory: bytes) -> None:
        """Save the rules' memory."""
        await self._file.run(lambda: _remember(self._file.connection, memory))

    async def close(self) -> None:
        await self._file.close()


def _remember(connection: sqlite3.Connection, memory: bytes) -> None:
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (_MEMORY, memory))
