"""Where each MAC is: on the port that leads to no other switch."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from fenghuo_agent.topology.forwarding import Forwarding
from fenghuo_agent.topology.identity import Directory
from fenghuo_agent.topology.model import ACCESS, Link, Locations, Place
from fenghuo_agent.topology.seen import Seen

ON_PORT, BEHIND_UNREAD, FURTHER = 0, 1, 2
"""How near a port is to what is seen on it: it is there; behind a node that cannot be read; behind switches that were read."""


def locate(
    seen: Mapping[str, Seen],
    further: Container[tuple[str, int]],
    uplinks: Mapping[tuple[str, int], str],
    links: Sequence[Link],
    directory: Directory,
    forwarding: Forwarding,
) -> Locations:
    """The place of each MAC.

    A MAC may be seen on several ports where it moved a moment ago: the nearest counts, of equally near ones that with
    the fewest MACs, and of such the one that was told last.
    """
    places: list[Place] = []
    weights: list[tuple[int, int, int]] = []
    found: dict[int, int] = {}
    switches = {mac for mac, owner in directory.macs.items() if owner in forwarding.via}
    for name, one in seen.items():
        numbers: dict[int, int] = {}
        counts = one.count()
        for mac, port, vlan in one.stations:
            number = numbers.get(port, -1)
            if number < 0:
                number = numbers[port] = len(places)
                rank = ON_PORT
                if uplinks.get((name, port), ACCESS) != ACCESS:
                    rank = FURTHER if (name, port) in further else BEHIND_UNREAD
                places.append(Place(name, port, rank != FURTHER, one.time))
                weights.append((rank, counts[port], -one.time))
            before = found.get(mac)
            if (before is None or weights[number] < weights[before >> 16]) and mac not in switches:
                found[mac] = number << 16 | vlan
    behind = {
        (near.node, near.if_index): other.node
        for link in links
        for near, other in ((link.a, link.b), (link.b, link.a))
        if not directory.nodes[other.node].known and uplinks.get((near.node, near.if_index))
    }
    return Locations(found, places, behind)
