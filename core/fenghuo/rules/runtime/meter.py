"""What CPU time rules take, measured by samples.

One table of a rule in `SAMPLED`, and one event in as many with all rules that it is about, is timed, and counts for those
since the one before it. That costs one or two hundredths of an evaluation.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SAMPLED = 61
"""One evaluation in so many is timed: a prime, so that it keeps no step with tables of 48 ports."""
Timer = Callable[[], int]
"""CPU time of this thread in nanoseconds; only differences mean something."""
thread_timer: Timer = time.thread_time_ns


class Meter:
    """The CPU time of something that is done again and again, from samples. `nanoseconds` never falls.

    Count each time down in `due`, and time it when that has come to 0.
    """

    __slots__ = ("due", "nanoseconds")

    def __init__(self) -> None:
        self.nanoseconds = 0
        self.due = 1
        """How many times until the next sample; the first is one."""

    @property
    def weight(self) -> int:
        """For how many times the next sample counts: those since the one before it."""
        return SAMPLED if self.nanoseconds else 1

    def add(self, nanoseconds: int) -> None:
        """Take a sample."""
        self.nanoseconds += max(1, nanoseconds) * self.weight
        self.due = SAMPLED
