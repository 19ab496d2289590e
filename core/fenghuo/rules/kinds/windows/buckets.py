"""Sums over long spans, in buckets of equal width."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

from fenghuo.rules.kinds.windows.texts import number_of
from fenghuo.rules.kinds.windows.times import unpacked


class Buckets:
    """How many numbers fell into each stretch of `width` milliseconds, and their sum; 24 bytes for each not empty."""

    __slots__ = ("counts", "indexes", "sums", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.indexes = array("q")
        self.sums = array("d")
        self.counts = array("q")

    def __len__(self) -> int:
        return len(self.indexes)

    def add(self, time: int, number: float) -> None:
        index = time // self.width
        indexes = self.indexes
        place = len(indexes) - 1 if indexes and indexes[-1] == index else bisect_left(indexes, index)
        if place == len(indexes) or indexes[place] != index:
            indexes.insert(place, index)
            self.sums.insert(place, 0.0)
            self.counts.insert(place, 0)
        self.sums[place] += number
        self.counts[place] += 1

    def between(self, begin: int, end: int) -> tuple[float, float]:
        """Sum and count from `begin` to `end`; of a bucket that lies there only partly, the part."""
        width, indexes = self.width, self.indexes
        total = count = 0.0
        for place in range(bisect_left(indexes, begin // width), len(indexes)):
            start = indexes[place] * width
            if start >= end:
                break
            part = (min(end, start + width) - max(begin, start)) / width
            total += self.sums[place] * part
            count += self.counts[place] * part
        return total, count

    def leave(self, edge: int) -> None:
        """Let go of the buckets that end by `edge`."""
        gone = bisect_left(self.indexes, edge // self.width)
        if gone:
            for column in (self.indexes, self.sums, self.counts):
                del column[:gone]

    def save(self) -> list[Any]:
        return [self.width, self.indexes.tobytes(), self.sums.tobytes(), self.counts.tobytes()]

    def take(self, saved: Any) -> None:
        """Be what `save` gave; ValueError or TypeError where it is none of it, or of another width."""
        width, indexes, sums, counts = saved
        columns = unpacked("q", indexes), unpacked("d", sums), unpacked("q", counts)
        if width != self.width or len({len(column) for column in columns}) != 1:
            raise ValueError("buckets of another width")
        if None in map(number_of, columns[1]) or any(
            later <= earlier for earlier, later in zip(columns[0], columns[0][1:], strict=False)
        ):
            raise ValueError("buckets are out of order")
        self.indexes, self.sums, self.counts = columns
