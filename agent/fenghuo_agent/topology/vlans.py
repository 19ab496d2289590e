"""Forwarding tables that a switch keeps for each VLAN behind a context (Cisco's `community@vlan`, `vlan-<n>` in v3)."""

from __future__ import annotations

from collections.abc import Callable

from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.message import Envelope
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walker
from fenghuo_agent.topology import decode, mibs
from fenghuo_agent.topology.bridge import Table
from fenghuo_agent.topology.compact import LIMIT
from fenghuo_agent.topology.seen import Seen

OPERATIONAL = 1
RESERVED = range(1002, 1006)
"""VLANs of FDDI and Token Ring, which every switch has and none uses."""
MOST = 256


async def read(session: Session, limits: Limits, seen: Seen, envelope: Callable[[int], Envelope]) -> list[str]:
    """Add each VLAN's table; the first that does not answer ends it: contexts are not set up, or not for us."""
    walked = await Walker(session, limits).walk((mibs.VTP_STATE,))
    numbers = [
        index[-1]
        for index, varbind in walked.columns[mibs.VTP_STATE].items()
        if decode.number(varbind) == OPERATIONAL and index[-1] not in RESERVED
    ]
    before, number = session.envelope, 0
    try:
        for number in sorted(numbers)[:MOST]:
            session.envelope = envelope(number)
            await _one(session, limits, seen, number)
    except SnmpError as error:
        return [*walked.faults, f"VLAN {number}: {error}"]
    finally:
        session.envelope = before
    return walked.faults


async def _one(session: Session, limits: Limits, seen: Seen, number: int) -> None:
    walker = Walker(session, limits)
    base = await walker.walk((mibs.BASE_PORT,))
    for index, found in base.columns[mibs.BASE_PORT].items():
        if len(index) == 1 and index[0] < LIMIT and (port := decode.number(found)) in seen.ports:
            seen.base_ports[index[0]] = port
    table = Table(seen, number)
    await walker.walk((mibs.FDB_PORT, mibs.FDB_STATUS), table.take)
    table.hand_over()
