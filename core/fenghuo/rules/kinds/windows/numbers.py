"""The numbers of a window in order of time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from operator import add
from typing import Any

from fenghuo.rules.kinds.windows.sums import ExactSum
from fenghuo.rules.kinds.windows.texts import MAX_NUMBER
from fenghuo.rules.kinds.windows.times import Times, unpacked

_FAR, _NEAR = 1e6, 1e-7


class Numbers(Times):
    """Moments, each with a number, and their sum.

    `ordered` is kept for minimum, maximum and percentiles, `squares` (of distances from `origin`) for deviations.
    """

    __slots__ = ("numbers", "ordered", "origin", "squares", "total")

    def __init__(self, *, ordered: bool = False, squares: bool = False) -> None:
        super().__init__()
        self.numbers = array("d")
        self.total = ExactSum()
        self.ordered = array("d") if ordered else None
        self.squares = ExactSum() if squares else None
        self.origin = 0.0

    def put(self, time: int, id_: str, number: float) -> None:
        """Add a number at a moment."""
        if not len(self):
            self.origin = number
        self.numbers.insert(self.add(time, id_), number)
        self.total.add(number)
        if self.squares is not None:
            self.squares.add((number - self.origin) ** 2)
        if self.ordered is not None:
            insort(self.ordered, number)

    def until(self, edge: int) -> list[tuple[int, float]]:
        """The moments that are not newer than `edge`, with their numbers."""
        end = bisect_right(self.times, edge, self.start)
        return list(zip(self.times[self.start : end], self.numbers[self.start : end], strict=True))

    def merge(self) -> int:
        """Add up neighbours, each two at the moment of the later, for want of room; how many moments that makes fewer."""
        before, odd = len(self), len(self) % 2
        times, numbers = self.times[self.start :], self.numbers[self.start :]
        self.times = times[:odd] + times[odd + 1 :: 2]
        self.numbers = numbers[:odd] + array("d", map(add, numbers[odd::2], numbers[odd + 1 :: 2]))
        self.start = 0
        self.ids = self.ids[-len(self) :]
        return before - len(self)

    def gone(self, first: int, end: int) -> None:
        for index in range(first, end):
            number = self.numbers[index]
            self.total.add(-number)
            if self.squares is not None:
                self.squares.add(-((number - self.origin) ** 2))
            if self.ordered is not None:
                del self.ordered[bisect_left(self.ordered, number)]

    def compact(self, start: int) -> None:
        super().compact(start)
        del self.numbers[:start]

    @property
    def mean(self) -> float:
        return self.total.value / len(self)

    def deviation(self) -> float:
        """The standard deviation of all the numbers (not of a sample)."""
        assert self.squares is not None
        count, mean = len(self), self.mean
        off = mean - self.origin
        variance = self.squares.value / count - off * off
        if off * off > _FAR * variance and abs(off) > _NEAR * abs(mean):
            self._move_origin(mean)
            off = mean - self.origin
            variance = self.squares.value / count - off * off
        return max(0.0, variance) ** 0.5

    def _move_origin(self, origin: float) -> None:
        """The numbers lie far from where distances are taken: their squares would drown what tells them apart."""
        self.origin, self.squares = origin, ExactSum()
        for number in self.numbers[self.start :]:
            self.squares.add((number - origin) ** 2)

    def percentile(self, percent: float) -> float:
        """Between the two numbers nearest to the rank, in proportion (R's type 7, as numpy and Prometheus do)."""
        assert self.ordered is not None
        rank = percent / 100 * (len(self.ordered) - 1)
        below = int(rank)
        number = self.ordered[below]
        if rank == below:
            return number
        return number + (self.ordered[below + 1] - number) * (rank - below)

    def save(self) -> list[Any]:
        return [*super().save(), self.numbers[self.start :].tobytes(), self.origin]

    def take(self, saved: Any) -> None:
        """Be what `save` gave; ValueError or TypeError where it is none of it."""
        times, ids, packed, origin = saved
        before = Times.load((times, ids))
        self.times, self.ids, self.numbers = before.times, before.ids, unpacked("d", packed)
        self.origin = float(origin)
        if len(self.times) != len(self.numbers) or any(not abs(number) <= MAX_NUMBER for number in self.numbers):
            raise ValueError("numbers are missing, or are none")
        for number in self.numbers:
            self.total.add(number)
            if self.squares is not None:
                self.squares.add((number - self.origin) ** 2)
        if self.ordered is not None:
            self.ordered = array("d", sorted(self.numbers))
