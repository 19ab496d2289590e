"""What many devices saw, joined into one picture. Nothing here waits or asks; the same input gives the same picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fenghuo_agent.topology.forwarding import Forwarding
from fenghuo_agent.topology.identity import Directory
from fenghuo_agent.topology.links import Links
from fenghuo_agent.topology.locations import locate
from fenghuo_agent.topology.model import ACCESS_POINT, AGENT, UPLINK, Link, Topology
from fenghuo_agent.topology.seen import Bindings, Draft, Seen


def join(seen: Mapping[str, Seen], agent: frozenset[int] = frozenset(), more: Bindings | None = None) -> Topology:
    """Nodes, links and locations from what each device (by its instance) saw.

    `agent` are the agent's own MACs, from which the tree of switches hangs where one of them knows where they are; `more`
    are addresses that the agent itself knows.
    """
    directory = Directory(seen)
    links = Links(seen, directory)
    links.told()
    forwarding = Forwarding(seen, directory.macs, agent)
    forwarding.infer(links)
    made = links.merged()
    uplinks = _uplinks(made, directory, forwarding)
    bindings = _together((*(one.bindings for one in seen.values()), more or Bindings()))
    further = _further(made, directory, forwarding)
    locations = locate(seen, further, uplinks, made, directory, forwarding)
    nodes = {name: directory.nodes[name] for name in sorted(directory.nodes) if name != AGENT}
    topology = Topology(nodes, made, locations, bindings, uplinks, {}, further, seen)
    topology.attached = _attached(topology)
    return topology


def _together(all_of_them: Iterable[Bindings]) -> Bindings:
    draft = Draft()
    for bindings in all_of_them:
        bindings.pour(draft)
    return Bindings.of_draft(draft)


def _attached(topology: Topology) -> dict[str, str]:
    """Devices without links hang where their MACs are, by what they say of themselves or by ARP."""
    linked = {end.node for link in topology.links for end in (link.a, link.b)}
    found: dict[str, str] = {}
    for name, one in topology.seen.items():
        if name not in linked and (place := topology.whereabouts(name, one.macs)):
            found[name] = place
    return found


def _further(made: list[Link], directory: Directory, forwarding: Forwarding) -> frozenset[tuple[str, int]]:
    """The ports that lead to switches that were read, next to them or further on."""
    found = set(forwarding.towards_bridges())
    for link in made:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if directory.nodes[far.node].known and far.node in forwarding.via:
                found.add((near.node, near.if_index))
    return frozenset(found)


def _uplinks(made: list[Link], directory: Directory, forwarding: Forwarding) -> dict[tuple[str, int], str]:
    """Ports that lead on: to what passes frames on, or to where other switches are seen."""
    found: dict[tuple[str, int], str] = {}
    for link in made:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            node = directory.nodes[far.node]
            if not near.if_index or not directory.nodes[near.node].known:
                continue
            place = near.node, near.if_index
            if node.access_point:
                found.setdefault(place, ACCESS_POINT)
            elif node.passes_on:
                found[place] = UPLINK
    for place in forwarding.towards_bridges():
        found.setdefault(place, UPLINK)
    return found
