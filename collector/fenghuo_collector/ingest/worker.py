"""One sink's worker: takes what waits, writes it, and deals with every answer a store may give."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fenghuo.clock import Clock
from fenghuo.errors import PartialWrite, Permanent, Retryable
from fenghuo.model import Event, Table
from fenghuo.wire import Stream
from fenghuo_collector.ingest.config import DeliveryConfig
from fenghuo_collector.ingest.deadletters import DeadLetter, DeadLetters
from fenghuo_collector.ingest.metrics import DeliveryMetrics
from fenghuo_collector.ingest.queue import Parcel, SinkQueue
from fenghuo_collector.ingest.ratelimit import RateLimit
from fenghuo_collector.sinks.base import Batch, Sink

_log = logging.getLogger(__name__)
_START_TIMEOUT = 60.0
_UNEXPECTED = 3
"""Failures with an unforeseen error before batches are written one by one, to find the guilty one."""


@dataclass(slots=True)
class _Part:
    """What is still to be written of a parcel: its whole batch, or the items that a sink wants to see again."""

    parcel: Parcel
    batch: Batch
    places: Sequence[int] | None = None
    """Where the items stood in the whole batch; None: all of them."""

    @property
    def length(self) -> int:
        return len(self.batch.tables) or len(self.batch.events)

    def item(self, index: int) -> Table | Event:
        return self.batch.tables[index] if self.batch.tables else self.batch.events[index]

    def place(self, index: int) -> int:
        return index if self.places is None else self.places[index]

    def only(self, indices: Sequence[int]) -> _Part:
        batch = replace(
            self.batch,
            tables=[self.batch.tables[index] for index in indices] if self.batch.tables else (),
            events=[self.batch.events[index] for index in indices] if self.batch.events else (),
        )
        return _Part(self.parcel, batch, [self.place(index) for index in indices])


@dataclass(frozen=True, slots=True)
class SinkState:
    """A sink as the console shows it: what waits for it, whether its last attempt failed, and the last error."""

    name: str
    required: bool
    waiting: int
    waiting_bytes: int
    failing: bool
    last_error: str


class SinkWorker:
    """Writes what waits for one sink: in groups, again and again until the sink has not_stored on every item."""

    def __init__(
        self,
        sink: Sink,
        config: DeliveryConfig,
        metrics: DeliveryMetrics,
        *,
        clock: Clock,
        random: random.Random,
        dead_letters: DeadLetters,
        stored: Callable[[str, Parcel], None],
        shed: Callable[[Parcel], None],
    ) -> None:
        self.sink = sink
        self.queue = SinkQueue(sink.name, config, required=sink.required)
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._dead_letters = dead_letters
        self._stored = stored
        self._on_shed = shed
        self._complaints = RateLimit(clock, each=60.0)
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.failing = False
        self._last_error = ""

    def offer(self, parcel: Parcel, *, evict: bool) -> None:
        """Queue a parcel. What finds no room is shed: counted, and lost for this sink only where it is not required."""
        for shed in self.queue.put(parcel, self._clock.monotonic(), evict=evict):
            self._count_shed(shed)
            if shed is not parcel:  # the newcomer may still find room elsewhere
                self._on_shed(shed)
        if len(self.queue):
            self.idle.clear()
            self._wake.set()
            if parcel.stream is Stream.ALERTS or self.queue.plenty:
                self._hurry.set()
        self._measure()

    def _count_shed(self, parcel: Parcel) -> None:
        if self.sink.name in parcel.owing:
            self._metrics.shed.labels(self.sink.name).inc()
        else:
            self._metrics.lost.labels(self.sink.name).inc(parcel.count)

    def _measure(self) -> None:
        self._metrics.queue_bytes.labels(self.sink.name).set(self.queue.bytes)
        self._metrics.queue_batches.labels(self.sink.name).set(len(self.queue))

    async def run(self) -> None:
        """Start the sink and serve its queue until cancelled."""
        await self._start()
        while True:
            await self._wake.wait()
            await self._linger()
            group = self.queue.take()
            if group:
                await self._write([_Part(parcel, parcel.batch) for parcel in group if parcel.batch is not None])
            if not len(self.queue):
                self._wake.clear()
                self._hurry.clear()
                self.idle.set()
            self._measure()

    async def settle(self) -> None:
        """Write what waits without lingering; returns when the queue is empty or the sink fails."""
        while not self.idle.is_set() and not self.failing:
            self._hurry.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.idle.wait(), 0.05)

    def state(self) -> SinkState:
        return SinkState(
            self.sink.name, self.sink.required, len(self.queue), self.queue.bytes, self.failing, self._last_error
        )

    async def _linger(self) -> None:
        """Give other batches a moment to come, unless there are plenty or urgent ones."""
        if self._hurry.is_set() or not len(self.queue):
            return
        wait = self._config.linger - (self._clock.monotonic() - self.queue.oldest)
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait)

    async def _start(self) -> None:
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(_START_TIMEOUT):
                    await self.sink.start()
                return self._works()
            except (Retryable, TimeoutError) as error:
                self._complain("cannot start", error)
                delay = error.retry_after if isinstance(error, Retryable) else None
            except Exception as error:  # noqa: BLE001 — whatever ails one sink, the others go on
                self._complain("cannot start", error, level=logging.ERROR)
                delay = self._config.retry_max
            attempt += 1
            await self._back_off(attempt, delay)

    async def _write(self, parts: list[_Part]) -> None:
        """Write until every item is stored or refused for good."""
        attempt = unexpected = 0
        while parts:
            delay = None
            started = self._clock.monotonic()
            before = sum(part.length for part in parts)
            try:
                async with asyncio.timeout(self._config.write_timeout):
                    await self.sink.write([part.batch for part in parts])
                self._succeed(started)
                self._metrics.items.labels(self.sink.name).inc(sum(part.batch.count for part in parts))
                return self._finish(parts)
            except PartialWrite as error:
                self._succeed(started)
                parts = self._sort_out(parts, error)
                if sum(part.length for part in parts) < before:
                    attempt = 0
            except Permanent as error:
                return self._bury_all(parts, str(error))
            except (Retryable, TimeoutError) as error:
                self._complain("cannot write", error)
                delay = error.retry_after if isinstance(error, Retryable) else None
            except Exception as error:  # noqa: BLE001 — whatever ails one sink, the others go on
                if self._complaints.allows("unexpected"):
                    _log.exception("Sink %s failed unexpectedly", self.sink.name, extra={"sink": self.sink.name})
                self._complain("fails unexpectedly", error)
                unexpected += 1
                if unexpected >= _UNEXPECTED:
                    if len(parts) == 1:
                        return self._bury_all(parts, f"the sink failed: {type(error).__name__}: {error}")
                    for part in parts:
                        await self._write([part])
                    return None
            if parts:
                attempt += 1
                self._metrics.retries.labels(self.sink.name).inc()
                await self._back_off(attempt, delay)
        return None

    def _sort_out(self, parts: list[_Part], answer: PartialWrite) -> list[_Part]:
        """Bury what was rejected, finish what was stored; returns what is to be written again."""
        rejected = {rejection.index: rejection.reason for rejection in answer.rejected}
        again = set(answer.retry) - rejected.keys()
        not_stored = again | rejected.keys()
        rest: list[_Part] = []
        finished: list[_Part] = []
        start = 0
        for part in parts:
            indices = range(part.length)
            for index in indices:
                if start + index in rejected:
                    self._bury(part, index, rejected[start + index])
            self._count(part, (index for index in indices if start + index not in not_stored))
            retried = [index for index in indices if start + index in again]
            if retried:
                rest.append(part.only(retried))
            else:
                finished.append(part)
            start += part.length
        self._finish(finished)
        return rest

    def _count(self, part: _Part, indices: Iterable[int]) -> None:
        """These items of a part are stored."""
        self._metrics.items.labels(self.sink.name).inc(sum(_weight(part.item(index)) for index in indices))

    def _finish(self, parts: list[_Part]) -> None:
        self._metrics.batches.labels(self.sink.name).inc(len(parts))
        self.queue.done([part.parcel for part in parts])
        for part in parts:
            self._stored(self.sink.name, part.parcel)

    def _bury_all(self, parts: list[_Part], reason: str) -> None:
        self._complain("refuses a write for good", reason, level=logging.ERROR)
        for part in parts:
            for index in range(part.length):
                self._bury(part, index, reason)
        self._finish(parts)

    def _bury(self, part: _Part, index: int, reason: str) -> None:
        batch = part.batch
        item = part.item(index)
        self._metrics.rejected.labels(self.sink.name).inc(_weight(item))
        self._dead_letters.put(
            DeadLetter(
                self.sink.name,
                batch.agent,
                batch.stream,
                batch.sequence,
                part.place(index),
                batch.received,
                reason,
                item,
            )
        )

    def _succeed(self, started: float) -> None:
        name = self.sink.name
        self._metrics.writes.labels(name).inc()
        self._metrics.seconds.labels(name).observe(self._clock.monotonic() - started)
        self._works()

    def _works(self) -> None:
        name = self.sink.name
        self._metrics.up.labels(name).set(1)
        if self.failing:
            self.failing = False
            _log.info("Sink %s works again", name, extra={"sink": name})

    def _complain(self, what: str, error: object, *, level: int = logging.WARNING) -> None:
        """Log the first of a row of failures, and of a long row now and then one; the metrics tell of the others."""
        name = self.sink.name
        self._metrics.up.labels(name).set(0)
        text = str(error) or type(error).__name__
        if not self.failing or self._complaints.allows(what):
            _log.log(level, "Sink %s %s: %s", name, what, text, extra={"sink": name})
        self.failing = True
        self._last_error = text

    async def _back_off(self, attempt: int, delay: float | None) -> None:
        """Wait before the next attempt: as long as the store asked for, else twice as long each time, with jitter."""
        own = self._config.retry * 2 ** min(attempt - 1, 30)
        wait = min(own if delay is None else delay, self._config.retry_max)
        await asyncio.sleep(wait * self._random.uniform(0.75, 1.25))


def _weight(item: Table | Event) -> int:
    """What an item counts for: a table its values, a document one."""
    return item.size if isinstance(item, Table) else 1
