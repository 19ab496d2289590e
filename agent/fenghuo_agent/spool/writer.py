"""The one thread that writes the spool: everything that waits goes into one transaction, as often as the disk can."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import zstandard

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo.wire import Span, Stream
from fenghuo.wire.frame import LEVEL
from fenghuo_agent.spool.batch import Entry
from fenghuo_agent.spool.database import is_damage
from fenghuo_agent.spool.inbox import Group, Inbox, Waiting, Work
from fenghuo_agent.spool.metrics import SpoolMetrics
from fenghuo_agent.spool.store import Deletions, Depths, Lost, Store, add_lost

_log = logging.getLogger(__name__)
_RETRY_FIRST = 0.2
_RETRY_MOST = 5.0
_CLOSING_RETRY = 0.1
_IDLE = 1.0
_SHRINK_PAGES = 256
_LOG_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """Bounds: bytes waiting in memory, bytes of free pages kept in the file."""

    memory: int
    reserve: int


class Writer:
    """Owns the store. `reopen` gives a new one in place of a damaged file, given what the old one held."""

    def __init__(
        self,
        store: Store,
        reopen: Callable[[str, Depths], Store],
        options: WriterOptions,
        clock: Clock,
        metrics: SpoolMetrics,
        loop: asyncio.AbstractEventLoop,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._reopen = reopen
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._loop = loop
        self._changed = changed
        self._inbox = Inbox(options.memory)
        self._wake = threading.Condition()
        self._closing_by: float | None = None
        self._spared: Mapping[Stream, int] = {}
        self._damage = ""
        self._retry = self._retry_at = 0.0
        self._losses = LossLog("the spool is full")
        self._memory_losses = LossLog("the spool's disk takes nothing and memory is full")
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        metrics.depths(store.depths)

    def start(self) -> None:
        self._thread.start()

    @property
    def spool_id(self) -> str:
        return self._store.spool_id

    @property
    def depths(self) -> Depths:
        return self._store.depths

    @property
    def waiting(self) -> int:
        """Bytes that wait for the disk in memory."""
        return self._inbox.bytes

    def append(self, entries: Sequence[Entry], state: Mapping[str, bytes]) -> asyncio.Future[None]:
        """Have entries written; the future is done once all are durable or counted as lost."""
        group = Group(len(entries), self._loop.create_future())
        with self._wake:
            self._inbox.put(entries, state, self._clock.now(), group)
            dropped = self._inbox.drop_excess()
            self._metrics.waiting.set(self._inbox.bytes)
            self._wake.notify()
        self._note_excess(dropped)
        return group.done

    def _note_excess(self, dropped: Mapping[Stream, Lost]) -> None:
        if dropped:
            self._metrics.lost(dropped, "memory")
            self._memory_losses.note(dropped)

    def delete(self, spool_id: str, stream: Stream, spans: Sequence[Span]) -> None:
        """Forget delivered batches of the spool so named; numbers of another one mean nothing here."""
        with self._wake:
            if spool_id == self._store.spool_id:
                self._inbox.delete(stream, spans)
                self._wake.notify()

    def refuse(self, spool_id: str, stream: Stream, sequence: int) -> None:
        with self._wake:
            if spool_id == self._store.spool_id:
                self._inbox.refuse(stream, sequence)
                self._wake.notify()

    def spare(self, spool_id: str, stream: Stream, highest: int) -> None:
        """Give up numbers up to `highest` of a stream only when nothing else of it is left."""
        if self._spared.get(stream, 0) != highest and spool_id == self._store.spool_id:
            self._spared = {**self._spared, stream: highest}

    def report_damage(self, reason: str) -> None:
        """A reader found the file broken: it is replaced before the next transaction."""
        with self._wake:
            self._damage = reason
            self._wake.notify()

    def stop(self, seconds: float) -> bool:
        """Write what waits and end; False where it took longer than `seconds`."""
        with self._wake:
            self._closing_by = time.monotonic() + seconds
            self._wake.notify()
        self._thread.join(seconds + 1)
        return not self._thread.is_alive()

    # Below: the writer's thread.

    def _run(self) -> None:
        try:
            while self._wait():
                with self._wake:
                    work = self._inbox.take()
                    damage, self._damage = self._damage, ""
                if damage:
                    self._replace(damage, work)
                self._write(work)
        finally:
            self._store.close()

    def _wait(self) -> bool:
        """Wait until there is something to do; False when it is time to end."""
        with self._wake:
            while True:
                now = time.monotonic()
                closing = self._closing_by is not None
                if closing and (not self._inbox or now >= (self._closing_by or 0)):
                    return False
                if now < self._retry_at:
                    self._wake.wait(min(self._retry_at - now, _CLOSING_RETRY if closing else _RETRY_MOST))
                elif self._inbox or self._damage:
                    return True
                elif not self._wake.wait(_IDLE):
                    break
        self._shrink()
        return True

    def _shrink(self) -> None:
        try:
            self._store.shrink(self._options.reserve, _SHRINK_PAGES)
        except sqlite3.Error as error:
            self._handle(error, Work())

    def _write(self, work: Work) -> None:
        if not work:
            return
        self._compress(work.items)
        done: list[Waiting] = []
        try:
            self._transact(work, work.items)
            done, work.items = work.items, []
            self._recovered()
        except sqlite3.Error as error:
            self._handle(error, work)
            done = self._write_piecemeal(work)
        self._settle(work, done)

    def _compress(self, items: Sequence[Waiting]) -> None:
        saved: list[tuple[Waiting, int]] = []
        for item in items:
            if not item.packed:
                size = len(item.body)
                item.body = self._compressor.compress(item.body)
                item.packed = True
                saved.append((item, size - len(item.body)))
        with self._wake:
            for item, size in saved:
                self._inbox.release(item, size)

    def _transact(self, work: Work, items: Sequence[Waiting], *, state: bool = True) -> None:
        started = time.perf_counter()
        now = self._clock.now()
        with self._store.transaction():
            self._store.delete(work.deletions)
            for stream, lost in work.lost.items():
                self._store.count_lost(stream, lost)
            spared = self._spared
            evicted = self._store.evict(spared)
            for item in items:
                self._store.insert(item.batch(), now)
                add_lost(evicted, self._store.evict(spared))
            if state:
                self._store.save_state(work.state)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.depths(self._store.depths)
        work.deletions.spans.clear()
        work.deletions.refused.clear()
        work.lost.clear()
        if state:
            work.state.clear()
        if evicted:
            self._metrics.lost(evicted, "cap")
            self._losses.note(evicted)

    def _write_piecemeal(self, work: Work) -> list[Waiting]:
        """On a disk that did not take all: what frees room first, then one batch at a time, most urgent first."""
        done: list[Waiting] = []
        try:
            self._transact(work, (), state=False)
            for item in work.items:
                self._transact(work, (item,), state=False)
                done.append(item)
            self._transact(work, ())
            self._recovered()
        except sqlite3.Error as error:
            self._handle(error, work)
        work.items = work.items[len(done) :]
        return done

    def _handle(self, error: sqlite3.Error, work: Work) -> None:
        self._metrics.failures.inc()
        if is_damage(error):
            self._replace(str(error), work)
            return
        if not self._retry:
            _log.warning("the spool's disk takes nothing (%s): batches wait in memory", error)
        self._retry = min(max(self._retry * 2, _RETRY_FIRST), _RETRY_MOST)
        self._retry_at = time.monotonic() + self._retry

    def _recovered(self) -> None:
        if self._retry:
            _log.info("the spool's disk takes batches again")
        self._retry = self._retry_at = 0.0

    def _replace(self, reason: str, work: Work) -> None:
        """Go on with a new file. What was to be deleted from the old one must not be looked for in the new one."""
        held = self._store.depths
        self._store.close()
        try:
            store = self._reopen(reason, held)
        except FenghuoError as error:
            _log.error("no new spool in place of the damaged one: %s", error)
            self._damage = reason
            self._retry_at = time.monotonic() + _RETRY_MOST
            return
        with self._wake:
            self._store = store
            self._spared = {}
            work.deletions = Deletions()
            self._inbox.forget_deletions()
        self._metrics.lost({stream: Lost(depth.batches, depth.items) for stream, depth in held.items()}, "damage")

    def _settle(self, work: Work, done: Sequence[Waiting]) -> None:
        with self._wake:
            for item in done:
                item.group.left -= 1
                self._inbox.release(item, len(item.body))
            finished = [] if work.state else [group for group in work.groups if group.left <= 0]
            work.groups = [group for group in work.groups if group.left > 0 or work.state]
            self._inbox.give_back(work)
            dropped = self._inbox.drop_excess()
            self._metrics.waiting.set(self._inbox.bytes)
        self._note_excess(dropped)
        self._tell(finished)

    def _tell(self, finished: Sequence[Group]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._finish, finished)
        except RuntimeError:
            return  # the event loop is gone: nobody waits any more

    def _finish(self, finished: Sequence[Group]) -> None:
        for group in finished:
            if not group.done.done():
                group.done.set_result(None)
        self._changed()


class LossLog:
    """Says what was lost: at once, then at most once a minute, with the sum of what came together meanwhile."""

    def __init__(self, cause: str) -> None:
        self._cause = cause
        self._sum: dict[Stream, Lost] = {}
        self._quiet_until = 0.0

    def note(self, lost: Mapping[Stream, Lost]) -> None:
        add_lost(self._sum, lost)
        if time.monotonic() >= self._quiet_until:
            parts = [f"{amount.batches} batches ({amount.items} items) of {s}" for s, amount in self._sum.items()]
            _log.error("%s: %s given up", self._cause, ", ".join(parts))
            self._sum.clear()
            self._quiet_until = time.monotonic() + _LOG_EVERY
