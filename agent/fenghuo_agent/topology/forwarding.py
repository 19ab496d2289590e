"""What forwarding tables say of links where no discovery protocol does.

After Breitbart et al. (Topology Discovery in Heterogeneous IP Networks, INFOCOM 2000) and Lowekamp et al. (Topology
Discovery for Large Ethernet Networks, SIGCOMM 2001), but with the little that tables hold in practice: a switch knows the
devices that spoke through it lately, foremost those that answer the agent. So all switches are looked at from one root: a
port that does not lead to it and on which a device is seen leads down to that device.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from fenghuo_agent.topology.links import Links, Told
from fenghuo_agent.topology.model import AGENT
from fenghuo_agent.topology.seen import Seen


class Forwarding:
    """On which port each switch sees each device that was read."""

    def __init__(self, seen: Mapping[str, Seen], owners: Mapping[int, str], agent: frozenset[int]) -> None:
        self._seen = seen
        wanted = {**owners, **{mac: AGENT for mac in agent if mac not in owners}}
        self.via = {name: _ports_of(one, wanted) for name, one in seen.items() if one.stations}
        self.root = self._choose_root()
        self.root_ports = {name: ports.get(self.root, 0) for name, ports in self.via.items()}

    def _choose_root(self) -> str:
        """The agent where a switch knows where it is; else the switch that sees most devices, and is seen by most."""
        heard = Counter(device for ports in self.via.values() for device in ports)
        if heard[AGENT]:
            return AGENT
        bridges = sorted((-len(ports), -heard[name], name) for name, ports in self.via.items())
        return bridges[0][2] if bridges else ""

    def towards_bridges(self) -> Iterable[tuple[str, int]]:
        """Ports on which another switch is seen."""
        for name, ports in self.via.items():
            for device, port in ports.items():
                if device in self.via and device != name:
                    yield name, port

    def below(self, name: str, port: int) -> bool:
        """Whether a switch's port leads away from the root."""
        return bool(self._is_root(name) or (self.root_ports.get(name) and self.root_ports[name] != port))

    def _is_root(self, name: str) -> bool:
        return name == self.root

    def parents(self, device: str) -> list[str]:
        """The nearest switches that see a device on a port that leads down; more than one where too little is known."""
        above = {
            name: ports[device]
            for name, ports in self.via.items()
            if name != device and device in ports and self.below(name, ports[device])
        }
        covered = {
            higher
            for lower in above
            for higher, port in above.items()
            if higher != lower and self.via[higher].get(lower) == port and self.below(higher, port)
        }
        return sorted(name for name in above if name not in covered and not self._hidden(name, above[name], device))

    def _hidden(self, name: str, port: int, device: str) -> bool:
        """Whether a switch sees the device too, does not know its own way to the root, and is not seen elsewhere.

        It may stand between.
        """
        return any(
            device in ports
            and other not in (name, device, self.root)
            and not self.root_ports[other]
            and self.via[name].get(other, port) == port
            for other, ports in self.via.items()
        )

    def infer(self, links: Links) -> None:
        """Add the links of switches whose way to the root nobody told.

        The port of the switch above may be said to lead to somebody else: then the switch hangs behind that one. Several
        switches with nobody above share an unread segment, at which the agent hangs too.
        """
        tops: list[tuple[str, int]] = []
        for name in self.via:
            own = self.root_ports.get(name, 0)
            if name == self.root or (own and links.behind(name, own)):
                continue
            parents = self.parents(name)
            if own and not parents:
                tops.append((name, own))
            if len(parents) != 1:
                continue
            parent = parents[0]
            port = self.via[parent][name]
            told = links.behind(parent, port) - {name}
            if links.connected(parent, name):
                continue
            between = sorted(node for node in told if node not in self.via)
            if between:
                links.add(Told(name, own, between[0], 0, "", "fdb"))
            else:
                links.add(Told(parent, port, name, own, "", "fdb"))
        if self.root == AGENT:
            self._share(links, tops)

    def _share(self, links: Links, tops: list[tuple[str, int]]) -> None:
        """Link those to one segment that see each other where they see the agent."""
        for name, own in tops:
            others = (other for other, port in tops if self.via[other].get(name) == port)
            if any(self.via[name].get(other) == own for other in others):
                links.add(Told(name, own, links.segment(), 0, "", "fdb"))


def _ports_of(one: Seen, owners: Mapping[int, str]) -> dict[str, int]:
    """The port on which each device is seen; none where its MACs are seen on several, as often as on each other."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for mac, port, _ in one.stations:
        owner = owners.get(mac)
        if owner and owner != one.instance:
            counts[owner][port] += 1
    found: dict[str, int] = {}
    for owner, ports in counts.items():
        ((port, most), *rest) = ports.most_common(2)
        if not rest or rest[0][1] < most:
            found[owner] = port
    return found
