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

from fenghuo.errors import Retryable
from fenghuo_collector.ingest.files import open_or_begin

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (
  agent TEXT NOT NULL, spool TEXT NOT NULL, stream TEXT NOT NULL, contact INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (agent, spool, stream)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


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
        """Raises as `open_or_begin` does."""
        self._connection = open_or_begin(path, _SCHEMA)

    def load(self) -> list[StreamState]:
        decoder = msgspec.msgpack.Decoder(StreamState)
        states: list[StreamState] = []
        try:
            rows = self._connection.execute("SELECT agent, spool, stream, body FROM stream").fetchall()
        except sqlite3.OperationalError as error:
            raise Retryable(f"the ingest state cannot be read now: {error}") from error
        for agent, spool, stream, body in rows:
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
