"""Running a feed: from its place in the journal onwards, in order, at least once.

The place moves on only behind what is delivered or, after a refusal for good, among the dead letters. What fails for
now is tried again, later each time; nothing behind it is sent before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import Random

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError, Permanent, Retryable
from fenghuo_collector.feeds.base import Feed, Step
from fenghuo_collector.incidents.journal import AlertJournal

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 120.0
"""How long one delivery of one batch may take in all."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
_IDLE_SECONDS = 5.0
_LOUD_AFTER = 5


class FeedMetrics:
    """Metrics of all feeds of a process, by the feed's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "fenghuo_collector_feed"
        self.delivered = Counter(f"{prefix}_delivered_total", "Steps delivered.", ["feed"], registry=registry)
        self.dead = Counter(f"{prefix}_dead_total", "Steps given up as undeliverable.", ["feed"], registry=registry)
        self.lost = Counter(
            f"{prefix}_lost_total",
            "Steps that retention deleted before the feed got them.",
            ["feed"],
            registry=registry,
        )
        self.failures = Counter(
            f"{prefix}_failures_total", "Deliveries and refreshes to be tried again.", ["feed"], registry=registry
        )
        self.behind = Gauge(f"{prefix}_behind", "Steps in the journal not delivered yet.", ["feed"], registry=registry)
        self.last_success = Gauge(
            f"{prefix}_last_success_timestamp_seconds",
            "When something was last delivered.",
            ["feed"],
            registry=registry,
        )


class FeedRunner:
    """Runs one feed. `batch` is how many steps it is handed at most; `refresh` is in seconds, None for never.

    A feed that never ran before is told of what fires, then of every step since the journal was opened.
    """

    def __init__(
        self,
        feed: Feed,
        journal: AlertJournal,
        *,
        clock: Clock,
        random: Random,
        metrics: FeedMetrics,
        batch: int = 100,
        refresh: float | None = 60.0,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._feed = feed
        self._journal = journal
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._batch = batch
        self._refresh = refresh
        self._first_pause = first_pause
        self._place = 0
        self._failures = 0
        self._refreshed = float("-inf")

    @property
    def name(self) -> str:
        return self._feed.name

    async def run(self) -> None:
        """Until cancelled; closes the feed then."""
        try:
            await self._journal.ready()
            while True:
                try:
                    await self._begin()
                    await self._go_on()
                except Retryable as error:
                    await self._pause(error)
        finally:
            await self._feed.close()

    async def _begin(self) -> None:
        place = await self._journal.place(self.name)
        if place is None:
            end = self._journal.opened
            firing = [step for step in await self._journal.firing() if step.number <= end]
            for start in range(0, len(firing), self._batch):
                await self._deliver(firing[start : start + self._batch], moving=False)
            await self._journal.move(self.name, end)
            place = end
        elif place > self._journal.last:
            log.error(
                "feed %s had come to step %s, the journal ends at %s: it was replaced; going on from its end",
                self.name, place, self._journal.last, extra={"feed": self.name},
            )  # fmt: skip
            place = self._journal.last
            await self._journal.move(self.name, place)
        self._place = place

    async def _go_on(self) -> None:
        while True:
            await self._refresh_when_due()
            self._metrics.behind.labels(self.name).set(self._journal.last - self._place)
            if not await self._journal.grown(self._place, self._wait()):
                continue
            steps = await self._journal.after(self._place, self._batch)
            if not steps:
                continue
            if steps[0].number > self._place + 1:
                self._count_lost(steps[0].number - self._place - 1)
            await self._deliver(steps, moving=True)
            await self._move(steps[-1].number)

    def _wait(self) -> float:
        """Seconds until something is to be done even if no step comes."""
        if self._refresh is None:
            return _IDLE_SECONDS
        due = self._refreshed + self._refresh - self._clock.monotonic()
        return min(max(due, 0.0), _IDLE_SECONDS)

    async def _refresh_when_due(self) -> None:
        if self._refresh is None or self._clock.monotonic() < self._refreshed + self._refresh:
            return
        firing = await self._journal.firing()
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                await self._feed.refresh(firing)
        except TimeoutError:
            raise Retryable(f"feed {self.name}: a refresh took longer than {DELIVERY_SECONDS:g} s") from None
        except Permanent as error:
            self._metrics.failures.labels(self.name).inc()
            log.error("feed %s: its receiver refuses the refresh: %s", self.name, error, extra={"feed": self.name})  # noqa: TRY400 — the text says it all
        else:
            self._succeeded()
        self._refreshed = self._clock.monotonic()

    async def _deliver(self, steps: Sequence[Step], *, moving: bool) -> None:
        """Deliver or bury each of the steps. Raises `Retryable` where they have to come again."""
        try:
            await self._hand_over(steps)
        except Permanent as error:
            if len(steps) == 1:
                await self._bury(steps[0], error)
                return
            # One of them is bad: find out which, the others are to arrive.
            for step in steps:
                await self._deliver([step], moving=moving)
                if moving:
                    await self._move(step.number)
            return
        self._metrics.delivered.labels(self.name).inc(len(steps))
        self._succeeded()

    async def _hand_over(self, steps: Sequence[Step]) -> None:
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                await self._feed.deliver(steps)
        except TimeoutError:
            raise Retryable(f"feed {self.name}: a delivery took longer than {DELIVERY_SECONDS:g} s") from None
        except FenghuoError:
            raise
        except Exception as error:
            # A fault of ours that a certain step brings out must not hold up all that come after it.
            log.exception("feed %s failed unexpectedly", self.name, extra={"feed": self.name})
            raise Permanent(f"{type(error).__name__}: {error}") from error

    async def _move(self, number: int) -> None:
        await self._journal.move(self.name, number)
        self._place = number

    async def _bury(self, step: Step, error: Permanent) -> None:
        await self._journal.bury(self.name, step, str(error))
        self._metrics.dead.labels(self.name).inc()
        log.error(
            "feed %s cannot deliver %s of %s, kept among the dead letters: %s",
            self.name, step.alert.state, step.alert.rule_name, error,
            extra={"feed": self.name, "event_id": step.key},
        )  # fmt: skip

    def _count_lost(self, number: int) -> None:
        self._metrics.lost.labels(self.name).inc(number)
        log.error(
            "feed %s was away for too long: %s steps are lost to it", self.name, number, extra={"feed": self.name}
        )

    def _succeeded(self) -> None:
        if self._failures >= _LOUD_AFTER:
            log.info("feed %s delivers again", self.name, extra={"feed": self.name})
        self._failures = 0
        self._metrics.last_success.labels(self.name).set(self._clock.now() / 1000)

    async def _pause(self, error: Retryable) -> None:
        """Wait, longer after each failure in a row, from half to the whole of its ceiling, or as long as was asked for."""
        self._failures += 1
        self._metrics.failures.labels(self.name).inc()
        ceiling = min(LONGEST_PAUSE, self._first_pause * 2.0 ** min(self._failures - 1, 16))
        pause = max(ceiling * self._random.uniform(0.5, 1.0), error.retry_after or 0.0)
        if self._failures == 1 or self._failures % _LOUD_AFTER == 0:
            log.warning(
                "feed %s, attempt %s: %s; again in %.1f s",
                self.name, self._failures, error, pause, extra={"feed": self.name},
            )  # fmt: skip
        await asyncio.sleep(pause)
