"""When targets are probed: each on its own beat, so that a slow or dead one costs the others nothing.

One task keeps a heap of what is due; a probe is a task only while it runs. Targets that answered last and those that did
not have places of their own, so that the dead keep none waiting. Echo requests need no place: all share a socket.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.prober import Prober
from fenghuo_agent.inputs.probe.tally import Metrics, Tally

_log = logging.getLogger(__name__)

FIRST_ROUND = 10.0
"""Seconds over which the first probes are spread, where intervals are longer."""
JITTER = 0.02
TELL_SECONDS = 600.0
"""What keeps this host from asking is told again so often."""
Sleep = Callable[[float], Awaitable[object]]


def phase(instance: str, interval: float) -> float:
    """When within the interval a target is probed: spread evenly, and the same after a restart."""
    return zlib.crc32(instance.encode()) / (1 << 32) * interval


class Schedule:
    """Probes targets until cancelled; never two probes of one target at once."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        tally: Tally,
        metrics: Metrics,
        concurrency: int,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._random = random
        self._tally = tally
        self._metrics = metrics
        self._sleep = sleep
        self._answering = asyncio.Semaphore(concurrency)
        self._silent = asyncio.Semaphore(concurrency)
        self._busy: set[int] = set()
        self._told: dict[str, float] = {}

    async def run(self, probers: Sequence[Prober], accumulator: Accumulator) -> None:
        """Probe each target at its interval."""
        start = self._clock.monotonic()
        due = [
            (start + phase(prober.target.instance, min(prober.target.interval, FIRST_ROUND)), number, True)
            for number, prober in enumerate(probers)
        ]
        heapq.heapify(due)
        async with asyncio.TaskGroup() as group:
            while due:
                moment, number, first = due[0]
                wait = moment - self._clock.monotonic()
                if wait > 0:
                    await self._sleep(wait)
                    continue
                interval = probers[number].target.interval
                following = self._following(start, moment, probers[number], first=first)
                late = self._clock.monotonic() - following
                if late > 0:  # this host was asleep, or slow: what was missed is not made up for
                    missed = int(late // interval) + 1
                    self._tally.skipped += missed
                    following += missed * interval
                heapq.heapreplace(due, (following, number, False))
                if number in self._busy:
                    self._tally.skipped += 1
                    continue
                self._busy.add(number)
                group.create_task(self._tend(number, probers[number], moment, accumulator))
            await asyncio.Event().wait()  # no targets: nothing to do, until cancelled

    def _following(self, start: float, moment: float, prober: Prober, *, first: bool) -> float:
        """The beat after `moment`. The first round is early; from then on the target's place in its interval holds."""
        interval = prober.target.interval
        if first and interval > FIRST_ROUND:
            beat = start + phase(prober.target.instance, interval)
            return beat if beat - moment > interval / 4 else beat + interval
        return moment + interval

    async def _tend(self, number: int, prober: Prober, due: float, accumulator: Accumulator) -> None:
        try:
            await self._sleep(self._random.uniform(0, JITTER * prober.target.interval))
            await self.turn(prober, accumulator, due)
        finally:
            self._busy.discard(number)

    async def turn(
        self, prober: Prober, accumulator: Accumulator, due: float | None = None
    ) -> ProbeFailed | CannotProbe | None:
        """Probe one target when there is room; what is wrong, if anything."""
        self._tally.running += 1
        try:
            if prober.target.kind == "icmp":
                return await self._probe(prober, accumulator, due)
            async with self._silent if prober.state == "down" else self._answering:
                return await self._probe(prober, accumulator, due)
        finally:
            self._tally.running -= 1

    async def _probe(
        self, prober: Prober, accumulator: Accumulator, due: float | None
    ) -> ProbeFailed | CannotProbe | None:
        if due is not None:
            self._metrics.late.observe(max(self._clock.monotonic() - due, 0.0))
        tables, failed = await prober.probe()
        for table in tables:
            accumulator.table(table)
        if isinstance(failed, CannotProbe):
            self._tell(failed)
        return failed

    def _tell(self, failed: CannotProbe) -> None:
        """Say what an operator must mend, now and then."""
        now = self._clock.monotonic()
        if now - self._told.get(failed.reason, -TELL_SECONDS) >= TELL_SECONDS:
            self._told[failed.reason] = now
            _log.error("%s", failed, extra={"reason": failed.reason})
