"""What an agent's spool holds and what it says it gave up, read from its file beside the agent or after its end."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from fenghuo.wire import Stream, decompress
from fenghuo.wire.body import decode_events, decode_tables
from fenghuo_agent.spool.database import STREAM_NUMBERS, STREAM_SHIFT


@dataclass
class Contents:
    """Ids of events and times of tables that are held; items and batches that were given up, by stream."""

    events: set[str] = field(default_factory=set)
    tables: set[int] = field(default_factory=set)
    items: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)


def dropped_items(path: Path, stream: Stream) -> int:
    """Items of a stream that the spool gave up; 0 where there is no spool yet."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(_open(path)) as connection:
        query = "SELECT dropped_items FROM stream WHERE number = ?"
        return int(connection.execute(query, (STREAM_NUMBERS[stream],)).fetchone()[0])
    return 0


def contents(path: Path) -> Contents:
    """Everything in the spool of an agent that does not run."""
    found = Contents()
    streams = {number: stream for stream, number in STREAM_NUMBERS.items()}
    with contextlib.closing(_open(path)) as connection:
        for row_id, body in connection.execute("SELECT id, body FROM batch"):
            if streams[row_id >> STREAM_SHIFT].holds_tables:
                found.tables.update(table.time for table in decode_tables(decompress(body, 1)))
            else:
                found.events.update(event.id for event in decode_events(decompress(body, 1)))
        for name, batches, items in connection.execute("SELECT name, dropped_batches, dropped_items FROM stream"):
            found.batches[name], found.items[name] = batches, items
    return found


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
