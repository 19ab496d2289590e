"""What comes of joining what many devices saw."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fenghuo_agent.topology.seen import Bindings, Seen

UPLINK = "yes"
ACCESS_POINT = "access-point"
ACCESS = "no"
SEGMENT = "unmanaged"
"""The node that switches share which see each other and the agent, and nobody between them."""
AGENT = "agent"
"""The node that the agent itself is."""


@dataclass(frozen=True, slots=True)
class Node:
    """A device: one that was read (`id` is its instance), or one that others heard of (`known` is False then)."""

    id: str
    name: str
    known: bool
    mac: int = 0
    addresses: tuple[str, ...] = ()
    descr: str = ""
    capabilities: frozenset[str] = frozenset()

    @property
    def passes_on(self) -> bool:
        """Whether other devices may hang behind it: a switch, a router, a repeater; no telephone with a port for a computer."""
        return bool(self.capabilities & {"bridge", "router", "repeater"}) and "telephone" not in self.capabilities

    @property
    def access_point(self) -> bool:
        """Whether it is an access point."""
        return "access-point" in self.capabilities


class End(NamedTuple):
    """One end of a link: a node, its port's ifIndex (0 where it is not known) and what the port is called."""

    node: str
    if_index: int
    port: str


class Link(NamedTuple):
    """Two ends that are connected, the smaller first; an aggregate is one link. `sources` are `lldp`, `cdp`, `mndp`, `stp`, `fdb`."""

    a: End
    b: End
    sources: frozenset[str]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same of a link from round to round."""
        return self.a.node, self.a.port, self.b.node, self.b.port

    def end(self, node: str) -> End:
        """The end at a node."""
        return self.a if self.a.node == node else self.b

    def other(self, node: str) -> End:
        """The end that is not at a node."""
        return self.b if self.a.node == node else self.a


class Place(NamedTuple):
    """A port where MACs were learnt, as its switch said at a `time` (Unix milliseconds).

    `exact` is False where they are only known to be somewhere behind it.
    """

    instance: str
    if_index: int
    exact: bool
    time: int


class Location(NamedTuple):
    """Where a MAC is: a port, its VLAN (0: not known), and behind which unread node (empty: on the port itself)."""

    mac: int
    place: Place
    vlan: int
    behind: str


Behind = Mapping[tuple[str, int], str]
"""The unread node that a port (instance, ifIndex) leads to."""


class Locations:
    """Where each MAC is; 14 octets for each."""

    __slots__ = ("_behind", "_macs", "_numbers", "_vlans", "places")

    def __init__(self, found: Mapping[int, int], places: list[Place], behind: Behind) -> None:
        """`found` gives for a MAC the number of its place in `places` and its VLAN, packed as `number << 16 | vlan`."""
        self.places = places
        self._behind = behind
        self._macs = array("Q", sorted(found))
        self._numbers = array("I", (found[mac] >> 16 for mac in self._macs))
        self._vlans = array("H", (found[mac] & 0xFFFF for mac in self._macs))

    def __len__(self) -> int:
        return len(self._macs)

    def __iter__(self) -> Iterator[Location]:
        for at in range(len(self._macs)):
            yield self._at(at)

    def of(self, mac: int) -> Location | None:
        """Where a MAC is, or None."""
        at = bisect_left(self._macs, mac)
        return self._at(at) if at < len(self._macs) and self._macs[at] == mac else None

    def _at(self, at: int) -> Location:
        place = self.places[self._numbers[at]]
        return Location(self._macs[at], place, self._vlans[at], self._behind.get((place.instance, place.if_index), ""))

    def over(self, older: Locations, since: int, most: int) -> Locations:
        """These, and of the older ones those that are not among them, were said after `since`, and leave no more than `most`."""
        own = set(self._macs)
        room = most - len(own)
        kept = [
            at
            for at, mac in enumerate(older._macs)
            if mac not in own and older.places[older._numbers[at]].time >= since
        ]
        if not kept:
            return self
        # Where there is no room for all, those seen last are kept.
        kept.sort(key=lambda at: -older.places[older._numbers[at]].time)
        numbers: dict[Place, int] = {}
        places = list(self.places)
        found = {mac: self._numbers[at] << 16 | self._vlans[at] for at, mac in enumerate(self._macs)}
        for at in kept[: max(0, room)]:
            place = older.places[older._numbers[at]]
            number = numbers.get(place)
            if number is None:
                number = numbers[place] = len(places)
                places.append(place)
            found[older._macs[at]] = number << 16 | older._vlans[at]
        return Locations(found, places, self._behind)


@dataclass(slots=True)
class Topology:
    """All of it.

    `uplinks` says of ports (instance, ifIndex) that lead on what they lead to; other ports are access ports. `attached`
    gives the node at which each device hangs that has no link. `further` are the uplinks
    that lead to switches that were read.
    """

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    links: list[Link] = field(default_factory=list[Link])
    locations: Locations = field(default_factory=lambda: Locations({}, [], {}))
    bindings: Bindings = field(default_factory=Bindings)
    uplinks: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    attached: dict[str, str] = field(default_factory=dict[str, str])
    further: frozenset[tuple[str, int]] = frozenset()
    seen: Mapping[str, Seen] = field(default_factory=dict[str, Seen])

    def port(self, instance: str, if_index: int) -> str:
        """What a port of a device that was read is called."""
        found = self.seen.get(instance)
        return found.label(if_index) if found else str(if_index or "")

    def whereabouts(self, instance: str, macs: Iterable[int] = ()) -> str:
        """The node at which a device hangs, by its MACs or by those that have its address; empty where nobody knows."""
        for mac in (*macs, *self.bindings.macs(host_of(instance))):
            location = self.locations.of(mac)
            if location is not None and location.place.instance != instance:
                return location.behind or location.place.instance
        return ""


def host_of(instance: str) -> str:
    """The address in an instance, without port, brackets and zone."""
    if instance.startswith("["):
        return instance[1:].partition("]")[0].partition("%")[0]
    return (instance.partition(":")[0] if instance.count(":") == 1 else instance).partition("%")[0]
