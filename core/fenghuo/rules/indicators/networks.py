"""Which networks hold an address: longest prefix first, then each that encloses it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from fenghuo.rules.indicators.table import SLICE, Numbers, Pairs, Pause, add_up, numbers

_END = 1 << 32
_NONE = 0xFFFFFFFF
_PIECE_BITS = 26
_PIECES = 1 << (32 + 6 - _PIECE_BITS)


class Networks4:
    """IPv4 networks as segments of the whole range: one bisection finds the innermost network of an address.

    `_owner` of a segment is a network's number, `_parent` of a network the one around it (or the same one of another list).
    """

    __slots__ = ("_owner", "_parent", "_places", "_starts")

    def __init__(self, starts: Numbers, owner: Numbers, parent: Numbers, places: Numbers) -> None:
        self._starts = starts
        self._owner = owner
        self._parent = parent
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def places(self, address: int) -> Iterator[int]:
        """The places of the networks that hold an address, innermost first."""
        number = self._owner[bisect_right(self._starts, address) - 1]
        while number != _NONE:
            yield self._places[number]
            number = self._parent[number]

    def holds(self, address: int) -> bool:
        """Whether any network does."""
        return self._owner[bisect_right(self._starts, address) - 1] != _NONE


class Networks4Builder:
    """Takes networks in any order."""

    __slots__ = ("_added",)

    def __init__(self) -> None:
        self._added = Pairs()

    def add(self, address: int, prefix: int, place: int) -> None:
        self._added.append((address << 6) | prefix, place)

    def build(self, pause: Pause) -> Networks4:
        """The networks; the builder is empty afterwards."""
        count = len(self._added)
        starts, owner = numbers(2 * count + 2), numbers(2 * count + 2)
        parent, places = numbers(count), numbers(count)
        owner[0] = _NONE
        last = 0
        around: list[tuple[int, int]] = []  # the networks around the present place: where each ends, and its number

        def mark(place: int, number: int) -> None:
            nonlocal last
            if starts[last] == place:
                owner[last] = number
            elif place < _END and owner[last] != number:
                last += 1
                starts[last] = place
                owner[last] = number

        def close(until: int) -> None:
            while around and around[-1][0] <= until:
                end, _ = around.pop()
                mark(end, around[-1][1] if around else _NONE)

        for number, (key, place) in enumerate(self._in_order(pause)):
            address, prefix = key >> 6, key & 63
            close(address)
            parent[number] = around[-1][1] if around else _NONE
            places[number] = place
            around.append((address + (1 << (32 - prefix)), number))
            mark(address, number)
            if not number % SLICE:
                pause()
        close(_END)
        self._added = Pairs()
        return Networks4(starts[: last + 1], owner[: last + 1], parent, places)

    def _in_order(self, pause: Pause) -> Iterator[tuple[int, int]]:
        """By address, wide networks before narrow ones; sorted in pieces, because a sort gives no other thread a turn."""
        added = self._added
        if not len(added):
            return
        ends = numbers(_PIECES + 1)
        for key, _ in added.all(pause):
            ends[(key >> _PIECE_BITS) + 1] += 1
        add_up(ends, pause)
        order = numbers(len(added))
        for index, (key, _) in enumerate(added.all(pause)):
            piece = (key >> _PIECE_BITS) + 1
            order[ends[piece]] = index
            ends[piece] += 1
        for piece in range(_PIECES):
            yield from sorted(added[index] for index in order[ends[piece] : ends[piece + 1]])
