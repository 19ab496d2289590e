"""Links: what both ends tell of one is merged into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fenghuo_agent.topology.identity import Directory
from fenghuo_agent.topology.model import SEGMENT, End, Link, Node
from fenghuo_agent.topology.seen import Neighbour, Seen


class Told(NamedTuple):
    """What one end says: `port` of the teller leads to `far`, there to `far_port` (0: not known), called `far_label`."""

    teller: str
    port: int
    far: str
    far_port: int
    far_label: str
    source: str


class Links:
    """Gathers what is told of links, then merges it."""

    def __init__(self, seen: Mapping[str, Seen], directory: Directory) -> None:
        self._seen = seen
        self._directory = directory
        self._told: dict[tuple[str, str], list[Told]] = defaultdict(list)
        self._ports: dict[tuple[str, int], set[str]] = defaultdict(set)

    def told(self) -> None:
        """Take what the discovery protocols heard, and from the spanning tree what they leave open."""
        for name, one in self._seen.items():
            for heard in one.neighbours:
                self._hear(name, heard)
        for name, one in self._seen.items():
            for port, bridge, number in one.designated:
                far = self._directory.macs.get(bridge, "")
                if not far or far == name or self._ports[name, port]:
                    continue
                there = self._seen[far].base_ports.get(number, 0)
                self.add(Told(name, port, far, self._seen[far].port(there), "", "stp"))

    def _hear(self, teller: str, heard: Neighbour) -> None:
        far = self._directory.node(teller, heard)
        if not far or far == teller:
            return
        known = far in self._seen
        there = self._directory.port(far, heard) if known else 0
        self.add(Told(teller, heard.port, far, there, _port_label(heard), heard.protocol))

    def add(self, told: Told) -> None:
        """Take what one end says of a link."""
        first, second = sorted((told.teller, told.far))
        self._told[first, second].append(told)
        self._ports[told.teller, told.port].add(told.far)
        if told.far_port:
            self._ports[told.far, told.far_port].add(told.teller)

    def segment(self) -> str:
        """The node that stands for what connects the agent and several switches, and speaks to nobody."""
        self._directory.nodes[SEGMENT] = Node(SEGMENT, SEGMENT, known=False, capabilities=frozenset(("bridge",)))
        return SEGMENT

    def behind(self, node: str, port: int) -> set[str]:
        """The nodes that a port is said to lead to."""
        return self._ports.get((node, port), set())

    def connected(self, one: str, other: str) -> bool:
        """Whether a link between two nodes is told of."""
        return (min(one, other), max(one, other)) in self._told

    def merged(self) -> list[Link]:
        """Each link once, in a fixed order."""
        return sorted((link for pair, told in self._told.items() for link in self._merge(*pair, told)), key=_order)

    def _merge(self, first: str, second: str, told: list[Told]) -> Iterator[Link]:
        """The links of two nodes.

        Ends that are both told make a link. Of the rest, one that only the first knows its port of and one that only the
        second does are the same link, where there is one of each.
        """
        whole: dict[tuple[int, int], set[str]] = defaultdict(set)
        half: tuple[dict[int, set[str]], dict[int, set[str]]] = (defaultdict(set), defaultdict(set))
        labels: dict[tuple[int, int], str] = {}
        for one in told:
            side = 0 if one.teller == first else 1
            if one.far_port:
                ends = (one.port, one.far_port) if side == 0 else (one.far_port, one.port)
                whole[ends].add(one.source)
            else:
                half[side][one.port].add(one.source)
                labels.setdefault((side, one.port), one.far_label)
        for side in (0, 1):
            for ends in whole:
                whole[ends] |= half[side].pop(ends[side], set())
            if whole or len(half[side]) > 1:
                half[side].pop(0, None)
        if len(half[0]) == len(half[1]) == 1:
            (mine, sources), (theirs, others) = next(iter(half[0].items())), next(iter(half[1].items()))
            whole[mine, theirs] |= sources | others
            half[0].clear()
            half[1].clear()
        for (mine, theirs), sources in whole.items():
            yield self._link(first, mine, "", second, theirs, "", sources)
        for port, sources in half[0].items():
            yield self._link(first, port, "", second, 0, labels[0, port], sources)
        for port, sources in half[1].items():
            yield self._link(first, 0, labels[1, port], second, port, "", sources)

    def _link(
        self, first: str, mine: int, my_label: str, second: str, theirs: int, label: str, sources: set[str]
    ) -> Link:
        return Link(
            End(first, mine, self._label(first, mine) or my_label),
            End(second, theirs, self._label(second, theirs) or label),
            frozenset(sources),
        )

    def _label(self, node: str, port: int) -> str:
        one = self._seen.get(node)
        return one.label(port) if one else ""


def _port_label(heard: Neighbour) -> str:
    """What to call a neighbour's port: its id where it is a name, else its description, else its id."""
    named = heard.port_id and heard.port_kind not in (0, 3, 7)
    return heard.port_id if named or not heard.port_descr else heard.port_descr


def _order(link: Link) -> tuple[str, str, str, str]:
    return link.key
