"""What the collector itself tells, on its way to the sinks as any agent's batches are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fenghuo.clock import Clock
from fenghuo.model import AgentId, Event
from fenghuo.wire import Stream
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.delivery import Delivery
from fenghuo_collector.ingest.normalise import Normaliser
from fenghuo_collector.sinks.base import Batch

_DOCUMENT_BYTES = 4_000


class OwnStream:
    """A stream whose batches are made here. `done` is called with a batch's number once every required sink has it."""

    def __init__(
        self, agent: AgentId, stream: Stream, delivery: Delivery, clock: Clock, done: Callable[[int], None]
    ) -> None:
        self.account = StreamAccount(agent, "collector", stream)
        self._delivery = delivery
        self._clock = clock
        self._normaliser = Normaliser(agent)
        self.done = done

    def offer(self, number: int, events: Sequence[Event]) -> None:
        """Hand a batch to the sinks; again, where one of them had no room for it. Repeating does no harm."""
        now = self._clock.now()
        self._normaliser.complete(events, now)
        account = self.account
        size = _DOCUMENT_BYTES * len(events)
        if self._delivery.lacking(account, number):
            self._delivery.offer(account, Batch(account.agent, account.stream, number, now, events=events, size=size))
