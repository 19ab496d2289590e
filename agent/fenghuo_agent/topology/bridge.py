"""Forwarding tables and the spanning tree of a bridge (BRIDGE-MIB, Q-BRIDGE-MIB, HUAWEI-L2MAM-MIB)."""

from __future__ import annotations

from collections.abc import Callable

from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.snmp.objects import Object
from fenghuo_agent.snmp.walk import Walker
from fenghuo_agent.topology import decode, mibs
from fenghuo_agent.topology.seen import Designated, Seen, Stations

INVALID, SELF = 2, 4
"""dot1dTpFdbStatus: aged out; an address of the bridge itself."""
MOST_VLAN = 4094
BLOCKING, BROKEN, LISTENING = 2, 6, 3
"""dot1dStpPortState of ports that forward nothing."""


async def read(walker: Walker, seen: Seen) -> list[str]:
    """Fill in the forwarding table; what was wrong with its tables is returned."""
    own = await walker.walk((mibs.BRIDGE_ADDRESS,))
    address = decode.mac(decode.octets(own.columns[mibs.BRIDGE_ADDRESS].get((0,))))
    seen.macs |= {address} if address else set()
    table = Table(seen)
    walked = await walker.walk((mibs.Q_FDB_PORT, mibs.Q_FDB_STATUS, mibs.VLAN_FDB), table.take)
    faults = own.faults + walked.faults
    if not table.entries:
        walked = await walker.walk((mibs.FDB_PORT, mibs.FDB_STATUS, mibs.HUAWEI_FDB), table.take)
        faults += walked.faults
    table.hand_over()
    seen.bridge = bool(seen.base_ports or seen.stations)
    return faults


class Table:
    """A forwarding table being read row by row; the columns' rows come in any order."""

    def __init__(self, seen: Seen, vlan: int = 0) -> None:
        self._seen = seen
        self._vlan = vlan
        self._vlans: dict[int, int] = {}
        self._own: set[tuple[int, int]] = set()
        self._raw = Stations()
        self._filters: dict[int, int] = {}
        self._takers: dict[Object, Callable[[Oid, Varbind], None]] = {
            mibs.Q_FDB_PORT: self._port_of_vlan,
            mibs.Q_FDB_STATUS: self._status_of_vlan,
            mibs.VLAN_FDB: self._vlan_of_filter,
            mibs.FDB_PORT: self._port,
            mibs.FDB_STATUS: self._status,
            mibs.HUAWEI_FDB: self._huawei,
        }

    @property
    def entries(self) -> int:
        """How many were read."""
        return len(self._raw)

    def take(self, column: Object, index: Oid, varbind: Varbind) -> None:
        """Take one row of a column."""
        self._takers[column](index, varbind)

    def hand_over(self) -> None:
        """Give the entries to what was seen: bridge ports as interfaces, filters as VLANs, own addresses apart."""
        seen = self._seen
        filters = {small: big for big, small in self._filters.items()}
        for mac, raw, small in self._raw:
            if (mac, small) in self._own:
                continue
            port = seen.base_ports.get(raw, 0) or (raw if raw in seen.ports else 0)
            if port:
                seen.stations.add(mac, seen.port(port), self._vlan or self._vlan_number(filters.get(small, 0)))
        seen.macs |= {mac for mac, _ in self._own}

    def _vlan_number(self, filter_id: int) -> int:
        if self._vlans:
            return self._vlans.get(filter_id, 0)
        return filter_id if 0 < filter_id <= MOST_VLAN else 0

    def _small(self, filter_id: int) -> int:
        """A filtering database's id, of 32 bits, as a number that fits 16."""
        return self._filters.setdefault(filter_id, min(len(self._filters) + 1, 0xFFFF))

    def _add(self, mac: int, port: int, small: int) -> None:
        if mac and 0 < port < 1 << 32:
            self._raw.add(mac, port, small)

    def _port_of_vlan(self, index: Oid, varbind: Varbind) -> None:
        if len(index) == 7:
            self._add(decode.mac_of_arcs(index[1:]), decode.number(varbind), self._small(index[0]))

    def _status_of_vlan(self, index: Oid, varbind: Varbind) -> None:
        if len(index) == 7 and decode.number(varbind) in (INVALID, SELF):
            self._mark(decode.mac_of_arcs(index[1:]), self._small(index[0]), decode.number(varbind))

    def _mark(self, mac: int, small: int, status: int) -> None:
        if mac and status == SELF:
            self._own.add((mac, small))

    def _port(self, index: Oid, varbind: Varbind) -> None:
        self._add(decode.mac_of_arcs(index), decode.number(varbind), 0)

    def _status(self, index: Oid, varbind: Varbind) -> None:
        self._mark(decode.mac_of_arcs(index), 0, decode.number(varbind))

    def _vlan_of_filter(self, index: Oid, varbind: Varbind) -> None:
        if 0 < index[-1] <= MOST_VLAN:
            # Where several VLANs share a filtering database, which one it was is not known.
            filter_id = decode.number(varbind)
            self._vlans[filter_id] = 0 if filter_id in self._vlans else index[-1]

    def _huawei(self, index: Oid, varbind: Varbind) -> None:
        if len(index) >= 7:
            vlan = index[6] if 0 < index[6] <= MOST_VLAN else 0
            port = decode.number(varbind)
            if (mac := decode.mac_of_arcs(index[:6])) and port in self._seen.ports:
                self._seen.stations.add(mac, self._seen.port(port), vlan)


async def spanning_tree(walker: Walker, seen: Seen) -> list[str]:
    """Fill in which ports the spanning tree blocks, and who speaks for the segments behind the others."""
    walked = await walker.walk((mibs.STP_ROOT_PORT, mibs.STP_STATE, mibs.STP_BRIDGE, mibs.STP_PORT))
    columns = walked.columns
    root_port = decode.number(columns[mibs.STP_ROOT_PORT].get((0,)))
    seen.root_port = seen.port(seen.base_ports.get(root_port, 0)) if root_port else 0
    blocked: set[int] = set()
    for index, varbind in columns[mibs.STP_STATE].items():
        if len(index) == 1 and decode.number(varbind) in (BLOCKING, BROKEN, LISTENING):
            blocked.add(seen.base_ports.get(index[0], index[0]))
    seen.blocked = frozenset(blocked)
    for index, varbind in columns[mibs.STP_BRIDGE].items():
        octets = decode.octets(varbind)
        port = seen.base_ports.get(index[0], 0) if len(index) == 1 else 0
        bridge = decode.mac(octets[2:]) if len(octets) == 8 else 0
        if port and bridge and bridge not in seen.macs:
            number = int.from_bytes(decode.octets(columns[mibs.STP_PORT].get(index))) & 0x0FFF
            seen.designated.append(Designated(seen.port(port), bridge, number))
    return walked.faults
