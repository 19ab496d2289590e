"""The pace of a scan: so many datagrams a second and no more, whoever sends them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from fenghuo.clock import Clock

Sleep = Callable[[float], Awaitable[object]]
CATCH_UP = 5
"""So many turns that came late may follow at once."""


class Pacer:
    """Gives out turns, first come first served: at even distances, and within any second never more than `rate`."""

    def __init__(self, rate: int, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._gap = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._due = clock.monotonic()
        self._given: deque[float] = deque(maxlen=rate)
        self._lock = asyncio.Lock()
        self.turns = 0

    async def turn(self) -> None:
        """Wait until one datagram may be sent."""
        async with self._lock:
            while (wait := self._wait(self._clock.monotonic())) > 0:
                await self._sleep(wait)
            now = self._clock.monotonic()
            self._due = max(self._due, now - CATCH_UP * self._gap) + self._gap
            self._given.append(now)
            self.turns += 1

    def _wait(self, now: float) -> float:
        due = self._due
        if len(self._given) == self._given.maxlen:
            due = max(due, self._given[0] + 1.0)
        return due - now
