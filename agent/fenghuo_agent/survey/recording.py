"""A recorded walk in place of a device: what `fenghuo survey FILE.snmprec` asks, without a network.

The file has a line an instance, `OID|TYPE|VALUE` (snmpsim's own form): the type is the tag's number, followed by `x` where
the value is in hexadecimal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from random import Random

from fenghuo.errors import Located, Place, Problem
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Target
from fenghuo_agent.snmp.ber import COUNTER64, INTEGER, IP_ADDRESS, NULL, OCTETS, OID, OPAQUE, UNSIGNED32, Oid
from fenghuo_agent.snmp.message import GET, GET_BULK, NO_ERROR, RESPONSE, Community, Pdu
from fenghuo_agent.snmp.session import Session, Timing
from fenghuo_agent.snmp.traffic import Traffic

_NO_SUCH = b"\x80\x00"
_END = b"\x82\x00"
MOST_PROBLEMS = 20
ROOM = 1400
_NUMBERS = UNSIGNED32 | {INTEGER, COUNTER64}


class Recording(Session):
    """Answers as a v2c device that has just what a file holds. Raises `Located` where the file is none."""

    __slots__ = ("_oids", "_values")

    def __init__(self, path: Path) -> None:
        super().__init__(Target("recording", 0), Community("", version=2), Timing(1.0, 0), Random(0), Traffic())
        self._values = _read(path)
        self._oids = sorted(self._values)

    async def ask(self, kind: int, varbinds: bytes, first: int = 0, second: int = 0) -> Pdu:
        """The answer to a request, at most as large as a datagram."""
        self.requests += 1
        names = [ber.arcs(varbind.name) for varbind in ber.varbinds(varbinds)]
        if kind == GET:
            found = [_varbind(name, self._values.get(name, _NO_SUCH)) for name in names]
        elif kind == GET_BULK:
            found = list(self._bulk(names, first, second))
        else:
            found = [_varbind(*self._after(name)) for name in names]
        return Pdu(RESPONSE, 0, NO_ERROR, 0, b"".join(found))

    def _after(self, name: Oid) -> tuple[Oid, bytes]:
        place = bisect_right(self._oids, name)
        return (self._oids[place], self._values[self._oids[place]]) if place < len(self._oids) else (name, _END)

    def _bulk(self, names: list[Oid], first: int, repetitions: int) -> Iterator[bytes]:
        size = 0
        cursors = list(names)
        for turn in range(max(1, repetitions)):
            for place in range(len(cursors)):
                if turn and place < first:
                    continue
                cursors[place], value = self._after(cursors[place])
                varbind = _varbind(cursors[place], value)
                size += len(varbind)
                if size > ROOM and turn:
                    return
                yield varbind


def _varbind(name: Oid, value: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.oid(name) + value)


def _read(path: Path) -> dict[Oid, bytes]:
    values: dict[Oid, bytes] = {}
    problems: list[Problem] = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    _take(line.rstrip(b"\r\n"), values)
                except (ValueError, IndexError, OverflowError) as error:
                    problems.append(Problem(Place(str(path), number), f"no line of a walk: {error}", "OID|TYPE|VALUE"))
                if len(problems) >= MOST_PROBLEMS:
                    break
    except OSError as error:
        problems.append(Problem(Place(str(path)), f"cannot read the recording: {error.strerror or error}"))
    if problems and len(problems) >= min(MOST_PROBLEMS, len(values) // 10 + 1):
        raise Located(problems)
    return values


def _take(line: bytes, values: dict[Oid, bytes]) -> None:
    if not line.strip() or line.startswith(b"#"):
        return
    name, kind, value = line.split(b"|", 2)
    tag, _, module = kind.decode("ascii").partition(":")
    if module:
        return  # what snmpsim makes up at each request is no recording
    hexadecimal = tag.endswith("x")
    octets = bytes.fromhex(value.decode("ascii")) if hexadecimal else value
    oid = tuple(int(arc) for arc in name.decode("ascii").strip(".").split("."))
    values[oid] = ber.tlv(number := int(tag.rstrip("xe")), _content(number, octets, hexadecimal=hexadecimal))


def _content(tag: int, value: bytes, *, hexadecimal: bool) -> bytes:
    if tag in (OCTETS, OPAQUE) or (hexadecimal and tag == IP_ADDRESS):
        return value
    if tag == NULL or tag >= 0x80:
        return b""
    text = value.decode("ascii").strip()
    if tag == IP_ADDRESS:
        return bytes(int(part) for part in text.split("."))
    if tag == OID:
        return ber.oid(tuple(int(arc) for arc in text.strip(".").split(".")))[2:] if text else b"\0"
    if tag in _NUMBERS:
        return ber.signed(int(text))
    raise ValueError(f"a type {tag}")
