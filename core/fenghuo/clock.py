"""Time, passed in: real on a machine, virtual in tests and replays."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a part may ask about time."""

    def now(self) -> int:
        """Wall-clock time in Unix milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean something."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class VirtualClock:
    """A clock that moves only when told to. `start` is in Unix milliseconds."""

    def __init__(self, start: int = 1_767_225_600_000) -> None:
        self._start = start
        self._now = start

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start) / 1000

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds` (never backwards)."""
        if seconds < 0:
            raise ValueError(f"time moves forward only, not by {seconds} s")
        self._now += round(seconds * 1000)

    def set(self, now: int) -> None:
        """Move to `now` (Unix milliseconds); moments before the present one are ignored."""
        self._now = max(self._now, now)
