"""What one device says of the network around it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from fenghuo_agent.topology.compact import Numbers, Port, Ports


class Neighbour(NamedTuple):
    """What a discovery protocol heard on a port.

    `port` is the own ifIndex, 0 where it is not known. `chassis` is the neighbour's MAC or 0, `chassis_id` its id as text
    with `chassis_kind` LLDP's subtype; `port_id`, `port_kind` and `port_descr` are its port's.
    """

    port: int
    protocol: str
    chassis: int
    chassis_id: str
    chassis_kind: int
    port_id: str
    port_kind: int
    port_descr: str
    name: str
    descr: str
    addresses: tuple[str, ...]
    capabilities: frozenset[str]


class Designated(NamedTuple):
    """Who speaks for the segment behind a port, by the spanning tree: its bridge's MAC and its port's number."""

    port: int
    bridge: int
    number: int


class Stations:
    """The forwarding table: MACs, the ports (ifIndex) on which they were learnt, their VLANs (0: not known).

    14 octets an entry: a switch in the middle of a school knows tens of thousands.
    """

    __slots__ = ("macs", "ports", "vlans")

    def __init__(self, entries: Iterable[tuple[int, int, int]] = ()) -> None:
        self.macs = array("Q")
        self.ports = array("I")
        self.vlans = array("H")
        for mac, port, vlan in entries:
            self.add(mac, port, vlan)

    def add(self, mac: int, port: int, vlan: int) -> None:
        """Take one entry."""
        self.macs.append(mac)
        self.ports.append(port)
        self.vlans.append(vlan)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        return zip(self.macs, self.ports, self.vlans, strict=True)

    def __len__(self) -> int:
        return len(self.macs)


class Draft:
    """Bindings being gathered: each once, as a number or as octets."""

    __slots__ = ("four", "six")

    def __init__(self) -> None:
        self.four: set[int] = set()
        self.six: set[bytes] = set()

    def add(self, mac: int, packed: bytes) -> None:
        """Take the address of 4 or 16 octets that a MAC has."""
        if len(packed) == 4:
            self.four.add(mac << 32 | int.from_bytes(packed))
        else:
            self.six.add(mac.to_bytes(6) + packed)

    def discard(self, addresses: Container[bytes]) -> None:
        """Leave out these addresses, whoever has them."""
        self.four = {pair for pair in self.four if (pair & 0xFFFF_FFFF).to_bytes(4) not in addresses}
        self.six = {pair for pair in self.six if pair[6:] not in addresses}


class Bindings:
    """Which MAC has which address, from ARP and Neighbour Discovery; searched by bisection. 12 octets for each of IPv4, 24 of IPv6."""

    __slots__ = ("_four", "_six", "_wide")

    def __init__(self, pairs: Iterable[tuple[int, str]] = ()) -> None:
        draft = Draft()
        for mac, text in pairs:
            draft.add(mac, ip_address(text.partition("%")[0]).packed)
        self._take(draft)

    def _take(self, draft: Draft) -> None:
        # MAC and IPv4 address do not fit 64 bits together, so that both stand in arrays of their own.
        ordered = sorted(draft.four)
        self._four = (
            array("Q", (pair >> 32 for pair in ordered)),
            array("I", (pair & 0xFFFF_FFFF for pair in ordered)),
        )
        wide = sorted(draft.six)
        self._six = array("Q", (int.from_bytes(pair[:6]) for pair in wide))
        self._wide = b"".join(pair[6:] for pair in wide)

    @classmethod
    def of_draft(cls, draft: Draft) -> Bindings:
        """What a draft gathered."""
        made = cls()
        made._take(draft)
        return made

    def pour(self, draft: Draft) -> None:
        """Add all of them to a draft."""
        draft.four.update(mac << 32 | number for mac, number in zip(*self._four, strict=True))
        draft.six.update(mac.to_bytes(6) + self._wide[16 * at : 16 * at + 16] for at, mac in enumerate(self._six))

    def __len__(self) -> int:
        return len(self._four[0]) + len(self._six)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for mac, number in zip(*self._four, strict=True):
            yield mac, str(IPv4Address(number))
        for place, mac in enumerate(self._six):
            yield mac, self._sixth(place)

    def of(self, mac: int) -> list[str]:
        """The addresses of a MAC."""
        macs, numbers = self._four
        found: list[str] = []
        place = bisect_left(macs, mac)
        while place < len(macs) and macs[place] == mac:
            found.append(str(IPv4Address(numbers[place])))
            place += 1
        place = bisect_left(self._six, mac)
        while place < len(self._six) and self._six[place] == mac:
            found.append(self._sixth(place))
            place += 1
        return found

    def macs(self, address: str) -> list[int]:
        """The MACs that have an address; none where it is no address."""
        try:
            ip_address(address)
        except ValueError:
            return []
        if ":" in address:
            wanted = IPv6Address(address).packed
            return [mac for place, mac in enumerate(self._six) if self._wide[16 * place : 16 * place + 16] == wanted]
        number = int(IPv4Address(address))
        return [mac for mac, found in zip(*self._four, strict=True) if found == number]

    def _sixth(self, place: int) -> str:
        return str(IPv6Address(self._wide[16 * place : 16 * place + 16]))


__all__ = ["Bindings", "Designated", "Draft", "Neighbour", "Port", "Seen", "Stations"]


@dataclass(slots=True)
class Seen:
    """One device's answer.

    `macs` and `addresses` are its own. `counts` is how many different MACs each port of the bridge
    has, where `prune` took the stations apart. `aggregates` gives for a member port its aggregate (ifIndex both). `advertised`
    gives for the port ids that it sends by LLDP their ifIndex,
    where they are no name of that port. `silent` names the parts that could not be read: what is
    not in them is unknown, not gone. `faults` is what was wrong with its tables.
    """

    instance: str
    device: str = ""
    time: int = 0
    name: str = ""
    chassis: str = ""
    bridge: bool = False
    macs: frozenset[int] = frozenset()
    addresses: frozenset[str] = frozenset()
    ports: Ports = field(default_factory=Ports)
    base_ports: Numbers = field(default_factory=Numbers)
    neighbours: list[Neighbour] = field(default_factory=list[Neighbour])
    stations: Stations = field(default_factory=Stations)
    counts: Numbers = field(default_factory=Numbers)
    bindings: Bindings = field(default_factory=Bindings)
    aggregates: dict[int, int] = field(default_factory=dict[int, int])
    advertised: dict[str, int] = field(default_factory=dict[str, int])
    blocked: frozenset[int] = frozenset()
    root_port: int = 0
    designated: list[Designated] = field(default_factory=list[Designated])
    silent: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()

    def prune(self, ports: Container[int], wanted: Container[int]) -> None:
        """Keep of the stations on these ports only the wanted MACs: each switch sees most MACs on its way to the others."""
        self.counts = Numbers(self.count())
        self.stations = Stations(entry for entry in self.stations if entry[1] not in ports or entry[0] in wanted)

    def count(self) -> Mapping[int, int]:
        """How many different MACs each port of the bridge has; those that have none too."""
        if self.counts:
            return self.counts
        counts = {self.port(port): 0 for port in self.base_ports.values()}
        several = len(set(self.stations.vlans)) > 1
        entries = {entry[:2] for entry in self.stations} if several else self.stations
        for entry in entries:
            counts[entry[1]] = counts.get(entry[1], 0) + 1
        return counts

    def port(self, index: int) -> int:
        """The aggregate of a port, or the port itself."""
        return self.aggregates.get(index, index)

    def label(self, index: int) -> str:
        """What a port is called."""
        found = self.ports.get(index)
        return found.label if found else str(index) if index else ""
