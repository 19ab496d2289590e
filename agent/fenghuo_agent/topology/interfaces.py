"""Names, MACs and aggregates of a device's interfaces (IF-MIB, IEEE8023-LAG-MIB)."""

from __future__ import annotations

import sys

from fenghuo_agent.snmp.walk import Walked, Walker
from fenghuo_agent.topology import decode, mibs
from fenghuo_agent.topology.compact import LIMIT
from fenghuo_agent.topology.seen import Port, Seen

PROPRIETARY = frozenset((53, 54))
"""propVirtual and propMultiplexor, as which some makers count their aggregates (IANAifType)."""
LAG = 161
AGGREGATE_NAMES = ("po", "eth-trunk", "bridge-aggregation", "bagg", "trk", "lag", "ae", "bond", "aggregateport", "ag")
"""How aggregates are called where their type does not say so."""


async def read(walker: Walker, seen: Seen) -> list[str]:
    """Fill in the device's name, interfaces and aggregates; what was wrong with its tables is returned."""
    walked = await walker.walk((mibs.SYS_NAME, *mibs.PORTS))
    columns = walked.columns
    seen.name = decode.text(columns[mibs.SYS_NAME].get((0,)))
    for index in sorted({index for item in mibs.PORTS for index in columns[item] if len(index) == 1}):
        name, descr, alias = (
            sys.intern(decode.text(columns[item].get(index))) for item in (mibs.IF_NAME, mibs.IF_DESCR, mibs.IF_ALIAS)
        )
        address = decode.mac(decode.octets(columns[mibs.IF_PHYS_ADDRESS].get(index)))
        kind = decode.number(columns[mibs.IF_TYPE].get(index))
        if index[0] >= LIMIT or not 0 <= kind < LIMIT:
            continue
        seen.ports[index[0]] = Port(index[0], name, descr, alias, address, kind)
    seen.macs = frozenset(port.mac for port in seen.ports.values() if port.mac)
    return walked.faults + await _aggregates(walker, seen)


async def _aggregates(walker: Walker, seen: Seen) -> list[str]:
    walked = await walker.walk((mibs.LAG_ATTACHED, mibs.LAG_SELECTED, mibs.LAG_PORTS, mibs.IF_STACK_STATUS))
    seen.aggregates = _by_stack(walked, seen) | _by_list(walked, seen)
    for item in (mibs.LAG_SELECTED, mibs.LAG_ATTACHED):
        for index, varbind in walked.columns[item].items():
            aggregate = decode.number(varbind)
            if len(index) == 1 and aggregate in seen.ports and aggregate != index[0]:
                seen.aggregates[index[0]] = aggregate
    return walked.faults


def _by_stack(walked: Walked, seen: Seen) -> dict[int, int]:
    """Members by ifStackTable: what lies below an interface that is an aggregate by its type or name."""
    found: dict[int, int] = {}
    for index in walked.columns[mibs.IF_STACK_STATUS]:
        if len(index) != 2 or 0 in index:
            continue
        higher, lower = seen.ports.get(index[0]), index[1]
        if higher is not None and lower in seen.ports and lower != higher.if_index and is_aggregate(higher):
            found[lower] = higher.if_index
    return found


def _by_list(walked: Walked, seen: Seen) -> dict[int, int]:
    """Members by dot3adAggPortListPorts, where bits are ports' ifIndex; more than a device has interfaces are no such list."""
    found: dict[int, int] = {}
    for index, varbind in walked.columns[mibs.LAG_PORTS].items():
        members = [member for member in decode.port_list(decode.octets(varbind)) if member != index[0]]
        if len(index) == 1 and index[0] in seen.ports and all(member in seen.ports for member in members):
            found |= dict.fromkeys(members, index[0])
    return found


def is_aggregate(port: Port) -> bool:
    """Whether an interface is an aggregate of others."""
    if port.kind == LAG:
        return True
    return port.kind in PROPRIETARY and port.label.lower().startswith(AGGREGATE_NAMES)
