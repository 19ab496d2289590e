"""What ingest remembers over a restart: per stream, what is committed, and the counts. Small, and not essential:
without it sinks see some batches twice, which they take idempotently, and losses of the past are not known again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (
  agent TEXT NOT NULL, spool TEXT NOT NULL, stream TEXT NOT NULL, contact INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (agent, spool, stream)
) WITHOUT ROWID;
"""
_VERSION = 1


class StreamState(msgspec.Struct, frozen=True):
    """One stream of one spool, as accounting keeps it."""

    agent: str
    spool: str
    stream: str
    committed: list[tuple[int, int]]
    floor: int
    gone: list[tuple[int, int]] = []
    lost: int = 0
    dropped: int = 0
    refused: int = 0
    refusals: dict[int, str] = {}
    batches: int = 0
    items: int = 0
    size: int = 0
    duplicates: int = 0
    contact: int = 0


class StateStore(Protocol):
    """Where states are kept. `save` is durable once it returns; both may raise OSError or sqlite3.Error."""

    def load(self) -> list[StreamState]: ...

    def save(self, states: Sequence[StreamState], forgotten: Sequence[StreamState] = ()) -> None: ...

    def close(self) -> None: ...


class MemoryStateStore:
    """Remembers nothing over a restart of the process; for tests and for collectors without a disk."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str, str], StreamState] = {}

    def load(self) -> list[StreamState]:
        return list(self._states.values())

    def save(self, states: Sequence[StreamState], forgotten: Sequence[StreamState] = ()) -> None:
        for state in states:
            self._states[state.agent, state.spool, state.stream] = state
        for state in forgotten:
            self._states.pop((state.agent, state.spool, state.stream), None)

    def close(self) -> None:
        pass


class SqliteStateStore:
    """A file of states. A file that cannot be read is set aside, and a new one begun."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            aside = path.with_name(path.name + ".unreadable")
            _log.warning("The ingest state %s cannot be read (%s); it is set aside as %s", path, error, aside.name)
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, timeout=5, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # An acknowledgement lets the agent forget, so what it follows from must survive a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 1048576")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def load(self) -> list[StreamState]:
        decoder = msgspec.msgpack.Decoder(StreamState)
        states: list[StreamState] = []
        for agent, spool, stream, body in self._connection.execute("SELECT agent, spool, stream, body FROM stream"):
            try:
                states.append(decoder.decode(body))
            except msgspec.DecodeError as error:
                _log.warning("The ingest state of %s %s %s is unreadable: %s", agent, spool, stream, error)
        return states

    def save(self, states: Sequence[StreamState], forgotten: Sequence[StreamState] = ()) -> None:
        encode = msgspec.msgpack.Encoder().encode
        rows = [(state.agent, state.spool, state.stream, state.contact, encode(state)) for state in states]
        old = [(state.agent, state.spool, state.stream) for state in forgotten]
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM stream WHERE agent = ? AND spool = ? AND stream = ?", old)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()
