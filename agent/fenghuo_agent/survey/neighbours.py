"""The devices next to one, as discovery protocols heard them (LLDP-MIB, CISCO-CDP-MIB and others)."""

from __future__ import annotations

from typing import Any

from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walker
from fenghuo_agent.topology import interfaces, neighbours
from fenghuo_agent.topology.seen import Neighbour, Seen


async def neighbours_of(session: Session, limits: Limits) -> tuple[list[dict[str, Any]], list[str]]:
    """The neighbours, and what was wrong with the tables that name them; none where the device does not answer for them."""
    seen = Seen(session.target.instance)
    walker = Walker(session, limits)
    try:
        faults = [*await interfaces.read(walker, seen), *await neighbours.read(walker, seen)]
    except SnmpError as error:
        return [], [str(error)]
    return [_entry(seen, each) for each in seen.neighbours], faults


def _entry(seen: Seen, neighbour: Neighbour) -> dict[str, Any]:
    return {
        "protocol": neighbour.protocol,
        "port": seen.label(neighbour.port),
        "port_index": neighbour.port or None,
        "name": neighbour.name,
        "remote_port": neighbour.port_id,
        "remote_port_description": neighbour.port_descr,
        "chassis_id": neighbour.chassis_id,
        "description": neighbour.descr,
        "addresses": list(neighbour.addresses),
        "capabilities": sorted(neighbour.capabilities),
    }
