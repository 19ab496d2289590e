"""What can be told of a datagram without decoding it, for counting what is shed. Nothing here is to be trusted."""

from __future__ import annotations

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.message import TRAP_1

VERSIONS = ("1", "2c", "3", "unknown")
UNKNOWN = 3
_NUMBERS = {0: 0, 1: 1, 3: 2}
_TRAP_OID = ber.oid((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)) + b"\x06"
_GENERIC = ber.oid((1, 3, 6, 1, 6, 3, 1, 1, 5, 1))[2:-1]


def version_at(data: bytearray, size: int) -> int:
    """The place in `VERSIONS` of the version that a datagram of `size` octets in `data` says it has."""
    if size < 8 or data[0] != ber.SEQUENCE:
        return UNKNOWN
    at = data[1] - 0x7E if data[1] > 0x80 else 2
    if not 2 <= at <= 5 or data[at] != ber.INTEGER or data[at + 1] != 1:
        return UNKNOWN
    return _NUMBERS.get(data[at + 2], UNKNOWN)


def kind_at(data: bytearray, size: int, version: int) -> bytes:
    """The notification's OID (content only) where it stands in the clear; empty where it does not."""
    if version == 0:
        try:
            return _kind_1(bytes(data[:size]))
        except Malformed:
            return b""
    at = data.find(_TRAP_OID, 0, size)
    if at < 0:
        return b""
    start = at + len(_TRAP_OID) + 1
    stop = start + data[start - 1]
    return bytes(data[start:stop]) if stop <= size and start < stop else b""


def _kind_1(data: bytes) -> bytes:
    at, end = ber.inside(data, 0, len(data), ber.SEQUENCE)
    at = ber.header(data, at, end)[2]
    at = ber.header(data, at, end)[2]
    at, end = ber.inside(data, at, end, TRAP_1)
    start, stop = ber.inside(data, at, end, ber.OID)
    at = ber.header(data, stop, end)[2]
    generic, at = ber.read_integer(data, at, end)
    if 0 <= generic < 6:
        return _GENERIC + bytes((generic + 1,))
    first, last = ber.inside(data, at, end, ber.INTEGER)
    specific = int.from_bytes(data[first:last], signed=True)
    return data[start:stop] + ber.oid((1, 3, 0, max(specific, 0)))[3:]
