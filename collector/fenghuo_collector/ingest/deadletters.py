"""Items that a sink, or ingest itself, refused for good: kept for a person to look at, and counted."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fenghuo.model import AgentId, Event, Table
from fenghuo.wire import Stream
from fenghuo_collector.ingest.files import open_or_begin

_log = logging.getLogger(__name__)
_MAX_BODY = 64 * 2**10
_SCHEMA = """
CREATE TABLE IF NOT EXISTS dead_letter (
  number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, agent TEXT NOT NULL, stream TEXT NOT NULL,
  sequence INTEGER NOT NULL, place INTEGER NOT NULL, received INTEGER NOT NULL, reason TEXT NOT NULL, item BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True, eq=False)
class DeadLetter:
    """One refused item. `index` counts within its batch; `received` is Unix milliseconds; `item` is the beginning of
    its bytes where it could not even be decoded.
    """

    sink: str
    agent: AgentId
    stream: Stream
    sequence: int
    index: int
    received: int
    reason: str
    item: Table | Event | bytes


class DeadLetters(Protocol):
    """Takes refused items. `put` does not wait and does not raise; `flush` makes durable what was put before, may take
    its time and is called in a thread.
    """

    def put(self, letter: DeadLetter) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class RecentDeadLetters:
    """The latest dead letters, in memory."""

    def __init__(self, keep: int = 1000) -> None:
        self.letters: deque[DeadLetter] = deque(maxlen=keep)
        self.count = 0
        """All there ever were."""

    def put(self, letter: DeadLetter) -> None:
        self.letters.append(letter)
        self.count += 1

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class SqliteDeadLetters:
    """The latest `keep` dead letters, in a table `dead_letter` of a file; `item` holds JSON, or the raw bytes."""

    def __init__(self, path: Path, keep: int = 10_000) -> None:
        self._keep = keep
        self._waiting: deque[DeadLetter] = deque(maxlen=keep)
        self._connection = open_or_begin(path, _SCHEMA)

    def put(self, letter: DeadLetter) -> None:
        self._waiting.append(letter)

    def flush(self) -> None:
        """May raise sqlite3.Error; what was put then waits for the next time."""
        letters = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not letters:
            return
        try:
            self._store([_row(letter) for letter in letters])
        except sqlite3.Error:
            self._waiting.extendleft(reversed(letters))
            raise

    def _store(self, rows: Sequence[tuple[Any, ...]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT INTO dead_letter (sink, agent, stream, sequence, place, received, reason, item)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute(
                "DELETE FROM dead_letter WHERE number <= (SELECT max(number) FROM dead_letter) - ?", (self._keep,)
            )
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.flush()
        self._connection.close()


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    agent, stream, received = str(letter.agent), str(letter.stream), letter.received
    return (
        letter.sink,
        agent,
        stream,
        letter.sequence,
        letter.index,
        received,
        letter.reason[:1000],
        _body(letter.item),
    )


def _body(item: Table | Event | bytes) -> bytes:
    if isinstance(item, bytes):
        return item[:_MAX_BODY]
    if isinstance(item, Event):
        content: dict[str, Any] = {"id": item.id, "time": item.time, "document": item.document}
    else:
        layout = item.layout
        content = {
            "name": layout.name,
            "time": item.time,
            "labels": dict(layout.labels),
            "row_labels": {key: list(values) for key, values in layout.row_labels.items()},
            "fields": list(layout.fields),
            "columns": [list(column) for column in item.columns],
        }
    return msgspec.json.encode(content)[:_MAX_BODY]
