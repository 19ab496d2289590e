"""From accepted batches to sinks: a bounded queue and a worker for each sink, so that none waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fenghuo.clock import Clock
from fenghuo.errors import PartialWrite, Permanent, Retryable
from fenghuo.wire import Stream
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.config import DeliveryConfig
from fenghuo_collector.ingest.deadletters import DeadLetter, DeadLetters
from fenghuo_collector.ingest.metrics import DeliveryMetrics
from fenghuo_collector.ingest.queue import Parcel, SinkQueue
from fenghuo_collector.ingest.ratelimit import RateLimit
from fenghuo_collector.sinks.base import Batch, Sink

_log = logging.getLogger(__name__)
_START_TIMEOUT = 60.0
_HOMELESS = 50_000
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

    def place(self, index: int) -> int:
        return index if self.places is None else self.places[index]

    def only(self, indices: Sequence[int]) -> _Part:
        batch = replace(
            self.batch,
            tables=[self.batch.tables[index] for index in indices] if self.batch.tables else (),
            events=[self.batch.events[index] for index in indices] if self.batch.events else (),
        )
        return _Part(self.parcel, batch, [self.place(index) for index in indices])


class SinkWorker:
    """Writes what waits for one sink: in groups, again and again until the sink has decided on every item."""

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
        self.queue = SinkQueue(sink.name, config)
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

    def hurry(self) -> None:
        """Wait for no more batches: the collector is ending."""
        self._hurry.set()

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
                    return await self.sink.start()
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
        rest: list[_Part] = []
        finished: list[_Part] = []
        start = 0
        for part in parts:
            end = start + part.length
            for index in range(start, end) if rejected else ():
                if index in rejected:
                    self._bury(part, index - start, rejected[index])
            indices = [index - start for index in range(start, end) if index in again]
            if indices:
                rest.append(part.only(indices))
            else:
                finished.append(part)
            start = end
        self._metrics.items.labels(self.sink.name).inc(max(start - len(rejected) - len(again), 0))
        self._finish(finished, counted=True)
        return rest

    def _finish(self, parts: list[_Part], *, counted: bool = False) -> None:
        if not counted:
            self._metrics.items.labels(self.sink.name).inc(sum(part.batch.count for part in parts))
        self._metrics.batches.labels(self.sink.name).inc(len(parts))
        self.queue.done([part.parcel for part in parts])
        for part in parts:
            self._stored(self.sink.name, part.parcel)

    def _bury_all(self, parts: list[_Part], reason: str) -> None:
        self._complain("refuses a write for good", reason, level=logging.ERROR)
        for part in parts:
            for index in range(part.length):
                self._bury(part, index, reason)
        self._finish(parts, counted=True)

    def _bury(self, part: _Part, index: int, reason: str) -> None:
        batch = part.batch
        item = batch.tables[index] if batch.tables else batch.events[index]
        self._metrics.rejected.labels(self.sink.name).inc(item.size if batch.tables else 1)  # type: ignore[union-attr]
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

    async def _back_off(self, attempt: int, delay: float | None) -> None:
        """Wait before the next attempt: as long as the store asked for, else twice as long each time, with jitter."""
        own = self._config.retry * 2 ** min(attempt - 1, 30)
        wait = min(own if delay is None else delay, self._config.retry_max)
        await asyncio.sleep(wait * self._random.uniform(0.75, 1.25))


class Delivery:
    """All sinks' workers. `committed` is called once for each batch when every required sink that takes it has it."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        config: DeliveryConfig,
        metrics: DeliveryMetrics,
        *,
        clock: Clock,
        random: random.Random,
        dead_letters: DeadLetters,
        committed: Callable[[StreamAccount, int], None],
    ) -> None:
        names = [sink.name for sink in sinks]
        if len(set(names)) != len(names):
            raise ValueError(f"sinks of the same name: {', '.join(sorted(names))}")
        self._committed = committed
        self._workers = [
            SinkWorker(
                sink,
                config,
                metrics,
                clock=clock,
                random=random,
                dead_letters=dead_letters,
                stored=self._stored,
                shed=self._check_home,
            )
            for sink in sinks
        ]
        self._pending: dict[tuple[StreamAccount, int], Parcel] = {}
        self._homeless: dict[tuple[StreamAccount, int], None] = {}
        """Pending batches that wait nowhere: shed by a required sink, and awaited from their agents again."""

    def __len__(self) -> int:
        """Batches accepted and not committed."""
        return len(self._pending)

    def lacking(self, account: StreamAccount, number: int) -> bool:
        """Whether a batch, accepted before and come again, should be offered again: a required sink shed it."""
        parcel = self._pending.get((account, number))
        return parcel is None or not parcel.owing <= parcel.waiting

    def offer(self, account: StreamAccount, batch: Batch) -> None:
        """Hand a batch to every sink that takes it; one that came before only to the required ones that lack it."""
        key = account, batch.sequence
        parcel = self._pending.get(key)
        if parcel is not None:
            parcel.batch = batch
            for worker in self._workers:
                if worker.sink.name in parcel.owing - parcel.waiting:
                    worker.offer(parcel, evict=False)
            self._check_home(parcel)
            return
        takers = [worker for worker in self._workers if worker.sink.takes(batch.stream)]
        required = {worker.sink.name for worker in takers if worker.sink.required}
        parcel = Parcel(account, batch.sequence, batch.stream, batch, required, batch.size, batch.count)
        self._pending[key] = parcel
        for worker in takers:
            worker.offer(parcel, evict=True)
        self._check_home(parcel)
        if not parcel.owing:
            self._commit(parcel)

    def _check_home(self, parcel: Parcel) -> None:
        """Let go of a batch that waits nowhere; beyond a bound also of the memory that it was here."""
        key = parcel.account, parcel.number
        if parcel.waiting:
            self._homeless.pop(key, None)
            return
        parcel.batch = None
        if parcel.owing and key in self._pending:
            self._homeless[key] = None
            if len(self._homeless) > _HOMELESS:
                account, number = forgotten = next(iter(self._homeless))
                del self._homeless[forgotten], self._pending[forgotten]
                account.forget(number)

    def _stored(self, name: str, parcel: Parcel) -> None:
        if name in parcel.owing:
            parcel.owing.discard(name)
            if not parcel.owing:
                self._commit(parcel)
        self._check_home(parcel)

    def _commit(self, parcel: Parcel) -> None:
        key = parcel.account, parcel.number
        self._homeless.pop(key, None)
        if self._pending.pop(key, None) is not None:
            self._committed(parcel.account, parcel.number)

    async def run(self) -> None:
        """Serve all sinks until cancelled."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.run(), name=f"sink {worker.sink.name}")

    async def drain(self) -> None:
        """Wait until every queue is empty."""
        for worker in self._workers:
            worker.hurry()
        for worker in self._workers:
            await worker.idle.wait()

    async def close(self, seconds: float) -> None:
        """Close all sinks, giving them `seconds` in all."""

        async def close(sink: Sink) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await sink.close()
            except Exception:  # noqa: BLE001 — the others are closed too
                _log.exception("Sink %s does not close", sink.name, extra={"sink": sink.name})

        await asyncio.gather(*(close(worker.sink) for worker in self._workers))
