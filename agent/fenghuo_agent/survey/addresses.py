"""A device's own addresses: ipAddressTable (RFC 4293), ipAddrTable where it has no other."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from fenghuo_agent.profiles.rows import Column, Rows, number_of, text_of
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Malformed, Oid, Varbind

_ADDRESS: Oid = (1, 3, 6, 1, 2, 1, 4, 34, 1)
_OLD: Oid = (1, 3, 6, 1, 2, 1, 4, 20, 1)
_OLD_V6: Oid = (1, 3, 6, 1, 2, 1, 55, 1, 8, 1)
IF_INDEX = Column("ipAddressIfIndex", (*_ADDRESS, 3))
PREFIX = Column("ipAddressPrefix", (*_ADDRESS, 5))
OLD_IF_INDEX = Column("ipAdEntIfIndex", (*_OLD, 2))
OLD_MASK = Column("ipAdEntNetMask", (*_OLD, 3))
OLD_V6_LENGTH = Column("ipv6AddrPfxLength", (*_OLD_V6, 2))
ADDRESS_COLUMNS = (IF_INDEX, PREFIX, OLD_IF_INDEX, OLD_MASK, OLD_V6_LENGTH)

_OCTETS = {1: 4, 2: 16, 3: 4, 4: 16}
"""InetAddressType → octets of the address (RFC 4001); 3 and 4 have four octets of a zone after it."""


def addresses_of(rows: Rows) -> list[dict[str, Any]]:
    """Address, prefix length (null where unknown) and ifIndex, each address once."""
    found: dict[str, dict[str, Any]] = {}
    for address, length, interface in (*_new(rows), *_old(rows), *_old_v6(rows)):
        entry = found.setdefault(
            str(address), {"address": str(address), "prefix_length": length, "interface": interface}
        )
        if entry["prefix_length"] is None:
            entry["prefix_length"] = length
    return list(found.values())


Entry = tuple[IPv4Address | IPv6Address, int | None, int | None]


def _new(rows: Rows) -> Iterator[Entry]:
    for index, varbind in rows.of(IF_INDEX).items():
        address = _of_index(index)
        if address is not None:
            yield address, _length(rows.of(PREFIX).get(index)), _whole(varbind)


def _of_index(index: Oid) -> IPv4Address | IPv6Address | None:
    """An InetAddressType, a length, and as many octets; some agents leave out the length."""
    if len(index) < 5 or (size := _OCTETS.get(index[0])) is None:
        return None
    rest = index[2:] if index[1] in (size, size + 4) and len(index) >= size + 2 else index[1:]
    try:
        return ip_address(bytes(rest[:size]))
    except ValueError:
        return None


def _length(varbind: Varbind | None) -> int | None:
    """The last arc of a row pointer to ipAddressPrefixTable is the length."""
    if varbind is None or varbind.tag != ber.OID:
        return None
    try:
        arcs = ber.arcs(varbind.value)
    except Malformed:
        return None
    return arcs[-1] if len(arcs) > 11 and 0 <= arcs[-1] <= 128 else None


def _old(rows: Rows) -> Iterator[Entry]:
    for index, varbind in rows.of(OLD_IF_INDEX).items():
        if len(index) == 4 and all(arc < 256 for arc in index):
            mask = text_of(rows.of(OLD_MASK).get(index))
            yield IPv4Address(bytes(index)), _bits(mask), _whole(varbind)


def _old_v6(rows: Rows) -> Iterator[Entry]:
    for index, varbind in rows.of(OLD_V6_LENGTH).items():
        octets = index[2:] if len(index) == 18 else index[1:]
        if len(octets) == 16 and all(arc < 256 for arc in octets):
            yield IPv6Address(bytes(octets)), _whole(varbind), index[0]


def _bits(mask: str) -> int | None:
    try:
        return int(IPv4Address(mask)).bit_count()
    except ValueError:
        return None


def _whole(varbind: Varbind | None) -> int | None:
    number = number_of(varbind)
    return int(number) if number is not None else None
