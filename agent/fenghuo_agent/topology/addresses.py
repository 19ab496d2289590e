"""Own addresses, and those of others by ARP and Neighbour Discovery (IP-MIB)."""

from __future__ import annotations

from ipaddress import ip_address

from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.snmp.objects import Object
from fenghuo_agent.snmp.walk import Walker
from fenghuo_agent.topology import decode, mibs
from fenghuo_agent.topology.seen import Bindings, Draft, Seen

INVALID = 2
_MODERN = (mibs.NET_TO_PHYSICAL, mibs.NET_TO_PHYSICAL_KIND)
_OLDER = (mibs.NET_TO_MEDIA, mibs.NET_TO_MEDIA_KIND)
_KINDS = (mibs.NET_TO_PHYSICAL_KIND, mibs.NET_TO_MEDIA_KIND)
VIRTUAL = ((0x00005E000100, 0x00005E0002FF), (0x00000C07AC00, 0x00000C07ACFF), (0x00000C9FF000, 0x00000C9FFFFF))
"""MACs that several routers share in turn: VRRP (RFC 9568), HSRP versions 1 and 2."""


async def own(walker: Walker, seen: Seen) -> list[str]:
    """Fill in the device's own addresses; what was wrong with its tables is returned."""
    walked = await walker.walk((mibs.AD_ENT, mibs.ADDRESS))
    found = [decode.address_of_arcs(index) for index in walked.columns[mibs.AD_ENT]]
    found += [decode.inet_address(index) for index in walked.columns[mibs.ADDRESS]]
    seen.addresses = frozenset(address for address in found if decode.useful(address))
    return walked.faults


async def bindings(walker: Walker, seen: Seen) -> list[str]:
    """Fill in who has which address; what was wrong with the tables is returned."""
    draft, unused = Draft(), set[bytes]()

    def take(column: Object, index: Oid, varbind: Varbind) -> None:
        modern = column in _MODERN
        address = decode.inet_address(index[1:]) if modern else decode.address_of_arcs(index[1:])
        if not decode.useful(address):
            return
        packed = ip_address(address).packed
        if column in _KINDS:
            if decode.number(varbind) == INVALID:
                unused.add(packed)
        elif mac := decode.mac(decode.octets(varbind)):
            draft.add(mac, packed)

    faults: list[str] = []
    for columns in (_MODERN, _OLDER):
        faults += (await walker.walk(columns, take)).faults
    if unused:
        draft.discard(unused)
    seen.bindings = Bindings.of_draft(draft)
    return faults


def shared(mac: int) -> bool:
    """Whether a MAC is one that routers hand to each other."""
    return any(first <= mac <= last for first, last in VIRTUAL)
