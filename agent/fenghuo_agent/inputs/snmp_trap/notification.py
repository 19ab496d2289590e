"""What a datagram says: traps of v1 (RFC 1157), traps and informs of v2c (RFC 3416), all in the terms of v2 (RFC 3584)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Malformed, Oid, Varbind
from fenghuo_agent.snmp.message import INFORM, TRAP_1, TRAP_2, Pdu, pdu_at

SNMP_TRAPS: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5)
ENTERPRISE_SPECIFIC = 6
NOTIFICATIONS = frozenset((TRAP_2, INFORM))


def _name(*arcs: int) -> bytes:
    return ber.oid(arcs)[2:]


SYS_UP_TIME = _name(1, 3, 6, 1, 2, 1, 1, 3, 0)
SNMP_TRAP_OID = _name(1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
SNMP_TRAP_ENTERPRISE = _name(1, 3, 6, 1, 6, 3, 1, 1, 4, 3, 0)
SNMP_TRAP_ADDRESS = _name(1, 3, 6, 1, 6, 3, 18, 1, 3, 0)
SNMP_TRAP_COMMUNITY = _name(1, 3, 6, 1, 6, 3, 18, 1, 4, 0)
_ABOUT = frozenset((SYS_UP_TIME, SNMP_TRAP_OID, SNMP_TRAP_ENTERPRISE, SNMP_TRAP_ADDRESS, SNMP_TRAP_COMMUNITY))


@dataclass(frozen=True, slots=True)
class Notification:
    """One trap or inform. `uptime` is in hundredths of a second; `agent` is the address that it names itself, if any.

    `varbinds` are those that are its own: the ones that say what it is (RFC 3416, 4.2.6; RFC 3584, 3.1) are taken out, and
    so is the community that a proxy hands on, which is a secret.
    """

    version: int
    confirmed: bool
    oid: Oid
    uptime: int | None = None
    enterprise: Oid | None = None
    agent: str = ""
    varbinds: list[Varbind] = field(default_factory=list[Varbind])


def trap_1(data: bytes, at: int, end: int) -> Notification:
    """The Trap-PDU of v1 that fills `data[at:end]`, translated by RFC 3584, section 3.1."""
    at, stop = ber.inside(data, at, end, TRAP_1)
    start, at = ber.inside(data, at, stop, ber.OID)
    enterprise = ber.arcs(data[start:at])
    tag, start, at = ber.header(data, at, stop)
    agent = address(tag, data[start:at])
    generic, at = ber.read_integer(data, at, stop)
    specific, at = ber.read_integer(data, at, stop)
    start, at = ber.inside(data, at, stop, ber.TIMETICKS)
    uptime = ber.number(ber.TIMETICKS, data[start:at])
    first, last = ber.inside(data, at, stop, ber.SEQUENCE)
    if last != stop or stop != end:
        raise Malformed("octets after the end of the message")
    found = ber.varbinds(data[first:last])
    if 0 <= generic < ENTERPRISE_SPECIFIC:
        oid = (*SNMP_TRAPS, generic + 1)
    elif generic == ENTERPRISE_SPECIFIC and specific >= 0:
        oid = (*enterprise, 0, specific)
    else:
        raise Malformed("a trap of no known kind")
    own = [varbind for varbind in found if varbind.name not in _ABOUT]
    return Notification(1, False, oid, uptime, enterprise, _given(found) or agent, own)


def trap_pdu(data: bytes, at: int, end: int) -> Pdu:
    """The SNMPv2-Trap-PDU or InformRequest-PDU that fills `data[at:end]`."""
    return pdu_at(data, at, end, NOTIFICATIONS)


def trap_2(pdu: Pdu, version: int) -> Notification:
    """What a PDU of `NOTIFICATIONS` says."""
    found = ber.varbinds(pdu.varbinds)
    oid: Oid | None = None
    uptime: int | None = None
    enterprise: Oid | None = None
    for name, tag, value in found:
        if name == SNMP_TRAP_OID and tag == ber.OID:
            oid = oid or ber.arcs(value)
        elif name == SYS_UP_TIME:
            uptime = ber.number(tag, value)
        elif name == SNMP_TRAP_ENTERPRISE and tag == ber.OID:
            enterprise = ber.arcs(value)
    if oid is None:
        raise Malformed("a notification without snmpTrapOID")
    own = [varbind for varbind in found if varbind.name not in _ABOUT]
    return Notification(version, pdu.kind == INFORM, oid, uptime, enterprise, _given(found), own)


def _given(found: list[Varbind]) -> str:
    """The address that a forwarder put in (RFC 3584, 3.1); empty where none did."""
    return next((address(tag, value) for name, tag, value in found if name == SNMP_TRAP_ADDRESS), "")


def address(tag: int, value: bytes) -> str:
    """An IpAddress as text; empty for 0.0.0.0, which says that the sender knows none, and for what is no address."""
    if tag not in (ber.IP_ADDRESS, ber.OCTETS) or not any(value):
        return ""
    if len(value) == 4:
        return str(IPv4Address(value))
    return str(IPv6Address(value)) if len(value) == 16 else ""
