"""Events in SQLite: found by id, time, dataset, place and text.

A row's number is made of its time and its id, so that the newest events are read first without sorting, from the
full-text index as well, and so that a page's end is one number.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from fenghuo.errors import Rejection
from fenghuo.model import Document, Event
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite.database import transaction
from fenghuo_collector.sinks.sqlite.text import searchable

VERSION = 1
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS agent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE IF NOT EXISTS dataset (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE IF NOT EXISTS event (
        number INTEGER PRIMARY KEY, id NOT NULL UNIQUE, time INTEGER NOT NULL, stored INTEGER NOT NULL,
        agent INTEGER NOT NULL, dataset INTEGER NOT NULL, document BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS event_agent ON event (agent)",
    "CREATE INDEX IF NOT EXISTS event_dataset ON event (dataset)",
    "CREATE INDEX IF NOT EXISTS event_stored ON event (stored)",
    """CREATE VIRTUAL TABLE IF NOT EXISTS event_text USING fts5 (
        text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')""",
)
_LOW_BITS = 12
_MOST_TIME = 2**50
MAX_TIME = 2**52
"""Unix milliseconds, before or after 1970: what is beyond is an error of the sender."""
UNSTORABLE = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a document raises that holds something else than JSON can say."""
_DICTIONARY = zstandard.ZstdCompressionDict(
    b'{"@timestamp":"2026-01-01T00:00:00.000Z","ecs":{"version":"9.0.0"},"message":"","log":{"level":"warning"},'
    b'"threat":{"technique":{"id":["T1557.002"],"name":[""]}},"destination":{"ip":"10.20.0.1","port":443,"mac":"00-00-5E-'
    b'00-53-23"},"source":{"ip":"10.20.0.1","port":53,"mac":"00-00-5E-00-53-23"},"host":{"name":"","ip":"","mac":""},'
    b'"network":{"transport":"udp","protocol":"dns","community_id":"1:"},"device":{"id":"","manufacturer":"","model":{'
    b'"name":""}},"fenghuo":{"alert":{"fingerprint":"","state":"firing","level":"high","title":"","title_zh":"","message":'
    b'"","message_zh":"","starts_at":"2026-01-01T00:00:00.000Z","ends_at":null,"value":0.0,"labels":{"job":"snmp",'
    b'"instance":"10.20.0.1","device":"","ifName":""},"evidence":{},"culprit":{},"victim":{},"runbook":{"en":"","zh":""},'
    b'"tags":["mlps.8.1.1.8"]}},"rule":{"id":"","name":""},"observer":{"name":"gw1","type":"sensor","vendor":"Fenghuo",'
    b'"product":"fenghuo","version":"0.1.0"},"organization":{"id":"bj/haidian/zgc-no1","name":"zgc-no1"},"event":{'
    b'"ingested":"2026-01-01T00:00:00.000Z","created":"2026-01-01T00:00:00.000Z","id":"01","kind":"event","category":['
    b'"network"],"type":["info"],"dataset":"alert","severity":50,"module":"fenghuo"}}',
    dict_type=zstandard.DICT_TYPE_RAWCONTENT,
)
"""Bytes that events have in common. Part of the file format: a change of it needs a new VERSION."""
_MAX_DOCUMENT = 64 * 2**20
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_encode_json = msgspec.json.Encoder().encode


def number_of(event_id: str, time: int) -> int:
    """The row number where an event of this id and time belongs; taken ones are passed over upwards."""
    low = hashlib.blake2b(event_id.encode(), digest_size=2).digest()
    return first_number(time) | (int.from_bytes(low) & ((1 << _LOW_BITS) - 1))


def first_number(time: int) -> int:
    """The lowest row number of the millisecond `time`."""
    return max(0, min(time, _MOST_TIME)) << _LOW_BITS


PackedId = bytes | str


def pack_id(event_id: str) -> PackedId:
    """A UUID as its 16 bytes, any other id as it is."""
    return uuid.UUID(event_id).bytes if _CANONICAL.fullmatch(event_id) else event_id


def unpack_id(packed: PackedId) -> str:
    return packed if isinstance(packed, str) else str(uuid.UUID(bytes=packed))


def pack_document(event: Event) -> bytes:
    return zstandard.ZstdCompressor(level=3, dict_data=_DICTIONARY).compress(_encode_json(event.document))


def unpack_event(packed_id: PackedId, time: int, document: bytes) -> Event:
    return Event(unpack_id(packed_id), time, _document(document))


def _document(packed: bytes) -> Document:
    data = zstandard.ZstdDecompressor(dict_data=_DICTIONARY).decompress(packed, max_output_size=_MAX_DOCUMENT)
    return msgspec.json.decode(data)


def _text(packed: bytes) -> str:
    """What an event is found by. Made of what is stored, so that its deletion names the very same words."""
    return searchable(_document(packed))


@dataclass(slots=True)
class _Row:
    number: int
    packed_id: PackedId
    time: int
    stored: int
    agent: str
    dataset: str
    document: bytes
    replaces: bool


def _row(event: Event, batch: Batch) -> _Row:
    """The row of one event; ValueError and its like where the event cannot be stored."""
    if abs(event.time) > MAX_TIME:
        raise ValueError(f"time {event.time} is no moment in Unix milliseconds")
    return _Row(
        number_of(event.id, event.time),
        pack_id(event.id),
        event.time,
        batch.received,
        str(batch.agent),
        event.dataset,
        pack_document(event),
        batch.stream is Stream.ASSETS,
    )


class EventWriter:
    """Writes events by the one connection that does. An event that is there already stays as it is; an asset, whose id
    stays the same, gives way to a newer state of itself.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names: dict[tuple[str, str], int] = {}

    def append(self, batches: Iterable[Batch]) -> tuple[int, list[Rejection]]:
        """Store the batches' events in one transaction; how many were new, and which cannot be stored (`index` counts
        through the batches' events).
        """
        rows: list[_Row] = []
        rejected: list[Rejection] = []
        for index, (batch, event) in enumerate((each, event) for each in batches for event in each.events):
            try:
                rows.append(_row(event, batch))
            except UNSTORABLE as error:
                rejected.append(Rejection(index, f"{type(error).__name__}: {error}"))
        # The full-text index is written fastest in the order of its row numbers.
        rows.sort(key=lambda row: row.number)
        try:
            with transaction(self._connection):
                return sum([self._store(row) for row in rows]), rejected
        except BaseException:
            self._names.clear()
            raise

    def _store(self, row: _Row) -> bool:
        execute = self._connection.execute
        known = execute("SELECT number, time FROM event WHERE id = ?", (row.packed_id,)).fetchone()
        if known:
            if not row.replaces or known[1] >= row.time:
                return False
            self._delete([known[0]])
        while execute("SELECT 1 FROM event WHERE number = ?", (row.number,)).fetchone():
            row.number += 1
        agent, dataset = self._number("agent", row.agent), self._number("dataset", row.dataset)
        execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.number, row.packed_id, row.time, row.stored, agent, dataset, row.document),
        )
        execute("INSERT INTO event_text (rowid, text) VALUES (?, ?)", (row.number, _text(row.document)))
        return True

    def _number(self, table: str, name: str) -> int:
        number = self._names.get((table, name))
        if number is None:
            self._connection.execute(f"INSERT OR IGNORE INTO {table} (name) VALUES (?)", (name,))  # noqa: S608 — ours
            found = self._connection.execute(f"SELECT id FROM {table} WHERE name = ?", (name,))  # noqa: S608 — ours
            number = self._names[table, name] = int(found.fetchone()[0])
        return number

    def expire(self, before: int, most: int = 500) -> int:
        """Delete up to `most` of the events that are older than `before`, or stored before it; how many went."""
        with transaction(self._connection):
            found = self._connection.execute(
                "SELECT number FROM event WHERE number < ? LIMIT ?", (first_number(before), most)
            ).fetchall()
            found = (
                found
                or self._connection.execute(
                    "SELECT number FROM event WHERE stored < ? LIMIT ?", (before, most)
                ).fetchall()
            )
            self._delete([row[0] for row in found])
            return len(found)

    def tidy(self) -> None:
        """Fold what was deleted out of the index of words, a few hundred pages of it; SQLite would do so with time."""
        with transaction(self._connection):
            self._connection.execute("INSERT INTO event_text (event_text, rank) VALUES ('merge', -500)")

    def _delete(self, numbers: Sequence[int]) -> None:
        for number in sorted(numbers):
            row = self._connection.execute(
                "SELECT id, time, document FROM event WHERE number = ?", (number,)
            ).fetchone()
            text = searchable(unpack_event(*row).document)
            self._connection.execute(
                "INSERT INTO event_text (event_text, rowid, text) VALUES ('delete', ?, ?)", (number, text)
            )
            self._connection.execute("DELETE FROM event WHERE number = ?", (number,))
