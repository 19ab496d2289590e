"""Sets of whole numbers as few spans: what arrived of a sequence, however long it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of positive numbers held as disjoint, non-adjacent spans in ascending order."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in spans:
            self.add_span(first, last)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._lasts[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        """How many spans there are."""
        return len(self._firsts)

    @property
    def highest(self) -> int:
        """The greatest number held; 0 where there is none."""
        return self._lasts[-1] if self._lasts else 0

    def touches(self, number: int) -> bool:
        """Whether adding `number` would lengthen a span instead of making a new one."""
        return number in self or number - 1 in self or number + 1 in self

    def add(self, number: int) -> bool:
        """Add one number; False where it is there already."""
        if self._lasts and number == self._lasts[-1] + 1:  # in order, as nearly always
            self._lasts[-1] = number
            return True
        if number in self:
            return False
        self.add_span(number, number)
        return True

    def add_span(self, first: int, last: int) -> None:
        """Add all numbers from `first` to `last`, joining what touches."""
        low = bisect_right(self._lasts, first - 2)  # spans before it end before first - 1
        high = bisect_right(self._firsts, last + 1)  # spans from it on begin after last + 1
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def discard(self, number: int) -> None:
        """Take one number out, if it is there."""
        index = bisect_right(self._firsts, number) - 1
        if index < 0 or number > self._lasts[index]:
            return
        first, last = self._firsts[index], self._lasts[index]
        parts = [(low, high) for low, high in ((first, number - 1), (number + 1, last)) if low <= high]
        self._firsts[index : index + 1] = [low for low, _ in parts]
        self._lasts[index : index + 1] = [high for _, high in parts]

    def gaps(self, first: int, last: int) -> list[tuple[int, int]]:
        """The spans of numbers from `first` to `last` that are not held."""
        found: list[tuple[int, int]] = []
        index = max(bisect_right(self._firsts, first) - 1, 0)
        for low, high in zip(self._firsts[index:], self._lasts[index:], strict=True):
            if low > last:
                break
            if low > first:
                found.append((first, low - 1))
            first = max(first, high + 1)
        if first <= last:
            found.append((first, last))
        return found

    def missing(self, first: int, last: int) -> int:
        """How many numbers from `first` to `last` are not held."""
        return sum(high - low + 1 for low, high in self.gaps(first, last))

    def reach(self, number: int, distance: int) -> int:
        """How far down from `number`, which is held, the numbers are held without a gap, at most by `distance`."""
        index = bisect_right(self._firsts, number) - 1
        return max(self._firsts[index], number - distance)

    def fold(self, keep: int, below: int) -> None:
        """Fill the lowest gaps that end at or below `below`, so that at most `keep` of them remain."""
        gaps = bisect_right(self._firsts, below + 1) - 1
        surplus = gaps - keep
        if surplus > 0:
            del self._firsts[1 : 1 + surplus]
            del self._lasts[:surplus]

    def trim(self, spans: int) -> None:
        """Forget the lowest spans, so that at most `spans` remain."""
        del self._firsts[:-spans], self._lasts[:-spans]

    def spans(self) -> list[tuple[int, int]]:
        return list(self)
