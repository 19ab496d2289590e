"""What changed from one topology to the next, without what only seems to: silence is no vanished link, roaming no news."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fenghuo.model import Document
from fenghuo_agent.topology import changes, decode
from fenghuo_agent.topology.model import SEGMENT, Link, Location, Topology

CONFIRM = 2
"""A link is gone once it was missing so many times in a row, each time with both ends asked."""
MOST_CHANGES = 4
"""After so many changes within the window a link or a host is left alone until it was quiet for that long."""
WINDOW = 3600_000
MOST_WATCHED = 4096

Key = tuple[str, ...]


@dataclass(slots=True)
class _Known:
    link: Link
    misses: int = 0


@dataclass(slots=True)
class Restless:
    """Who changes too often to be told of, by times in Unix milliseconds."""

    _times: dict[Key, list[int]] = field(default_factory=dict[Key, list[int]])

    def quiet(self, key: Key, now: int) -> bool:
        """Note a change; whether it may be told."""
        times = [time for time in self._times.pop(key, []) if now - time < WINDOW][-MOST_CHANGES:]
        self._times[key] = [*times, now]
        while len(self._times) > MOST_WATCHED:
            del self._times[next(iter(self._times))]
        return len(times) < MOST_CHANGES


class Watch:
    """Compares successive topologies. Keeps links of devices that are silent, and places of MACs for a while."""

    def __init__(self, *, remember: int, most_macs: int, most_events: int) -> None:
        """`remember` is in milliseconds."""
        self._remember = remember
        self._most_macs = most_macs
        self._most_events = most_events
        self._links: dict[Key, _Known] = {}
        self._read: frozenset[str] = frozenset()
        self._before: Topology | None = None
        self._restless = Restless()
        self.dropped = 0

    def step(self, topology: Topology, silent: Collection[str], now: int) -> list[Document]:
        """The events of what changed; the topology is completed by what silent devices said before.

        A device is compared only with what it said itself before, so that a start or a new device is no storm of news.
        """
        before = self._before
        known = self._read
        found = [*self._changed_links(topology, silent, known, now)]
        if before is not None:
            topology.attached = _kept(topology, before, silent)
            topology.locations = topology.locations.over(before.locations, now - self._remember, self._most_macs)
            found += self._moved(topology, before, silent, now)
        self._before = topology
        self._read = frozenset(topology.seen)
        left_out = len(found) - self._most_events
        if left_out > 0:
            self.dropped += left_out
            del found[self._most_events :]
            found.append(changes.left_out(left_out))
        return found

    def _changed_links(
        self, topology: Topology, silent: Collection[str], known: frozenset[str], now: int
    ) -> Iterator[Document]:
        current = {link.key: link for link in topology.links}
        gone = {key: one for key, one in self._links.items() if key not in current}
        for key, link in current.items():
            one = self._links.get(key)
            if one is not None:
                one.link, one.misses = link, 0
                continue
            self._links[key] = _Known(link)
            instead = _instead_of(link, [other.link for other in gone.values()])
            if instead is not None:
                del self._links[instead.key], gone[instead.key]
            if not _tellers(link, topology) <= known or not self._restless.quiet(_pair(link), now):
                continue
            yield changes.link(topology, link, instead, surprise=self._surprises(topology, link))
        for key, one in gone.items():
            ends = {one.link.a.node, one.link.b.node} & set(topology.seen)
            if ends & set(silent) and ends:
                topology.links.append(one.link)
                _add_nodes(topology, self._before, one.link)
                continue
            one.misses += 1
            if one.misses < CONFIRM and ends:
                continue
            del self._links[key]
            if ends and self._restless.quiet(_pair(one.link), now):
                yield changes.link_gone(topology, one.link)

    def _surprises(self, topology: Topology, link: Link) -> bool:
        """Whether a switch that cannot be read shows up at a port that was an access port before."""
        for near, far in ((link.a, link.b), (link.b, link.a)):
            node = topology.nodes[far.node]
            if node.known or not node.passes_on or node.access_point or node.id == SEGMENT or self._before is None:
                continue
            if near.node in self._read and (near.node, near.if_index) not in self._before.uplinks:
                return True
        return False

    def _moved(self, topology: Topology, before: Topology, silent: Collection[str], now: int) -> Iterator[Document]:
        for location in topology.locations:
            was = before.locations.of(location.mac)
            if was is None or was.place[:2] == location.place[:2]:
                continue
            if not _settled(was, before) or not _settled(location, topology):
                continue
            if location.place.instance in silent or location.place.instance not in self._read:
                continue
            if self._restless.quiet((decode.mac_text(location.mac),), now):
                yield changes.host_moved(topology, location, was)


def _settled(location: Location, topology: Topology) -> bool:
    """Whether a place is one where something stands: an access port, the MAC not made up, and nobody roaming."""
    port = location.place.instance, location.place.if_index
    fixed = not location.mac & decode.LOCAL_BIT and location.place.exact
    return fixed and not location.behind and topology.uplinks.get(port) is None


def _tellers(link: Link, topology: Topology) -> frozenset[str]:
    return frozenset({link.a.node, link.b.node} & set(topology.seen))


def _pair(link: Link) -> Key:
    return link.a.node, link.b.node


def _instead_of(link: Link, gone: list[Link]) -> Link | None:
    """The link that another takes the place of: from the same port, or between the same nodes."""
    ends = {end[:2] for end in (link.a, link.b) if end.if_index}
    for old in gone:
        if ends & {end[:2] for end in (old.a, old.b) if end.if_index}:
            return old
    return next((old for old in gone if _pair(old) == _pair(link)), None)


def _add_nodes(topology: Topology, before: Topology | None, link: Link) -> None:
    for end in (link.a, link.b):
        if before is not None and end.node not in topology.nodes:
            topology.nodes[end.node] = before.nodes[end.node]
        if end.if_index and before is not None:
            place = (end.node, end.if_index)
            if place in before.uplinks:
                topology.uplinks.setdefault(place, before.uplinks[place])


def _kept(topology: Topology, before: Topology, silent: Collection[str]) -> dict[str, str]:
    """Where devices hang; silent ones where they hung before."""
    old = {name: node for name, node in before.attached.items() if name in silent and name in topology.seen}
    return old | topology.attached
