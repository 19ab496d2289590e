"""The part of ASN.1's basic encoding rules (X.690) that SNMP messages use, for the simulated agents.

The simulator must answer some thousand values in a few milliseconds of a shared core, on a bare installation; no
general ASN.1 library does that, and the SNMP library that the product polls with is a client only.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache

Oid = tuple[int, ...]


class Tag(IntEnum):
    """Tags of universal types, of SMIv2's application types (RFC 2578) and of exceptions (RFC 3416)."""

    INTEGER = 0x02
    OCTET_STRING = 0x04
    NULL = 0x05
    OBJECT_IDENTIFIER = 0x06
    SEQUENCE = 0x30
    IP_ADDRESS = 0x40
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TIME_TICKS = 0x43
    COUNTER64 = 0x46
    NO_SUCH_OBJECT = 0x80
    NO_SUCH_INSTANCE = 0x81
    END_OF_MIB_VIEW = 0x82


class BerError(ValueError):
    """Bytes that are no well-formed SNMP message."""


def length(size: int) -> bytes:
    """The length octets of contents of `size` bytes (definite form)."""
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((0x80 | len(octets),)) + octets


def wrap(tag: int, contents: bytes) -> bytes:
    return bytes((tag,)) + length(len(contents)) + contents


def integer(number: int, tag: int = Tag.INTEGER) -> bytes:
    """A whole number in as few octets as two's complement takes; the SMI's unsigned types only differ by tag."""
    return wrap(tag, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


@lru_cache(maxsize=65_536)
def oid_contents(oid: Oid) -> bytes:
    """The contents octets of an object identifier."""
    out = bytearray()
    for arc in (oid[0] * 40 + oid[1], *oid[2:]):
        groups = [arc & 0x7F]
        rest = arc >> 7
        while rest:
            groups.append(0x80 | rest & 0x7F)
            rest >>= 7
        out.extend(reversed(groups))
    return bytes(out)


def object_identifier(oid: Oid) -> bytes:
    return wrap(Tag.OBJECT_IDENTIFIER, oid_contents(oid))


def read_oid(contents: bytes) -> Oid:
    """The arcs of an object identifier's contents octets."""
    if not contents or contents[-1] & 0x80:
        raise BerError("an object identifier that ends within an arc")
    arcs: list[int] = []
    arc = 0
    for octet in contents:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            if arc > 0xFFFF_FFFF:
                raise BerError("an arc above 2^32-1")
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


class Reader:
    """Walks over the elements of one constructed value; every read checks its bounds."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    def __bool__(self) -> bool:
        """Whether elements are left."""
        return self._position < self._end

    @property
    def position(self) -> int:
        return self._position

    def _bounds(self) -> tuple[int, int, int]:
        """Tag, start and end of the next element's contents; steps past it."""
        data, at = self._data, self._position
        if at + 2 > self._end:
            raise BerError("an element that ends within its head")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4 or at + octets > self._end:
                raise BerError("a length in a form that SNMP does not use")
            size = int.from_bytes(data[at : at + octets])
            at += octets
        if at + size > self._end:
            raise BerError("an element longer than what holds it")
        self._position = at + size
        return tag, at, at + size

    def any(self) -> tuple[int, bytes]:
        """The next element: its tag and contents."""
        tag, start, end = self._bounds()
        return tag, self._data[start:end]

    def expect(self, tag: int) -> bytes:
        """The contents of the next element, which must have this tag."""
        found, contents = self.any()
        if found != tag:
            raise BerError(f"tag {found:#04x} where {tag:#04x} belongs")
        return contents

    def enter(self, tag: int | None = None) -> tuple[int, Reader]:
        """Go into the next element, which must be constructed: its tag and a reader of what is in it."""
        found, start, end = self._bounds()
        if not found & 0x20 or (tag is not None and found != tag):
            raise BerError(f"tag {found:#04x} where a constructed element belongs")
        return found, Reader(self._data, start, end)

    def open(self, tag: int) -> Reader:
        """Look into the next element though it is a primitive one: a message within an OCTET STRING."""
        found, start, end = self._bounds()
        if found != tag:
            raise BerError(f"tag {found:#04x} where {tag:#04x} belongs")
        return Reader(self._data, start, end)

    def integer(self) -> int:
        contents = self.expect(Tag.INTEGER)
        if not 1 <= len(contents) <= 5:
            raise BerError("an integer of a size that SNMP does not use")
        return int.from_bytes(contents, signed=True)


def sequence(parts: Sequence[bytes], tag: int = Tag.SEQUENCE) -> bytes:
    return wrap(tag, b"".join(parts))
