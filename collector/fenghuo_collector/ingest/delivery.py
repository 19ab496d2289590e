"""From accepted batches to sinks: a bounded queue and a worker for each sink, so that none waits for another."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from fenghuo.clock import Clock
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.config import DeliveryConfig
from fenghuo_collector.ingest.deadletters import DeadLetters
from fenghuo_collector.ingest.metrics import DeliveryMetrics
from fenghuo_collector.ingest.queue import Parcel
from fenghuo_collector.ingest.worker import SinkState, SinkWorker
from fenghuo_collector.sinks.base import Batch, Sink

_log = logging.getLogger(__name__)
_HOMELESS = 50_000
"""Shed batches remembered; of older ones it is forgotten that they were here, so that they count as new."""


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
        """Whether a required sink neither has a batch that is not committed nor has it waiting: it should come again."""
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
        empty = not (batch.tables or batch.events)  # every item was rejected: there is nothing to store
        takers = [] if empty else [worker for worker in self._workers if worker.sink.takes(batch.stream)]
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
        """Wait until every queue is empty, but for sinks that are failing: their agents send again."""
        await asyncio.gather(*(worker.settle() for worker in self._workers))

    def sinks(self) -> list[SinkState]:
        """How each sink fares."""
        return [worker.state() for worker in self._workers]

    async def close(self, seconds: float) -> None:
        """Close all sinks, giving them `seconds` in all."""

        async def close(sink: Sink) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await sink.close()
            except Exception:  # noqa: BLE001 — the others are closed too
                _log.exception("Sink %s does not close", sink.name, extra={"sink": sink.name})

        await asyncio.gather(*(close(worker.sink) for worker in self._workers))
