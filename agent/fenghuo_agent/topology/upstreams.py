"""The tree towards the agent: which dead device explains that others do not answer."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping

from fenghuo_agent.topology.model import Topology, host_of

Beyond = Callable[[str], bool]


class Upstreams:
    """The ways from a root to every device. Made of one topology, asked many times."""

    def __init__(self, topology: Topology, root: str, gateway: str = "", beyond: Beyond = lambda _: False) -> None:
        """`root` is the instance (or other node) from which all are asked: the switch at which the agent hangs, or its gateway.

        `gateway` is the instance of the router through which the way leads to addresses that are `beyond`.
        """
        self.root = root
        self._gateway = gateway
        self._beyond = beyond
        self._topology = topology
        self._next: dict[str, set[str]] = defaultdict(set)
        for link in topology.links:
            self._join(link.a.node, link.b.node)
        for one, node in topology.attached.items():
            self._join(one, node)
        self._above = self._walk()
        self._hosts = {host_of(name): name for name in topology.seen}
        self._asked: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset(self._above))

    def _name(self, host: str) -> str:
        """The instance that a host is: itself, or the one that is polled at its address."""
        return host if host in self._above else self._hosts.get(host_of(host), host)

    def _join(self, one: str, other: str) -> None:
        self._next[one].add(other)
        self._next[other].add(one)

    def _walk(self) -> dict[str, str]:
        """For each node the one above it, on a shortest way to the root; nearest nodes first."""
        above = {self.root: ""}
        queue = deque((self.root,))
        while queue:
            node = queue.popleft()
            for other in sorted(self._next.get(node, ())):
                if other not in above:
                    above[other] = node
                    queue.append(other)
        return above

    def of(self, host: str) -> str | None:
        """The device or node above a host (an instance, or an address that has a place); None where it is not known."""
        name = self._name(host)
        if name in self._above:
            return self._above[name] or None
        return self._topology.whereabouts(host) or None

    def explains(self, instance: str, down: Collection[str]) -> str | None:
        """The dead device that explains why another does not answer: all ways to it are dead, and this is the first on one.

        None where one way is alive up to it, or where it has no place in the tree. What is in other networks than the
        agent is behind the gateway too.
        """
        cause = self._on_the_way(instance, down)
        gateway = self._gateway
        if cause is None and gateway in down and gateway != instance and self._beyond(host_of(instance)):
            return self._on_the_way(gateway, down) or gateway
        return cause

    def _on_the_way(self, instance: str, down: Collection[str]) -> str | None:
        name = self._name(instance)
        above = self.of(instance)
        if above is None:
            return None
        reached = self._reached(frozenset(down))
        if above in reached and name not in self._above:
            return above if above in down else None
        if name in reached:
            return None
        dead = [node for node in self._way(above) if node in down]
        return dead[-1] if dead else None

    def _way(self, node: str) -> Iterable[str]:
        """From a node up to the root."""
        while node:
            yield node
            node = self._above.get(node, "")

    def _reached(self, down: frozenset[str]) -> frozenset[str]:
        """The nodes to which a living way leads; dead ones at its end are among them."""
        if self._asked[0] == down:
            return self._asked[1]
        reached = {self.root}
        queue = deque((self.root,))
        while queue:
            node = queue.popleft()
            if node in down:
                continue
            for other in self._next.get(node, ()):
                if other not in reached:
                    reached.add(other)
                    queue.append(other)
        self._asked = (down, frozenset(reached))
        return self._asked[1]

    def behind(self, down: Collection[str]) -> Mapping[str, list[str]]:
        """For each dead device that explains others, those others."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(down):
            cause = self.explains(name, down)
            if cause is not None:
                found[cause].append(name)
        return found
