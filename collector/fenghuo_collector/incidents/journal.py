"""The journal of alerts: every step, once, in the order in which it came, on the disk before it is acknowledged.

It is a sink, so that agents keep an alert until it is written here, and it is what the feeds read: each has its own
place in it. All of it can be made again from the stored events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.alerts import event_to_alert
from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError, PartialWrite, Rejection, Retryable
from fenghuo.model import AgentId, Alert, AlertState, Event
from fenghuo.wire import Stream
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.incidents.alerts import COLUMNS, AlertStates, last_number
from fenghuo_collector.incidents.config import JournalConfig
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite.database import Writer, transaction
from fenghuo_collector.sinks.sqlite.events import MAX_TIME, UNSTORABLE, pack_document

log = logging.getLogger(__name__)

VERSION = 1
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS step (
        number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, agent TEXT NOT NULL,
        fingerprint TEXT NOT NULL, time INTEGER NOT NULL, sequence INTEGER NOT NULL, stored INTEGER NOT NULL,
        document BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS step_fingerprint ON step (fingerprint, time)",
    "CREATE INDEX IF NOT EXISTS step_stored ON step (stored)",
    """CREATE TABLE IF NOT EXISTS current (
        agent TEXT NOT NULL, fingerprint TEXT NOT NULL, time INTEGER NOT NULL, sequence INTEGER NOT NULL,
        number INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, level TEXT NOT NULL, stored INTEGER NOT NULL,
        document BLOB NOT NULL, PRIMARY KEY (fingerprint, agent))""",
    "CREATE INDEX IF NOT EXISTS current_state ON current (state, agent, level)",
    "CREATE TABLE IF NOT EXISTS place (feed TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS dead (
        feed TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, agent TEXT NOT NULL, time INTEGER NOT NULL,
        stored INTEGER NOT NULL, reason TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (feed, number))""",
)
_MAINTENANCE_SECONDS = 600.0
_EXPIRED_AT_ONCE = 1_000
_MAX_REASON = 500


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "fenghuo_collector_alerts"
        self.steps = Counter(f"{prefix}_steps_total", "Steps of alerts put into the journal.", registry=registry)
        self.late = Counter(
            f"{prefix}_late_total", "Steps that came behind a newer one of their alert.", registry=registry
        )
        self.rejected = Counter(
            f"{prefix}_rejected_total", "Documents on the alert stream that are no alerts.", registry=registry
        )
        self.expired = Counter(f"{prefix}_expired_total", "Steps deleted by retention.", registry=registry)
        self.last = Gauge(f"{prefix}_journal_number", "Number of the newest step in the journal.", registry=registry)


@dataclass(frozen=True, slots=True)
class _Entry:
    agent: str
    key: str
    alert: Alert
    sequence: int
    document: bytes


def _entry(agent: AgentId, event: Event, sequence: int) -> _Entry:
    """One step to put down; one of `UNSTORABLE` where the event is no alert or cannot be stored."""
    alert = event_to_alert(event)
    if abs(event.time) > MAX_TIME:
        raise ValueError(f"time {event.time} is no moment in Unix milliseconds")
    return _Entry(str(agent), event.id, alert, sequence, pack_document(event))


class AlertJournal:
    """The journal; `states` reads it. One for a process, started before the feeds and closed after them."""

    def __init__(self, config: JournalConfig, *, clock: Clock, registry: CollectorRegistry) -> None:
        self._config = config
        self._clock = clock
        self._metrics = _Metrics(registry)
        self._file = Writer(config.path, SCHEMA, VERSION)
        self._connection: sqlite3.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._last = 0
        self._opened = 0
        self._grown = asyncio.Condition()
        self._ready = asyncio.Event()
        self.states = AlertStates(config.path)

    @property
    def name(self) -> str:
        return "alerts"

    @property
    def required(self) -> bool:
        return True

    def takes(self, stream: Stream) -> bool:
        return stream is Stream.ALERTS

    async def start(self) -> None:
        connection = await self._file.open()
        self._connection = connection
        self._last = self._opened = await self._file.run(lambda: last_number(connection))
        self._metrics.last.set(self._last)
        self._ready.set()
        self._task = asyncio.create_task(self._maintain_forever(), name="alert-journal-maintenance")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._file.close()
        self.states.close()

    async def write(self, batches: Sequence[Batch]) -> None:
        """Put the batches' alert steps down; what is no alert is rejected, the rest is stored."""
        entries: list[_Entry] = []
        rejected: list[Rejection] = []
        documents = ((batch, event) for batch in batches for event in batch.events)
        for index, (batch, event) in enumerate(documents):
            try:
                entries.append(_entry(batch.agent, event, batch.sequence))
            except UNSTORABLE as error:
                rejected.append(Rejection(index, str(error)))
        await self._store(entries)
        if rejected:
            self._metrics.rejected.inc(len(rejected))
            raise PartialWrite(f"{len(rejected)} documents on the alert stream are no alerts", rejected=rejected)

    async def rebuild(self, events: Iterable[tuple[AgentId, Event]]) -> int:
        """Put down alert events read from a store, in the order of their time; how many were new.

        For a journal that was lost, before the feeds run. No feed has a place in such a journal, so each is told of what
        fires now and goes on from there: nobody gets old alerts anew.
        """
        entries: list[_Entry] = []
        for agent, event in events:
            try:
                entries.append(_entry(agent, event, 0))
            except UNSTORABLE as error:
                log.warning("event %s is left out of the journal: %s", event.id, error)
        entries.sort(key=lambda entry: (entry.alert.time, entry.key))
        stored = await self._store(entries)
        self._opened = self._last
        return stored

    async def _store(self, entries: Sequence[_Entry]) -> int:
        if not entries:
            return 0
        now = self._clock.now()
        stored, late, last = await self._file.run(lambda: _store(self._open(), entries, now))
        self._metrics.steps.inc(stored)
        self._metrics.late.inc(late)
        self._metrics.last.set(last)
        async with self._grown:
            self._last = last
            self._grown.notify_all()
        return stored

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Retryable("the alert journal is not started")
        return self._connection

    # What feeds need -------------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until the journal is open."""
        await self._ready.wait()

    @property
    def opened(self) -> int:
        """The number of the newest step when the journal was opened: a new feed takes everything behind it."""
        return self._opened

    @property
    def last(self) -> int:
        """The number of the newest step; 0 before the first."""
        return self._last

    async def grown(self, number: int, seconds: float) -> bool:
        """Wait until there is a step behind `number`, at most `seconds`; whether there is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._grown:
                await self._grown.wait_for(lambda: self._last > number)
        return self._last > number

    async def after(self, number: int, limit: int) -> list[Step]:
        return await asyncio.to_thread(self.states.after, number, limit)

    async def firing(self) -> list[Step]:
        return await asyncio.to_thread(self.states.firing)

    async def place(self, feed: str) -> int | None:
        return await asyncio.to_thread(self.states.place, feed)

    async def move(self, feed: str, number: int) -> None:
        """The feed has dealt with all steps up to `number`."""

        def move() -> None:
            with transaction(self._open()):
                self._open().execute(
                    "INSERT INTO place VALUES (?, ?) ON CONFLICT (feed) DO UPDATE SET number = excluded.number",
                    (feed, number),
                )

        await self._file.run(move)

    async def bury(self, feed: str, step: Step, reason: str) -> None:
        """Keep a step that the feed will never deliver among its dead letters."""
        now = self._clock.now()

        def bury() -> None:
            with transaction(self._open()):
                self._open().execute(
                    "INSERT OR REPLACE INTO dead (feed, stored, reason, number, key, agent, time, document) "  # noqa: S608 — ours
                    f"SELECT ?1, ?2, ?3, {COLUMNS} FROM (SELECT {COLUMNS} FROM step WHERE number = ?4 "
                    f"UNION ALL SELECT {COLUMNS} FROM current WHERE number = ?4) LIMIT 1",
                    (feed, now, reason[:_MAX_REASON], step.number),
                )

        await self._file.run(bury)

    # Looking after the file ------------------------------------------------------------------------------------------

    async def _maintain_forever(self) -> None:
        while True:
            try:
                await self.maintain()
            except FenghuoError as error:
                log.warning("the alert journal was not looked after this time: %s", error)
            await asyncio.sleep(_MAINTENANCE_SECONDS)

    async def maintain(self) -> None:
        """Delete what is too old or too much. Called in the background; tests call it."""
        before = self._clock.now() - round(self._config.retention * 1000)
        while gone := await self._file.run(lambda: _expire(self._open(), before, self._config.max_steps)):
            self._metrics.expired.inc(gone)


def _store(connection: sqlite3.Connection, entries: Sequence[_Entry], now: int) -> tuple[int, int, int]:
    """How many entries were new, how many of them late, and the number of the newest step."""
    stored = late = 0
    with transaction(connection):
        for entry in entries:
            key, alert = entry.key, entry.alert
            if connection.execute("SELECT 1 FROM step WHERE key = ?", (key,)).fetchone():
                continue
            number = connection.execute(
                "INSERT INTO step (key, agent, fingerprint, time, sequence, stored, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, entry.agent, alert.fingerprint, alert.time, entry.sequence, now, entry.document),
            ).lastrowid
            stored += 1
            row = (
                entry.agent,
                alert.fingerprint,
                alert.time,
                entry.sequence,
                number,
                key,
                alert.state,
                alert.level,
                now,
            )
            changed = connection.execute(
                """INSERT INTO current VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint, agent) DO UPDATE SET
                time = excluded.time, sequence = excluded.sequence, number = excluded.number, key = excluded.key,
                state = excluded.state, level = excluded.level, stored = excluded.stored, document = excluded.document
                WHERE (excluded.time, excluded.sequence) >= (time, sequence)""",
                (*row, entry.document),
            ).rowcount
            late += not changed
        return stored, late, last_number(connection)


def _expire(connection: sqlite3.Connection, before: int, most: int) -> int:
    """Delete some of the steps, resolved alerts and dead letters that are beyond the bounds; how many steps went."""
    with transaction(connection):
        oldest = connection.execute("SELECT max(number) FROM step WHERE stored < ?", (before,)).fetchone()[0] or 0
        upto = max(oldest, last_number(connection) - most)
        gone = connection.execute(
            "DELETE FROM step WHERE number IN (SELECT number FROM step WHERE number <= ? ORDER BY number LIMIT ?)",
            (upto, _EXPIRED_AT_ONCE),
        ).rowcount
        connection.execute("DELETE FROM current WHERE state <> ? AND stored < ?", (AlertState.FIRING, before))
        connection.execute("DELETE FROM dead WHERE stored < ?", (before,))
        return gone
