"""The embedded store as a sink."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError, PartialWrite, Permanent, Rejection, Retryable
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite import events, metrics
from fenghuo_collector.sinks.sqlite.config import SqliteConfig
from fenghuo_collector.sinks.sqlite.database import Readers, Writer, give_back
from fenghuo_collector.sinks.sqlite.query import StoreQuery

log = logging.getLogger(__name__)

_SETTLE_MS = 120_000
_CHUNKS_AT_ONCE = 16
_PAUSE_SECONDS = 0.01
"""Between two deletions in a row, so that writes come in between."""


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "fenghuo_collector_sqlite"
        self.stored = Counter(
            f"{prefix}_stored_total",
            "Tables and documents stored that were not there before.",
            ["kind"],
            registry=registry,
        )
        self.chunks = Counter(f"{prefix}_chunks_total", "Chunks of metrics written.", registry=registry)
        self.chunk_bytes = Counter(f"{prefix}_chunk_bytes_total", "Bytes of the chunks written.", registry=registry)
        self.expired = Counter(
            f"{prefix}_expired_total", "Chunks and documents deleted by retention.", ["kind"], registry=registry
        )
        self.failures = Counter(
            f"{prefix}_maintenance_failures_total", "Rounds of compaction and retention that failed.", registry=registry
        )
        self.waiting = Gauge(f"{prefix}_journal_tables", "Tables not compacted yet.", registry=registry)
        self.size = Gauge(f"{prefix}_bytes", "Size of the store's files.", ["file"], registry=registry)


class SqliteSink:
    """Stores metrics and documents in two SQLite files, compacts the one and expires both in the background.

    `query` reads what is stored, from any thread, without holding up the writes.
    """

    def __init__(self, config: SqliteConfig, *, clock: Clock, registry: CollectorRegistry) -> None:
        self._config = config
        self._clock = clock
        self._metrics = _Metrics(registry)
        self._events_file = Writer(config.events_file, events.SCHEMA, events.VERSION)
        self._metrics_file = Writer(config.metrics_file, metrics.SCHEMA, metrics.VERSION)
        self._readers = Readers(config.metrics_file, 1)
        self._events: events.EventWriter | None = None
        self._tables: metrics.MetricsWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.query = StoreQuery(config)

    @property
    def name(self) -> str:
        return "sqlite"

    @property
    def required(self) -> bool:
        return self._config.required

    def takes(self, stream: Stream) -> bool:
        return stream.is_data and (self._config.metrics if stream.holds_tables else self._config.events)

    async def start(self) -> None:
        """Open both files, making them where they are missing, and begin to look after them."""
        self._events = events.EventWriter(await self._events_file.open())
        self._tables = metrics.MetricsWriter(await self._metrics_file.open())
        self._task = asyncio.create_task(self._maintain_forever(), name="sqlite-maintenance")

    async def write(self, batches: Sequence[Batch]) -> None:
        """Store the batches; one transaction a file. They are on the disk on return."""
        writer, storer = self._writers()
        tables = [batch for batch in batches if batch.tables]
        documents = [batch for batch in batches if batch.events]
        rejected: list[Rejection] = []
        if tables:
            stored, refused = await self._metrics_file.run(lambda: writer.append(tables))
            self._metrics.stored.labels("table").inc(stored)
            rejected += _renumber(refused, batches, tables=True)
        if documents:
            stored, refused = await self._events_file.run(lambda: storer.append(documents))
            self._metrics.stored.labels("document").inc(stored)
            rejected += _renumber(refused, batches, tables=False)
        if rejected:
            raise PartialWrite(f"{len(rejected)} items cannot be stored: {rejected[0].reason}", rejected=rejected)

    def _writers(self) -> tuple[metrics.MetricsWriter, events.EventWriter]:
        if self._tables is None or self._events is None:
            raise Retryable("the embedded store is not started")
        return self._tables, self._events

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        # Readers first: the writer, closed last, then folds the write-ahead log into the file.
        self._readers.close()
        self.query.close()
        await self._metrics_file.close()
        await self._events_file.close()

    # Looking after the files ------------------------------------------------------------------------------------------

    async def _maintain_forever(self) -> None:
        while True:
            await asyncio.sleep(self._config.maintenance_interval)
            try:
                await self.maintain()
            except FenghuoError as error:
                self._metrics.failures.inc()
                log.warning("the store was not looked after this time: %s", error)
            except Exception:
                # Compaction has to go on, or the journal would grow for ever.
                self._metrics.failures.inc()
                log.exception("the store was not looked after this time")

    async def maintain(self) -> None:
        """One round: compact what is due, delete what is too old. Called in the background; tests call it."""
        await self._compact()
        await self._expire()
        for file in (self._config.metrics_file, self._config.events_file):
            self._metrics.size.labels(file.stem).set(await asyncio.to_thread(_size, file))

    async def _compact(self) -> None:
        writer, _ = self._writers()
        window = round(self._config.window * 1000)
        settle = min(_SETTLE_MS, window)
        now = self._clock.now()

        def find() -> tuple[list[metrics.Group], int]:
            with self._readers.borrow() as connection:
                waiting = connection.execute("SELECT count(*) FROM journal").fetchone()[0]
                return metrics.due(connection, now, window, settle), int(waiting)

        def pack(groups: Sequence[metrics.Group]) -> list[metrics.Packed]:
            with self._readers.borrow() as connection:
                return [packed for group in groups if (packed := self._pack(connection, group))]

        groups, waiting = await asyncio.to_thread(find)
        self._metrics.waiting.set(waiting)
        for index in range(0, len(groups), _CHUNKS_AT_ONCE):
            packed = await asyncio.to_thread(pack, groups[index : index + _CHUNKS_AT_ONCE])
            await self._metrics_file.run(lambda packed=packed: writer.put(packed, now))
            self._metrics.chunks.inc(len(packed))
            self._metrics.chunk_bytes.inc(sum(len(each.body) for each in packed))

    def _pack(self, connection: sqlite3.Connection, group: metrics.Group) -> metrics.Packed | None:
        """The group's chunk. One that cannot be made stays in the journal and holds up no other."""
        try:
            return metrics.compact(connection, group)
        except (ValueError, IndexError, TypeError, Permanent):
            self._metrics.failures.inc()
            log.exception("layout %s cannot be compacted from %s on", group.layout, group.start)
            return None

    async def _expire(self) -> None:
        tables, documents = self._writers()
        old = self._clock.now() - round(self._config.metrics_retention * 1000)
        if await self._repeat("chunk", self._metrics_file, lambda: tables.expire(old)):
            await self._metrics_file.run(lambda: tables.forget(old))
        old_events = self._clock.now() - round(self._config.events_retention * 1000)
        if await self._repeat("document", self._events_file, lambda: documents.expire(old_events)):
            await self._events_file.run(documents.tidy)
        for file in (self._metrics_file, self._events_file):
            await file.run(lambda file=file: give_back(file.connection))

    async def _repeat(self, kind: str, file: Writer, delete: Callable[[], int]) -> int:
        """Delete bit by bit until nothing is left to delete; how much went."""
        total = 0
        while gone := await file.run(delete):
            total += gone
            self._metrics.expired.labels(kind).inc(gone)
            await asyncio.sleep(_PAUSE_SECONDS)
        return total


def _renumber(rejected: Sequence[Rejection], batches: Sequence[Batch], *, tables: bool) -> list[Rejection]:
    """Rejections that count tables only, or events only, as ones that count all items of the batches."""
    if not rejected:
        return []
    places: list[int] = []
    number = 0
    for batch in batches:
        if tables:
            places += range(number, number + len(batch.tables))
        else:
            places += range(number + len(batch.tables), number + len(batch.tables) + len(batch.events))
        number += len(batch.tables) + len(batch.events)
    return [Rejection(places[each.index], each.reason) for each in rejected]


def _size(file: Path) -> int:
    parts: list[Any] = [file, file.with_name(file.name + "-wal")]
    return sum(part.stat().st_size for part in parts if part.exists())
