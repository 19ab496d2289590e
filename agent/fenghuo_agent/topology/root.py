"""From where all devices are reached: where the agent is in the picture."""

from __future__ import annotations

from collections import Counter

from fenghuo_agent.topology.host import Host
from fenghuo_agent.topology.model import Topology, host_of
from fenghuo_agent.topology.upstreams import Upstreams


def upstreams_of(topology: Topology, configured: str, host: Host) -> Upstreams | None:
    """The ways from the agent to all others; None where it is not known where the agent is."""
    root = root_of(topology, configured, host)
    return Upstreams(topology, root, gateway_of(topology, host), host.beyond) if root else None


def root_of(topology: Topology, configured: str, host: Host) -> str | None:
    """From where all are reached: as configured, else what the agent hangs on, else its gateway or what that hangs on.

    An agent that is far away, beyond routers that nobody reads, comes in at an unknown place: the switch in the middle,
    with the most links, is taken for it.
    """
    if configured:
        wanted = host_of(configured)
        return next((name for name in topology.seen if host_of(name) == wanted), None)
    for mac in sorted(host.macs):
        location = topology.locations.of(mac)
        if location is not None and location.place.exact:
            return location.behind or location.place.instance
    if unread := _unread(topology, host.macs):
        return unread
    found = gateway_of(topology, host) or (topology.whereabouts(host.gateway) if host.gateway else "")
    return found or _middle(topology) or None


def gateway_of(topology: Topology, host: Host) -> str:
    """The device that is the agent's gateway; empty where none is known to be."""
    found = (name for name, one in topology.seen.items() if host.gateway in {*one.addresses, host_of(name)})
    return next(found, "") if host.gateway else ""


def _middle(topology: Topology) -> str:
    """The device with the most neighbours; of such, the one with the most MACs."""
    degrees = Counter(end.node for link in topology.links for end in (link.a, link.b) if topology.nodes[end.node].known)
    sizes = {name: len(topology.seen[name].stations) for name in degrees if name in topology.seen}
    return min(sizes, key=lambda name: (-degrees[name], -sizes[name], name), default="")


def _unread(topology: Topology, agent: frozenset[int]) -> str:
    """The unread node that most switches see the agent behind, with no read switch next to them on that port."""
    ports = {
        (name, port): set[str]() for name, one in topology.seen.items() for mac, port, _ in one.stations if mac in agent
    }
    for link in topology.links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if (near.node, near.if_index) in ports:
                ports[near.node, near.if_index].add(far.node)
    votes = Counter(
        node
        for there in ports.values()
        if not any(topology.nodes[each].known for each in there)
        for node in there
        if topology.nodes[node].passes_on
    )
    return min(votes, key=lambda node: (-votes[node], node), default="")
