"""BER as SNMP uses it (X.690; RFC 3417, section 8): definite lengths, low tags, strict where a value could turn wrong."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

INTEGER = 0x02
OCTETS = 0x04
NULL = 0x05
OID = 0x06
SEQUENCE = 0x30
IP_ADDRESS = 0x40
COUNTER32 = 0x41
GAUGE32 = 0x42
TIMETICKS = 0x43
OPAQUE = 0x44
COUNTER64 = 0x46
NO_SUCH_OBJECT = 0x80
NO_SUCH_INSTANCE = 0x81
END_OF_MIB_VIEW = 0x82

ABSENT = frozenset((NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW))
UNSIGNED32 = frozenset((COUNTER32, GAUGE32, TIMETICKS))
MAX_ARCS = 128

Oid = tuple[int, ...]


class Malformed(Exception):  # noqa: N818 — the name says what the bytes are; never leaves this package
    """Bytes that are no valid SNMP message."""


class Varbind(NamedTuple):
    """One object of an answer: `name` and `value` are contents without tag and length."""

    name: bytes
    tag: int
    value: bytes


def tlv(tag: int, content: bytes) -> bytes:
    """A tag, the content's length and the content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """An INTEGER in its shortest form."""
    return tlv(INTEGER, signed(value))


def signed(value: int) -> bytes:
    """A two's complement number in as few octets as hold it."""
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, signed=True)


def oid(arcs: Oid) -> bytes:
    """An OBJECT IDENTIFIER."""
    content = bytearray((arcs[0] * 40 + arcs[1],))
    for arc in arcs[2:]:
        if arc < 0x80:
            content.append(arc)
            continue
        septets = (arc.bit_length() + 6) // 7
        content += bytes(0x80 | arc >> 7 * place & 0x7F for place in range(septets - 1, 0, -1))
        content.append(arc & 0x7F)
    return tlv(OID, bytes(content))


def arcs(content: bytes) -> Oid:
    """The arcs of an OBJECT IDENTIFIER's content."""
    if not content or content[-1] & 0x80:
        raise Malformed("an object identifier that breaks off")
    result = list(divmod(content[0], 40)) if content[0] < 80 else [2, content[0] - 80]
    arc = 0
    for octet in content[1:]:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            result.append(arc)
            arc = 0
        elif arc >> 32:
            raise Malformed("an object identifier with an arc above 2^32")
    if len(result) > MAX_ARCS:
        raise Malformed("an object identifier of more than 128 arcs")
    return tuple(result)


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and end of the content of the element at `at`, which must lie within `end`."""
    if at + 2 > end:
        raise Malformed("an element that breaks off")
    tag, size, start = data[at], data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 0 < octets <= 3 or start + octets > end:
            raise Malformed("an element of unknown or absurd length")
        size = int.from_bytes(data[start : start + octets])
        start += octets
    stop = start + size
    if stop > end:
        raise Malformed("an element longer than what holds it")
    return tag, start, stop


def inside(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the element at `at`, which must have the tag `tag`."""
    found, start, stop = header(data, at, end)
    if found != tag:
        raise Malformed(f"tag {found:#04x} where {tag:#04x} belongs")
    return start, stop


def read_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An INTEGER of 32 bits and where it ends."""
    start, stop = inside(data, at, end, INTEGER)
    if not 0 < stop - start <= 4:
        raise Malformed("an integer of no or too many octets")
    return int.from_bytes(data[start:stop], signed=True), stop


def read_octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """An OCTET STRING and where it ends."""
    start, stop = inside(data, at, end, OCTETS)
    return data[start:stop], stop


def varbinds(body: bytes) -> list[Varbind]:
    """What a variable-bindings list holds."""
    result: list[Varbind] = []
    at, end = 0, len(body)
    while at < end:
        start, stop = inside(body, at, end, SEQUENCE)
        name, name_end = inside(body, start, stop, OID)
        tag, value, value_end = header(body, name_end, stop)
        if value_end != stop:
            raise Malformed("a variable binding of more than a name and a value")
        result.append(Varbind(body[name:name_end], tag, body[value:value_end]))
        at = stop
    return result


def number(tag: int, value: bytes) -> int | None:
    """The number in a value of a numeric type; None where it is no such type or its bytes are no such number.

    Counters and gauges of four octets with the highest bit set are taken as unsigned, as many agents send them.
    """
    size = len(value)
    if tag == INTEGER:
        return int.from_bytes(value, signed=True) if 0 < size <= 4 else None
    if tag in UNSIGNED32:
        limit = 4
    elif tag == COUNTER64:
        limit = 8
    else:
        return None
    if size == limit + 1 and value[0] == 0:
        value = value[1:]
    return int.from_bytes(value) if 0 < len(value) <= limit else None


def _utf_8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        kept = value[: error.start]
        if error.reason != "unexpected end of data" or kept.isascii():
            raise
        return kept.decode()


def _gb_2312(value: bytes) -> str:
    return value.decode("gb2312")


def text(value: bytes) -> str:
    """A DisplayString for a label; control characters and ends trimmed off.

    UTF-8 where it is, also where the device cut it within a character; else GB 2312, in which Chinese devices keep what was
    typed on their consoles; else Latin-1, which takes any octets.
    """
    for decode in (_utf_8, _gb_2312):
        with contextlib.suppress(UnicodeDecodeError):
            decoded = decode(value)
            break
    else:
        decoded = value.decode("latin-1")
    return "".join(character if character.isprintable() else " " for character in decoded).strip()
