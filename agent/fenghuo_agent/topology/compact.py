"""Tables by ifIndex or bridge port in a few octets a row: an agent keeps those of a thousand devices."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

LIMIT = 1 << 32
"""What numbers and indexes must be below: InterfaceIndex and bridge ports have 31 bits, but agents make things up."""


class Port(NamedTuple):
    """An interface: its names, its MAC (0 where it has none) and its IANAifType."""

    if_index: int
    name: str
    descr: str
    alias: str
    mac: int
    kind: int

    @property
    def label(self) -> str:
        """What it is called: ifName, else ifDescr, else its number."""
        return self.name or self.descr or str(self.if_index)


class Numbers(Mapping[int, int]):
    """Numbers by number, in ascending order; 8 octets for each. Neither is more than 32 bits long."""

    __slots__ = ("_keys", "_values")

    def __init__(self, found: Mapping[int, int] | None = None) -> None:
        ordered = sorted(found.items()) if found else []
        self._keys = array("I", (key for key, _ in ordered))
        self._values = array("I", (value for _, value in ordered))

    def __setitem__(self, key: int, value: int) -> None:
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._values[at] = value
        else:
            self._keys.insert(at, key)
            self._values.insert(at, value)

    def __getitem__(self, key: int) -> int:
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            return self._values[at]
        raise KeyError(key)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Ports(Mapping[int, Port]):
    """Interfaces by ifIndex, in ascending order; 38 octets for each, and its names where nobody else has them."""

    __slots__ = ("_kinds", "_macs", "_numbers", "_texts")

    def __init__(self) -> None:
        self._numbers = array("I")
        self._macs = array("Q")
        self._kinds = array("I")
        self._texts: list[str] = []

    def __setitem__(self, if_index: int, port: Port) -> None:
        at = bisect_left(self._numbers, if_index)
        texts = port.name, port.descr, port.alias
        if at < len(self._numbers) and self._numbers[at] == if_index:
            self._macs[at], self._kinds[at] = port.mac, port.kind
            self._texts[3 * at : 3 * at + 3] = texts
            return
        self._numbers.insert(at, if_index)
        self._macs.insert(at, port.mac)
        self._kinds.insert(at, port.kind)
        self._texts[3 * at : 3 * at] = texts

    def __getitem__(self, if_index: int) -> Port:
        at = bisect_left(self._numbers, if_index)
        if at < len(self._numbers) and self._numbers[at] == if_index:
            name, descr, alias = self._texts[3 * at : 3 * at + 3]
            return Port(if_index, name, descr, alias, self._macs[at], self._kinds[at])
        raise KeyError(if_index)

    def __contains__(self, if_index: object) -> bool:
        if not isinstance(if_index, int):
            return False
        at = bisect_left(self._numbers, if_index)
        return at < len(self._numbers) and self._numbers[at] == if_index

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
