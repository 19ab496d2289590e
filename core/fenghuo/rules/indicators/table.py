"""Millions of keys in two flat arrays: which places of the record store hold a key.

A key's 64-bit hash (Python's own, SipHash keyed by chance at the start of the process, so that nobody can prepare
collisions) says its bucket by the low bits and its print by the high 32. The prints of a bucket stand side by side;
a bucket has at most one on average. A print that agrees is only a candidate: the record's value is compared in full.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

Pause = Callable[[], None]
"""Called every `SLICE` entries or so: lets other threads have their turn."""
SLICE = 250
_PRINT = 0xFFFFFFFF


class Table:
    """`mask`, `starts`, `prints` and `places` are read by the look-ups of `IndicatorSet` directly."""

    __slots__ = ("mask", "places", "prints", "starts")

    def __init__(self, mask: int, starts: array[int], prints: array[int], places: array[int]) -> None:
        self.mask = mask
        self.starts = starts
        self.prints = prints
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def candidates(self, hashed: int) -> Sequence[int]:
        """The places whose print agrees with a hash."""
        bucket = hashed & self.mask
        start, end = self.starts[bucket], self.starts[bucket + 1]
        if start == end:
            return ()
        print_ = (hashed >> 32) & _PRINT
        return [self.places[index] for index in range(start, end) if self.prints[index] == print_]


def empty_table() -> Table:
    return Table(0, array("I", (0, 0)), array("I"), array("I"))


class TableBuilder:
    """Takes hashes and places, and sorts them into buckets once, by counting."""

    __slots__ = ("_hashes", "_places")

    def __init__(self) -> None:
        self._hashes = array("q")
        self._places = array("I")

    def __len__(self) -> int:
        return len(self._places)

    def add(self, hashed: int, place: int) -> None:
        self._hashes.append(hashed)
        self._places.append(place)

    def build(self, pause: Pause) -> Table:
        """The table; the builder is empty afterwards."""
        count = len(self._hashes)
        if not count:
            return empty_table()
        mask = (1 << (count - 1).bit_length()) - 1
        starts = self._count(mask, pause)
        prints, places = array("I", bytes(4 * count)), array("I", bytes(4 * count))
        # `starts[b + 1]` runs from the start of bucket b to its end while it is filled.
        for index, (hashed, place) in enumerate(zip(self._hashes, self._places, strict=True)):
            bucket = (hashed & mask) + 1
            at = starts[bucket]
            starts[bucket] = at + 1
            prints[at] = (hashed >> 32) & _PRINT
            places[at] = place
            if not index % SLICE:
                pause()
        self._hashes, self._places = array("q"), array("I")
        return Table(mask, starts, prints, places)

    def _count(self, mask: int, pause: Pause) -> array[int]:
        """At `b + 1`, how many entries stand in the buckets before b; at 0, 0."""
        starts = array("I", bytes(4 * (mask + 2)))
        for index, hashed in enumerate(self._hashes):
            starts[(hashed & mask) + 1] += 1
            if not index % SLICE:
                pause()
        before = 0
        for bucket in range(1, mask + 2):
            count = starts[bucket]
            starts[bucket] = before
            before += count
            if not bucket % SLICE:
                pause()
        return starts
