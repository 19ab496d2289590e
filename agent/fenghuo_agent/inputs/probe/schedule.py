"""When targets are probed: each on its own beat, so that a slow or dead one costs the others nothing.

One task keeps a heap of what is due; a probe is a task only while it runs. Targets that answered last and those that did
not have places of their own, so that the dead keep none waiting. Echo requests need no place: all share a socket.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import zlib
from collections.abc import Awaitable, Callable
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.prober import Prober
from fenghuo_agent.inputs.probe.tally import Metrics, Tally

_log = logging.getLogger(__name__)

FIRST_ROUND = 10.0
"""Seconds over which the first probes are spread, where intervals are longer."""
JITTER, LONGEST_JITTER = 0.02, 1.0
"""Of the interval, and seconds: how much later than due a probe may begin by chance."""
RECHECKS, RECHECK_SECONDS = 3, 20.0
"""How often, and how soon, a failure is looked at again where the next probe is far off."""
LONGEST_SLEEP = 1.0
"""Seconds after which a target that was added is seen."""
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
        self._start = clock.monotonic()
        self._due: list[tuple[float, int, Prober, bool]] = []
        self._order = itertools.count()
        self._live: set[Prober] = set()
        self._busy: set[Prober] = set()
        self._rechecked: dict[Prober, int] = {}
        self._told: dict[str, float] = {}

    def add(self, prober: Prober) -> None:
        """Probe this target too, for the first time soon."""
        self._live.add(prober)
        target = prober.target
        first = self._clock.monotonic() + phase(target.instance, min(target.interval, FIRST_ROUND))
        self._plan(first, prober)

    def _plan(self, moment: float, prober: Prober, *, extra: bool = False) -> None:
        heapq.heappush(self._due, (moment, next(self._order), prober, extra))

    def remove(self, prober: Prober) -> None:
        """Probe it no more; a probe under way tells nothing."""
        self._live.discard(prober)
        self._rechecked.pop(prober, None)

    async def run(self, accumulator: Accumulator) -> None:
        """Probe each target at its interval."""
        async with asyncio.TaskGroup() as group:
            while True:
                wait = self._due[0][0] - self._clock.monotonic() if self._due else LONGEST_SLEEP
                if wait > 0:
                    await self._sleep(min(wait, LONGEST_SLEEP))
                    continue
                moment, _, prober, extra = heapq.heappop(self._due)
                if prober not in self._live:
                    continue
                if not extra:
                    self._plan(self._following(moment, prober), prober)
                if prober in self._busy:
                    self._tally.skipped += not extra
                    continue
                self._busy.add(prober)
                group.create_task(self._tend(prober, moment, accumulator))

    def _following(self, moment: float, prober: Prober) -> float:
        """The target's next place after `moment`; the first, which came early, is followed by none that is near.

        What this host missed, because it slept or was slow, is counted and not made up for.
        """
        interval = prober.target.interval
        place = self._start + phase(prober.target.instance, interval)
        beats = math.floor((moment + interval / 4 - place) / interval) + 1
        missed = max(math.floor((self._clock.monotonic() - place) / interval) + 1 - beats, 0)
        self._tally.skipped += missed
        jitter = self._random.uniform(0, min(JITTER * interval, LONGEST_JITTER))
        return place + (beats + missed) * interval + jitter

    async def _tend(self, prober: Prober, due: float, accumulator: Accumulator) -> None:
        try:
            self._recheck(prober, await self.turn(prober, accumulator, due))
        finally:
            self._busy.discard(prober)

    def _recheck(self, prober: Prober, failed: ProbeFailed | CannotProbe | None) -> None:
        """Look at a failure again soon, so that rules judge by more than one probe however long the interval is."""
        if not isinstance(failed, ProbeFailed):
            self._rechecked.pop(prober, None)
            return
        count = self._rechecked.get(prober, 0)
        if prober in self._live and prober.target.interval > 2 * RECHECK_SECONDS and count < RECHECKS:
            self._rechecked[prober] = count + 1
            self._plan(self._clock.monotonic() + RECHECK_SECONDS, prober, extra=True)

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
        for table in tables if due is None or prober in self._live else ():
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
