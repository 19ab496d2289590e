"""What was read of a device, by column and index, and how one table's rows find those of another."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid, Varbind
from fenghuo_agent.snmp.objects import SCALAR

_FLOAT, _DOUBLE = b"\x9f\x78\x04", b"\x9f\x79\x08"
MAX_TEXT = 255
NO_ENUM: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Column:
    """An object of a profile: its name, its number without an instance, whether it is a scalar, words for its numbers."""

    name: str
    oid: Oid
    scalar: bool = False
    enum: Mapping[int, str] = field(default_factory=lambda: NO_ENUM, compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """An object as seen from a row of another table.

    `by` is None (the same index, or one that is shortened from its end), a slice of our index, or a column whose value is
    the index.
    """

    column: Column
    by: slice | Column | None = None

    def __hash__(self) -> int:
        return hash(self.column)


@dataclass(slots=True)
class Rows:
    """What was read: column number → index → variable binding."""

    columns: dict[Oid, dict[Oid, Varbind]] = field(default_factory=dict[Oid, dict[Oid, Varbind]])
    _below: dict[Oid, dict[Oid, list[Oid]]] = field(default_factory=dict[Oid, dict[Oid, list[Oid]]])

    def of(self, column: Column) -> dict[Oid, Varbind]:
        """All rows of a column."""
        return self.columns.get(column.oid, {})

    def below(self, column: Column, index: Oid) -> list[Oid]:
        """The indexes of a column that are `index` and one arc more."""
        found = self._below.get(column.oid)
        if found is None:
            found = self._below[column.oid] = {}
            for each in sorted(self.of(column)):
                found.setdefault(each[:-1], []).append(each)
        return found.get(index, [])

    def get(self, instance: Oid, column: Column) -> Varbind | None:
        """One instance by its full number."""
        return self.of(column).get(instance[len(column.oid) :])

    def find(self, reference: Reference, index: Oid) -> tuple[Oid, Varbind] | None:
        """The index and value that a reference leads to from the row `index`."""
        found = self.of(reference.column)
        if not found:
            return None
        for key in self._keys(reference, index):
            varbind = found.get(key)
            if varbind is not None:
                return key, varbind
        return None

    def _keys(self, reference: Reference, index: Oid) -> Iterator[Oid]:
        if reference.column.scalar:
            yield SCALAR
        elif reference.by is None:
            for size in range(len(index), 0, -1):
                yield index[:size]
        elif isinstance(reference.by, slice):
            yield index[reference.by]
        else:
            pointer = self.find(Reference(reference.by), index)
            if pointer is not None:
                yield from _pointed(pointer[1])


def _pointed(varbind: Varbind) -> Iterator[Oid]:
    """The indexes that a value may mean: a number, or the last arc of an object identifier."""
    number = ber.number(varbind.tag, varbind.value)
    if number is not None:
        yield (number,)
    elif varbind.tag == ber.OID:
        try:
            arcs = ber.arcs(varbind.value)
        except Malformed:
            return
        yield arcs
        yield arcs[-1:]
    elif text := text_of(varbind):
        yield (int(text),) if text.isdecimal() else (len(text), *text.encode())


def number_of(varbind: Varbind | None, pattern: re.Pattern[str] | None = None) -> int | float | None:
    """The number in a value: an integer, net-snmp's opaque float, or a text that is a number or that `pattern` finds one in."""
    if varbind is None or varbind.tag in ABSENT:
        return None
    if pattern is None and (number := ber.number(varbind.tag, varbind.value)) is not None:
        return number
    if varbind.tag == ber.OPAQUE:
        return _opaque(varbind.value)
    text = text_of(varbind)
    match = (pattern or _NUMBER).search(text)
    if match is None:
        return None
    return _parsed(match[1] if match.re.groups else match[0])


_NUMBER = re.compile(r"^\s*([-+]?\d+(?:[.,]\d+)?)\s*(?:%|°?\s*[A-Za-zµΩ]{1,4})?\s*$")


def _parsed(text: str | None) -> int | float | None:
    try:
        number = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1 << 53 else number


def _opaque(value: bytes) -> float | None:
    """net-snmp's floats in an Opaque (draft-perkins-float, wrapped in tag 0x9f78 or 0x9f79)."""
    if value.startswith(_FLOAT) and len(value) == 7:
        number = struct.unpack(">f", value[3:])[0]
    elif value.startswith(_DOUBLE) and len(value) == 11:
        number = struct.unpack(">d", value[3:])[0]
    else:
        return None
    return number if math.isfinite(number) else None


def text_of(varbind: Varbind | None) -> str:
    """A value as a text for names and facts; empty where there is none."""
    if varbind is None or varbind.tag in ABSENT:
        return ""
    if varbind.tag == ber.OCTETS:
        return ber.text(varbind.value.rstrip(b"\0"))[:MAX_TEXT].strip()
    if varbind.tag == ber.OID:
        try:
            return ".".join(map(str, ber.arcs(varbind.value)))
        except Malformed:
            return ""
    if varbind.tag == ber.IP_ADDRESS:
        return ".".join(map(str, varbind.value))
    number = ber.number(varbind.tag, varbind.value)
    if number is None and varbind.tag == ber.OPAQUE:
        found = _opaque(varbind.value)
        return "" if found is None else f"{found:g}"
    return "" if number is None else str(number)


def mac_of(varbind: Varbind | None) -> str:
    """Octets as aa:bb:cc…; empty where the value is none."""
    return varbind.value.hex(":") if varbind is not None and varbind.tag == ber.OCTETS else ""
