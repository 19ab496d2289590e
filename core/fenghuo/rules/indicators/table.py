"""Millions of keys in two flat arrays: which places of the record store hold a key.

A key's 64-bit hash (Python's own, SipHash keyed by chance at the start of the process, so that nobody can prepare
collisions) says its bucket by the low bits and its print by the high 32. The prints of a bucket stand side by side;
a bucket has at most one on average. A print that agrees is only a candidate: the record's value is compared in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from mmap import mmap
from typing import Literal, TypeAlias

Pause = Callable[[], None]
"""Called every `SLICE` entries: lets other threads have their turn."""
SLICE = 128
_CHUNK = 1 << 16
Numbers: TypeAlias = "memoryview[int]"
_PRINT = 0xFFFFFFFF


class Table:
    """`mask`, `starts`, `prints` and `places` are read by the look-ups of `IndicatorSet` directly."""

    __slots__ = ("mask", "places", "prints", "starts")

    def __init__(self, mask: int, starts: Numbers, prints: Numbers, places: Numbers) -> None:
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


def numbers(count: int, code: Literal["I", "q"] = "I") -> Numbers:
    """So many zeros, in pages of their own: the system gets them back, however the heap is cut up."""
    size = 4 if code == "I" else 8
    return memoryview(mmap(-1, max(1, count) * size)).cast(code)[:count]


class Pairs:
    """A growing list of pairs of numbers, of 64 and of 32 bits, in pages of their own."""

    __slots__ = ("_chunks", "_count")

    def __init__(self) -> None:
        self._chunks: list[tuple[Numbers, Numbers]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, first: int, second: int) -> None:
        index = self._count & (_CHUNK - 1)
        if not index:
            self._chunks.append((numbers(_CHUNK, "q"), numbers(_CHUNK)))
        firsts, seconds = self._chunks[-1]
        firsts[index] = first
        seconds[index] = second
        self._count += 1

    def __getitem__(self, index: int) -> tuple[int, int]:
        firsts, seconds = self._chunks[index // _CHUNK]
        return firsts[index % _CHUNK], seconds[index % _CHUNK]

    def all(self, pause: Pause) -> Iterator[tuple[int, int]]:
        """All of them, with a pause now and then."""
        rest = self._count
        for firsts, seconds in self._chunks:
            for index in range(min(rest, _CHUNK)):
                yield firsts[index], seconds[index]
                if not index % SLICE:
                    pause()
            rest -= _CHUNK


class TableBuilder:
    """Takes hashes and places, and sorts them into buckets once, by counting."""

    __slots__ = ("_added",)

    def __init__(self) -> None:
        self._added = Pairs()

    def add(self, hashed: int, place: int) -> None:
        self._added.append(hashed, place)

    def build(self, pause: Pause) -> Table:
        """The table; the builder is empty afterwards."""
        count = len(self._added)
        mask = (1 << max(0, count - 1).bit_length()) - 1
        starts = self._starts(mask, pause)
        prints, places = numbers(count), numbers(count)
        # `starts[b + 1]` runs from the start of bucket b to its end while it is filled.
        for hashed, place in self._added.all(pause):
            bucket = (hashed & mask) + 1
            at = starts[bucket]
            starts[bucket] = at + 1
            prints[at] = (hashed >> 32) & _PRINT
            places[at] = place
        self._added = Pairs()
        return Table(mask, starts, prints, places)

    def _starts(self, mask: int, pause: Pause) -> Numbers:
        """At `b + 1`, how many entries stand in the buckets before b; at 0, 0."""
        starts = numbers(mask + 2)
        for hashed, _ in self._added.all(pause):
            starts[(hashed & mask) + 1] += 1
        add_up(starts, pause)
        return starts


def add_up(counts: Numbers, pause: Pause) -> None:
    """From how many stand in each bucket (one place later) to how many stand in those before it."""
    before = 0
    for bucket in range(1, len(counts)):
        count = counts[bucket]
        counts[bucket] = before
        before += count
        if not bucket % SLICE:
            pause()
