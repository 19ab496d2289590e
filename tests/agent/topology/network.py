"""A network as it is, and what its devices would say of it: frames are flooded through it and tables learnt, as switches do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from fenghuo_agent.topology.seen import Bindings, Designated, Neighbour, Port, Seen, Stations

AGENT_MAC = 0x02000000FE01


@dataclass
class Box:
    """A device. `smart` ones forward and can be read; `dumb` ones forward and cannot; `host`s do not forward."""

    name: str
    number: int
    kind: str = "smart"
    ip: str = ""
    lldp: bool = True
    caps: frozenset[str] = frozenset(("bridge",))
    blocked: set[int] = field(default_factory=set)

    @property
    def mac(self) -> int:
        return 0x001122000000 + (self.number << 8)

    def port_mac(self, port: int) -> int:
        return self.mac + port


class Network:
    """Boxes and cables. Ports are small numbers; ifIndex is a hundred more, so that no test mixes them up."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.cables: dict[tuple[str, int], tuple[str, int]] = {}
        self.aggregates: dict[tuple[str, int], int] = {}

    def box(self, name: str, kind: str = "smart", **more) -> Box:
        made = self.boxes[name] = Box(name, len(self.boxes) + 1, kind, **more)
        made.ip = made.ip or f"10.0.{made.number >> 8}.{made.number & 255}"
        return made

    def host(self, name: str, switch: str, port: int, **more) -> Box:
        made = self.box(name, "host", **more)
        self.cable(name, 1, switch, port)
        return made

    def cable(self, one: str, port: int, other: str, there: int) -> None:
        self.cables[one, port] = (other, there)
        self.cables[other, there] = (one, port)

    def instance(self, name: str) -> str:
        return self.boxes[name].ip

    def flood(self, source: str) -> dict[str, int]:
        """The port on which each forwarding box sees a frame that `source` sends to all."""
        seen: dict[str, int] = {}
        queue = [(source, 0)]
        while queue:
            name, arrived = queue.pop()
            for (box, port), (other, there) in self.cables.items():
                if box != name or port == arrived or (name != source and self.boxes[name].kind == "host"):
                    continue
                if port in self.boxes[name].blocked or there in self.boxes[other].blocked:
                    continue
                if other in seen or other == source:
                    continue
                seen[other] = there
                queue.append((other, there))
        return seen

    def seen(
        self, *, talkers: set[str] | None = None, read: set[str] | None = None, only_up: bool = False
    ) -> dict[str, Seen]:
        """What the boxes say: `talkers` spoke lately (all, if not said), `read` can be read (smart ones, if not said)."""
        names = read if read is not None else {name for name, box in self.boxes.items() if box.kind == "smart"}
        tables: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for name, box in self.boxes.items():
            if talkers is None or name in talkers:
                for there, port in self.flood(name).items():
                    mac = AGENT_MAC if name == "agent" else box.mac
                    tables[there].append((mac, self.aggregates.get((there, port), port) + 100, 1))
        return {self.instance(name): self._one(name, tables[name]) for name in sorted(names)}

    def _one(self, name: str, table: list[tuple[int, int, int]]) -> Seen:
        box = self.boxes[name]
        count = max([port for owner, port in self.cables if owner == name], default=1)
        count = max(count, 12)
        bridge = box.kind == "smart"
        result = Seen(
            box.ip, device=name, name=name, bridge=bridge, macs=frozenset((box.mac,)), addresses=frozenset((box.ip,))
        )
        for port in range(1, count + 1):
            result.ports[port + 100] = Port(
                port + 100, f"Gi0/{port}", f"GigabitEthernet0/{port}", "", box.port_mac(port), 6
            )
            result.base_ports[port] = port + 100
            if (name, port) in self.aggregates:
                aggregate = self.aggregates[name, port] + 100
                result.aggregates[port + 100] = aggregate
                result.ports[aggregate] = Port(aggregate, f"Po{aggregate - 100}", "", "", 0, 161)
        if bridge:
            result.stations = Stations(sorted(table))
        for (owner, port), (other, there) in self.cables.items():
            far = self.boxes[other]
            if owner == name and box.lldp and far.lldp and far.kind != "dumb":
                result.neighbours.append(self.neighbour(result.port(port + 100), far, there))
        return result

    @staticmethod
    def neighbour(port: int, far: Box, there: int, protocol: str = "lldp") -> Neighbour:
        mac = far.mac.to_bytes(6).hex(":")
        return Neighbour(port, protocol, far.mac, mac, 4, f"Gi0/{there}", 5, "", far.name, "", (far.ip,), far.caps)


def designated(one: Seen, port: int, far: Box, number: int) -> None:
    one.designated.append(Designated(port + 100, far.mac, number))


def arp(one: Seen, *boxes: Box) -> None:
    one.bindings = Bindings((box.mac, box.ip) for box in boxes)


def drawn(topology, network: Network) -> set[str]:
    """Links as texts, `a:Gi0/1 - b:Gi0/2`, of names in order."""
    names = {box.ip: name for name, box in network.boxes.items()}

    def end(one) -> str:
        return f"{names.get(one.node, topology.nodes[one.node].name)}:{one.port}"

    return {" - ".join(sorted((end(link.a), end(link.b)))) for link in topology.links}
