"""Octets and indexes of these tables into MACs, addresses and names; what makes no sense becomes 0 or an empty text."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Oid, Varbind

MAC_OCTETS = 6
GROUP_BIT = 1 << 40
LOCAL_BIT = 1 << 41
_HEX_MAC = re.compile(rb"[0-9a-fA-F]{2}([:-]?[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}([.-][0-9a-fA-F]{4}){2}")

LLDP_CAPABILITIES = (
    "other", "repeater", "bridge", "access-point", "router", "telephone", "docsis", "station", "bridge", "bridge", "repeater",
)  # fmt: skip
"""LldpSystemCapabilitiesMap, bit 0 first; 8 to 10 are C-VLAN, S-VLAN and two-port MAC relay (IEEE 802.1AB-2009)."""
CDP_CAPABILITIES = ("router", "bridge", "bridge", "bridge", "station", "igmp", "repeater", "telephone")
"""The Capabilities of CDP, lowest bit first."""

CHASSIS_MAC, CHASSIS_ADDRESS = 4, 5
"""LldpChassisIdSubtype; 1 chassis component, 2 interface alias, 3 port component, 6 interface name, 7 local."""
PORT_MAC, PORT_ADDRESS = 3, 4
"""LldpPortIdSubtype; 1 interface alias, 2 port component, 5 interface name, 6 agent circuit id, 7 local."""


def mac(octets: bytes) -> int:
    """A MAC address as a number; 0 for what is none, for zeros and for group addresses. Text in place of octets is read too."""
    if len(octets) != MAC_OCTETS:
        return _mac_of_text(octets)
    number = int.from_bytes(octets)
    return 0 if number & GROUP_BIT else number


def _mac_of_text(octets: bytes) -> int:
    match = _HEX_MAC.fullmatch(octets.strip(b"\0 "))
    return mac(bytes.fromhex(re.sub(rb"[:.-]", b"", match[0]).decode())) if match else 0


def mac_of_arcs(arcs: Oid) -> int:
    """The MAC of six arcs of an index; 0 where they are none."""
    if len(arcs) != MAC_OCTETS or max(arcs) > 255:
        return 0
    return mac(bytes(arcs))


def mac_text(number: int) -> str:
    """`00:11:22:aa:bb:cc`."""
    return number.to_bytes(MAC_OCTETS).hex(":")


def parse_mac(text: str) -> int:
    """The MAC that somebody typed, with `:`, `-`, `.` or nothing between its digits; 0 where it is none."""
    return _mac_of_text(text.encode()) if text.isascii() else 0


def address(octets: bytes) -> str:
    """An IP address of 4 or 16 octets; one with a zone of 4 more loses it. Empty where it is none."""
    if len(octets) in (4, 8):
        return str(IPv4Address(octets[:4]))
    if len(octets) in (16, 20):
        return str(IPv6Address(octets[:16]))
    return ""


def useful(text: str) -> bool:
    """Whether an address can name a device: not any, every host's own loopback, group or broadcast."""
    if not text or text in ("127.0.0.1", "::1", "255.255.255.255"):
        return False
    found = ip_address(text)
    return not (found.is_unspecified or found.is_multicast)


def address_of_arcs(arcs: Oid) -> str:
    """An IP address given as arcs without a length."""
    return "" if not arcs or max(arcs) > 255 else address(bytes(arcs))


def inet_address(arcs: Oid) -> str:
    """InetAddressType, length and octets in an index (RFC 4001); without the length, as some agents send it, too."""
    if len(arcs) < 2:
        return ""
    kind, rest = arcs[0], arcs[1:]
    if kind not in (1, 2, 3, 4):
        return ""
    if rest[0] == len(rest) - 1:
        return address_of_arcs(rest[1:])
    return address_of_arcs(rest)


def management_address(arcs: Oid) -> str:
    """AddressFamilyNumbers, length and octets in an index of LLDP's management addresses; the length may be missing."""
    return inet_address(arcs) if arcs and arcs[0] in (1, 2) else ""


def network_address(octets: bytes) -> str:
    """An id of subtype network address: a family (1 IPv4, 2 IPv6) and the address; some send the address alone."""
    if len(octets) in (5, 17) and octets[0] in (1, 2):
        return address(octets[1:])
    found = address(octets) if len(octets) in (4, 16) else ""
    if found:
        return found
    try:
        return str(ip_address(octets.decode("ascii").strip("\0 ")))
    except ValueError:
        return ""


def lldp_id(octets: bytes, kind: int, *, mac_kind: int, address_kind: int) -> str:
    """A chassis's or port's id as text, by its subtype; a MAC as `00:11:22:aa:bb:cc`, also where the subtype says otherwise."""
    if kind == mac_kind or (len(octets) == MAC_OCTETS and not printable(octets)):
        number = mac(octets)
        return mac_text(number) if number else octets.hex(":")
    if kind == address_kind and (found := network_address(octets)):
        return found
    return ber.text(octets.rstrip(b"\0")) if printable(octets) else octets.hex(":")


def printable(octets: bytes) -> bool:
    """Whether octets are a text."""
    try:
        return octets.rstrip(b"\0").decode().isprintable()
    except UnicodeDecodeError:
        return False


def capabilities(octets: bytes) -> frozenset[str]:
    """LLDP's BITS: bit 0 is the highest of the first octet."""
    return frozenset(
        name
        for bit, name in enumerate(LLDP_CAPABILITIES)
        if bit >> 3 < len(octets) and octets[bit >> 3] << (bit & 7) & 0x80
    )


def cdp_capabilities(octets: bytes) -> frozenset[str]:
    """CDP's four octets: bit 0 is the lowest."""
    number = int.from_bytes(octets)
    return frozenset(name for bit, name in enumerate(CDP_CAPABILITIES) if number >> bit & 1)


def port_list(octets: bytes) -> list[int]:
    """The ports of a PortList, counted from 1 (RFC 4363)."""
    return [8 * at + bit + 1 for at, octet in enumerate(octets) for bit in range(8) if octet << bit & 0x80]


def text(varbind: Varbind | None) -> str:
    """A text of a table, empty where there is none."""
    return ber.text(varbind.value.rstrip(b"\0"))[:255] if varbind is not None and varbind.tag == ber.OCTETS else ""


def octets(varbind: Varbind | None) -> bytes:
    """The octets of a value, empty where it has none."""
    return varbind.value if varbind is not None and varbind.tag in (ber.OCTETS, ber.IP_ADDRESS) else b""


def number(varbind: Varbind | None) -> int:
    """A number of a table, 0 where there is none."""
    return (ber.number(varbind.tag, varbind.value) or 0) if varbind is not None else 0
