"""Messages of the DNS (RFC 1035), as much of them as a probe needs: a question out, answers in.

A library would do more and cost every agent 6 MB, so these few types are read here. Pure functions; what a server sends
is never trusted: `Malformed` is raised for whatever does not fit.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
}  # fmt: skip
RCODES = {
    "NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5,
}  # fmt: skip
MAX_RECORDS = 4096
_IN = 1
_RESPONSE, _TRUNCATED, _RECURSION = 0x8000, 0x0200, 0x0100
_POINTER = 0xC0
_MAX_JUMPS = 64
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


class Malformed(ValueError):  # noqa: N818 — the name says what it is
    """Bytes that are no message of the DNS."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the answer section; `text` is its data as zone files write it."""

    name: str
    type: int
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """What a server says. Counts are those of its header; `serial` is that of an SOA record among the answers."""

    id: int
    rcode: int
    truncated: bool
    question: tuple[str, int] | None
    answers: Sequence[Record]
    authority: int
    additional: int
    serial: int | None


def ascii_name(name: str) -> str:
    """A name in lower case, its internationalised parts encoded (RFC 5890), without a dot at its end; ValueError where it
    is none.
    """
    bare = name.removesuffix(".").lower()
    labels = [label if label.isascii() else label.encode("idna").decode("ascii") for label in bare.split(".")]
    if bare and not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no name")
    if sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name!r} is too long for a name")
    return ".".join(labels)


def question(id: int, name: str, type: int, *, recursion: bool) -> bytes:  # noqa: A002 — the RFC's names
    """A query for records of class IN; ValueError where `name` is none."""
    flags = _RECURSION if recursion else 0
    return _HEADER.pack(id, flags, 1, 0, 0, 0) + encode_name(name) + struct.pack("!HH", type, _IN)


def encode_name(name: str) -> bytes:
    """A name as labels, without the compression that a question has no use for. ValueError where it is none."""
    labels = [label.encode("ascii") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def parse(message: bytes) -> Response:
    """Read a response; `Malformed` where it is none."""
    try:
        return _parse(message)
    except (struct.error, IndexError):
        raise Malformed("it ends too early") from None


def _parse(message: bytes) -> Response:
    id_, flags, questions, answers, authority, additional = _HEADER.unpack_from(message)
    if not flags & _RESPONSE:
        raise Malformed("it is no response")
    if questions > 1 or answers > MAX_RECORDS:
        raise Malformed("it holds too many records")
    at, asked = _HEADER.size, None
    if questions:
        name, at = _name(message, at)
        (type_, _), at = struct.unpack_from("!HH", message, at), at + 4
        asked = (name, type_)
    records: list[Record] = []
    serial = None
    truncated = bool(flags & _TRUNCATED)
    for _ in range(answers):
        if truncated and at >= len(message):
            break
        name, at = _name(message, at)
        type_, _class, _ttl, length = _FIXED.unpack_from(message, at)
        at += _FIXED.size
        if at + length > len(message):
            raise Malformed("a record is longer than the message")
        text = _data(message, type_, at, at + length)
        if type_ == TYPES["SOA"]:
            serial = _serial(message, at)
        records.append(Record(name, type_, text))
        at += length
    return Response(id_, flags & 0xF, truncated, asked, records, authority, additional, serial)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name, perhaps compressed, and where what follows it begins. Pointers lead back only, so that none goes round."""
    labels: list[str] = []
    after = -1
    limit = at
    for _ in range(_MAX_JUMPS + 128):
        length = message[at]
        if length & _POINTER == _POINTER:
            target = (length & 0x3F) << 8 | message[at + 1]
            after = at + 2 if after < 0 else after
            if target >= limit:
                raise Malformed("a name points forward")
            at = limit = target
        elif length & _POINTER:
            raise Malformed("a label of unknown form")
        elif length:
            if at + 1 + length > len(message):
                raise Malformed("a label is longer than the message")
            labels.append(message[at + 1 : at + 1 + length].decode("ascii", "backslashreplace").lower())
            at += 1 + length
        else:
            return ".".join(labels), at + 1 if after < 0 else after
    raise Malformed("a name without an end")


def _data(message: bytes, type_: int, at: int, end: int) -> str:
    if type_ == TYPES["A"] and end - at == 4:
        return str(ipaddress.IPv4Address(message[at:end]))
    if type_ == TYPES["AAAA"] and end - at == 16:
        return str(ipaddress.IPv6Address(message[at:end]))
    if type_ in (TYPES["NS"], TYPES["CNAME"], TYPES["PTR"]):
        return _name(message, at)[0]
    if type_ == TYPES["MX"]:
        return f"{struct.unpack_from('!H', message, at)[0]} {_name(message, at + 2)[0]}"
    if type_ == TYPES["SRV"]:
        priority, weight, port = struct.unpack_from("!HHH", message, at)
        return f"{priority} {weight} {port} {_name(message, at + 6)[0]}"
    if type_ == TYPES["TXT"]:
        return _texts(message, at, end)
    if type_ == TYPES["SOA"]:
        return _name(message, at)[0]
    return message[at:end].hex()


def _texts(message: bytes, at: int, end: int) -> str:
    """The character strings of a TXT record, joined."""
    parts: list[bytes] = []
    while at < end:
        length = message[at]
        if at + 1 + length > end:
            raise Malformed("a text is longer than its record")
        parts.append(message[at + 1 : at + 1 + length])
        at += 1 + length
    return b"".join(parts).decode("utf-8", "replace")


def _serial(message: bytes, at: int) -> int:
    _, at = _name(message, at)
    _, at = _name(message, at)
    return int(struct.unpack_from("!I", message, at)[0])
