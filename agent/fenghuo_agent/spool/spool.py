"""The spool as the rest of the agent sees it: give it batches, read them, say which are delivered."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import Permanent, Retryable, of_file
from fenghuo.ids import Entropy
from fenghuo.lock import FileLock
from fenghuo.wire import Span, Stream
from fenghuo_agent.spool.batch import Entry, SpooledBatch, StreamDepth
from fenghuo_agent.spool.config import SpoolConfig
from fenghuo_agent.spool.database import connect, is_damage, keep_reserve, move_aside, open_database
from fenghuo_agent.spool.metrics import SpoolMetrics
from fenghuo_agent.spool.store import Depths, Lost, Store, read_after, read_these
from fenghuo_agent.spool.writer import Writer, WriterOptions

_log = logging.getLogger(__name__)
READ_BYTES = 2**20
CLOSE_SECONDS = 10.0
_Found = TypeVar("_Found")


def lock_of(path: Path) -> FileLock:
    """The lock of the spool at `path`, which one process may hold."""
    return FileLock(
        path.with_name(path.name + ".lock"),
        f"the spool {path}",
        "stop that agent first, or give this one a spool of its own",
    )


class Spool:
    """Batches of each stream, numbered from 1 without gaps, kept until delivered, under a cap in bytes.

    What was confirmed by `append` survives a power cut. Opened by `Spool.open`, inside a running event loop; its methods
    are called from that loop. A spool that is damaged while in use is replaced by a new one with another `id`.
    """

    def __init__(
        self, config: SpoolConfig, clock: Clock, entropy: Entropy, registry: CollectorRegistry, lock: FileLock
    ) -> None:
        self._config = config
        self._clock = clock
        self._entropy = entropy
        self._lock = lock
        self._listeners: list[Callable[[], None]] = []
        self._reader: sqlite3.Connection | None = None
        self._reader_of = ""
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-reader")
        self._closed = False
        store = self._open_store()  # before the metrics: a start that fails must leave none behind
        metrics = SpoolMetrics(registry)
        metrics.cap.set(config.cap)
        self._writer = Writer(
            store,
            self._replace_store,
            WriterOptions(config.memory, config.reserve),
            clock,
            metrics,
            asyncio.get_running_loop(),
            self._changed,
        )

    @classmethod
    def open(
        cls, config: SpoolConfig, clock: Clock, registry: CollectorRegistry, *, entropy: Entropy = os.urandom
    ) -> Self:
        """Open the spool, or make it.

        Raises `Permanent` where another process has it, the file is not a spool or may not be written, `Retryable` where
        the disk is full or failing. A damaged file is moved aside and logged; a new spool takes its place.
        """
        path = Path(config.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = lock_of(path)
        except OSError as error:
            raise of_file(f"the spool {path} cannot be opened", error) from error
        try:
            spool = cls(config, clock, entropy, registry, lock)
        except BaseException:
            lock.release()
            raise
        spool._writer.start()
        return spool

    def _open_store(self) -> Store:
        connection = open_database(Path(self._config.path), self._clock.now(), self._entropy)
        try:
            if not keep_reserve(connection, self._config.reserve):
                _log.warning("the disk of the spool %s has no room for its reserve", self._config.path)
            return Store(connection, self._config.cap, self._config.backfill_after)
        except sqlite3.Error as error:
            connection.close()
            raise Retryable(f"the spool {self._config.path} cannot be read now: {error}") from error

    def _replace_store(self, reason: str, held: Depths) -> Store:
        path = Path(self._config.path)
        try:
            move_aside(path, self._clock.now(), reason)
        except OSError as error:
            raise Retryable(f"{path} cannot be moved aside: {error}") from error
        store = self._open_store()
        try:
            with store.transaction():
                for stream, depth in held.items():
                    before = Lost(depth.batches + depth.dropped_batches, depth.items + depth.dropped_items)
                    store.count_lost(stream, before)
        except sqlite3.Error as error:
            store.close()
            raise Retryable(f"the new spool {path} takes nothing: {error}") from error
        return store

    @property
    def id(self) -> str:
        """Made with the file; numbers mean nothing without it."""
        return self._writer.spool_id

    def depth(self, stream: Stream) -> StreamDepth:
        """What the last transaction left of a stream."""
        return self._writer.depths[stream]

    def oldest(self, stream: Stream) -> int:
        """The lowest number still held; the next to be given where none is."""
        return self.depth(stream).oldest

    def dropped(self, stream: Stream) -> int:
        """Items given up for want of room, in all, since the spool was made."""
        return self.depth(stream).dropped_items

    @property
    def waiting(self) -> int:
        """Bytes in memory on their way to the disk."""
        return self._writer.waiting

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called in the event loop after each transaction; it must not wait."""
        self._listeners.append(listener)

    def append(self, entries: Sequence[Entry], state: Mapping[str, bytes] | None = None) -> asyncio.Future[None]:
        """Number and keep batches, and save `state` with them in one transaction where the disk allows.

        Never waits. The future is done once all are durable, or counted as lost where the disk takes nothing for so
        long that memory's bound is reached.
        """
        if self._closed:
            raise Permanent("the spool is closed")
        return self._writer.append(entries, state or {})

    def commit(self, spool_id: str, stream: Stream, spans: Iterable[Span]) -> None:
        """Forget delivered batches of the spool `spool_id` (nothing is done where it is another one)."""
        self._writer.delete(spool_id, stream, list(spans))

    def spare(self, spool_id: str, stream: Stream, highest: int) -> None:
        """Numbers up to `highest` are on their way to a collector that answers: where room is wanted they go last, so
        that what is counted as dropped did not arrive after all. 0: none are.
        """
        self._writer.spare(spool_id, stream, highest)

    def refuse(self, spool_id: str, stream: Stream, sequence: int, reason: str) -> None:
        """Give up a batch that the collector refuses for good: counted as lost."""
        _log.error("the collector refuses batch %d of %s: %s; it is given up", sequence, stream, reason)
        self._writer.refuse(spool_id, stream, sequence)

    async def pending(self, stream: Stream, after: int, limit: int, max_bytes: int = READ_BYTES) -> list[SpooledBatch]:
        """The held batches that follow number `after`, in order: at most `limit` and about `max_bytes`, but at least one.

        Raises `Retryable` where the disk cannot be read now.
        """
        return await self._read(lambda connection: read_after(connection, stream, after, limit, max_bytes))

    async def batches(self, stream: Stream, sequences: Sequence[int]) -> list[SpooledBatch]:
        """Those of the numbered batches that are still held, in the order asked for."""
        return await self._read(lambda connection: read_these(connection, stream, sequences))

    async def load_state(self, key: str) -> bytes | None:
        """What was last saved under `key`."""

        def load(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
            return row[0] if row else None

        return await self._read(load)

    async def _read(self, query: Callable[[sqlite3.Connection], _Found]) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)

    def _query(self, query: Callable[[sqlite3.Connection], _Found]) -> _Found:
        try:
            return query(self._reading())
        except sqlite3.Error as error:
            if is_damage(error):
                self._writer.report_damage(str(error))
            raise Retryable(f"the spool cannot be read now: {error}") from error

    def _reading(self) -> sqlite3.Connection:
        current = self.id
        if self._reader is None or self._reader_of != current:
            if self._reader:
                self._reader.close()
            self._reader = connect(Path(self._config.path))
            self._reader.execute("PRAGMA query_only = ON")
            self._reader_of = current
        return self._reader

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    async def close(self) -> None:
        """Write what waits, end the threads, let the file go."""
        if self._closed:
            return
        self._closed = True
        ended = await asyncio.to_thread(self._writer.stop, CLOSE_SECONDS)
        await asyncio.to_thread(self._threads.shutdown)
        if self._reader:
            self._reader.close()
        if self._writer.waiting or not ended:
            _log.error("the disk did not take the last %d bytes of batches: they are lost", self._writer.waiting)
        self._lock.release()
