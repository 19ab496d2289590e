"""Which networks hold an address: longest prefix first, then each that encloses it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from fenghuo.rules.indicators.table import SLICE, Pause

_END = 1 << 32
_NONE = 0xFFFFFFFF


class Networks4:
    """IPv4 networks as segments of the whole range: one bisection finds the innermost network of an address.

    `_owner` of a segment is a network's number, `_parent` of a network the one around it (or the same one of another list).
    """

    __slots__ = ("_owner", "_parent", "_places", "_starts")

    def __init__(self, starts: array[int], owner: array[int], parent: array[int], places: array[int]) -> None:
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

    __slots__ = ("_keys", "_places")

    def __init__(self) -> None:
        self._keys = array("Q")
        self._places = array("I")

    def __len__(self) -> int:
        return len(self._places)

    def add(self, address: int, prefix: int, place: int) -> None:
        self._keys.append((address << 6) | prefix)
        self._places.append(place)

    def build(self, pause: Pause) -> Networks4:
        starts, owner = array("I", (0,)), array("I", (_NONE,))
        parent, places = array("I"), array("I")
        ends: list[tuple[int, int]] = []  # the networks around the present place: where each ends, and its number

        def mark(place: int, number: int) -> None:
            if starts[-1] == place:
                owner[-1] = number
            elif place < _END and owner[-1] != number:
                starts.append(place)
                owner.append(number)

        def close(until: int) -> None:
            while ends and ends[-1][0] <= until:
                end, _ = ends.pop()
                mark(end, ends[-1][1] if ends else _NONE)

        for number, (key, place) in enumerate(self._in_order(pause)):
            address, prefix = key >> 6, key & 63
            close(address)
            parent.append(ends[-1][1] if ends else _NONE)
            places.append(place)
            ends.append((address + (1 << (32 - prefix)), number))
            mark(address, number)
            if not number % SLICE:
                pause()
        close(_END)
        self._keys, self._places = array("Q"), array("I")
        return Networks4(starts, owner, parent, places)

    def _in_order(self, pause: Pause) -> Iterator[tuple[int, int]]:
        """By address, wide networks before narrow ones; sorted in pieces, because a sort gives no other thread a turn."""
        pieces: dict[int, list[int]] = {}
        for index, key in enumerate(self._keys):
            pieces.setdefault(key >> 26, []).append(index)
            if not index % SLICE:
                pause()
        for piece in sorted(pieces):
            for index in sorted(pieces[piece], key=self._keys.__getitem__):
                yield self._keys[index], self._places[index]
