"""Reading what one device knows of the network around it: a few walks, each of which may be missing or broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fenghuo_agent.snmp.ber import Oid
from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.message import Envelope
from fenghuo_agent.snmp.presence import present
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walker
from fenghuo_agent.topology import addresses, bridge, interfaces, mibs, neighbours, vlans
from fenghuo_agent.topology.seen import Seen

Contexts = Callable[[int], Envelope]
"""The envelope by which a VLAN's own bridge is asked, for devices that keep one for each."""

_PARTS: tuple[tuple[str, Callable[[Walker, Seen], Awaitable[list[str]]]], ...] = (
    ("addresses", addresses.own),
    ("neighbours", neighbours.read),
    ("stations", bridge.read),
    ("spanning-tree", bridge.spanning_tree),
    ("bindings", addresses.bindings),
)


async def collect(session: Session, limits: Limits, contexts: Contexts | None = None) -> Seen:
    """What one device says, by a session that is open. `limits.rows` bounds each table.

    With `contexts` the bridges of a Cisco switch's VLANs are read too, each by the envelope of its VLAN, where its own
    table names no VLANs. Raises
    `SnmpError` where not even the interfaces can be read; other parts that fail are named in `silent`.
    """
    walker = Walker(session, limits, await lacking(session))
    seen = Seen(session.target.instance)
    faults = await interfaces.read(walker, seen)
    silent: set[str] = set()
    for name, read in _PARTS:
        try:
            faults += await read(walker, seen)
        except SnmpError:
            silent.add(name)
    if contexts is not None and "stations" not in silent and not any(seen.stations.vlans):
        try:
            faults += await vlans.read(session, limits, seen, contexts)
        except SnmpError:
            silent.add("stations")
    seen.macs = frozenset(mac for mac in seen.macs if not addresses.shared(mac))
    seen.silent, seen.faults = frozenset(silent), tuple(faults)
    return seen


async def lacking(session: Session) -> frozenset[Oid]:
    """The tables of topology that a device does not have, told by a question or two: most devices have few of them."""
    try:
        return mibs.TABLES - await present(session, mibs.TABLES)
    except SnmpError:
        return frozenset()  # the walks will tell what is wrong
