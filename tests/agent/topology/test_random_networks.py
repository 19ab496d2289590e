"""Any tree of switches, with any of its devices having spoken lately: nothing is drawn that is not there."""

from __future__ import annotations

import random

import pytest
from agent.topology.network import AGENT_MAC, Network

from fenghuo_agent.topology import Upstreams, join
from fenghuo_agent.topology.host import Host
from fenghuo_agent.topology.root import root_of

AGENT = frozenset((AGENT_MAC,))


def grown(chance: random.Random, *, lldp: bool) -> Network:
    """A tree of switches, unmanaged ones among them, with hosts at their ports and the agent at one."""
    network = Network()
    ports: dict[str, int] = {}

    def plug(name: str) -> int:
        ports[name] = ports.get(name, 0) + 1
        return ports[name]

    for number in range(chance.randrange(2, 9)):
        kind = "dumb" if number and chance.random() < 0.2 else "smart"
        name = f"sw{number}"
        before = [each for each in network.boxes if network.boxes[each].kind != "host"]
        network.box(name, kind, lldp=lldp and chance.random() < 0.7)
        if before:
            other = chance.choice(before)
            network.cable(name, plug(name), other, plug(other))
    switches = list(network.boxes)
    for number in range(chance.randrange(1, 12)):
        switch = chance.choice(switches)
        network.host(f"pc{number}", switch, plug(switch), lldp=False)
    switch = chance.choice(switches)
    network.host("agent", switch, plug(switch), lldp=False)
    return network


def reach(network: Network, name: str, port: int) -> set[str]:
    """The read switches and hosts that a port leads to without another read switch between."""
    found: set[str] = set()
    queue = [network.cables[name, port][0]]
    past = {name}
    while queue:
        box = queue.pop()
        past.add(box)
        if network.boxes[box].kind != "dumb":
            found.add(box)
            continue
        queue += [other for (owner, _), (other, _) in network.cables.items() if owner == box and other not in past]
    return found


def beyond(network: Network, name: str, port: int) -> set[str]:
    """Everything that a port leads to."""
    found, queue = {name}, [network.cables[name, port][0]]
    while queue:
        box = queue.pop()
        if box not in found:
            found.add(box)
            queue += [other for (owner, _), (other, _) in network.cables.items() if owner == box]
    return found - {name}


@pytest.mark.parametrize("seed", range(150))
def test_what_is_drawn_is_there(seed):
    chance = random.Random(seed)
    network = grown(chance, lldp=seed % 3 == 0)
    talkers = {name for name in network.boxes if network.boxes[name].kind != "dumb" and chance.random() < 0.7}
    smart = [name for name, box in network.boxes.items() if box.kind == "smart"]
    if seed % 2:
        # As it is in practice: the agent speaks to all switches, and they to it.
        talkers |= {"agent", *smart}
    names = {box.ip: name for name, box in network.boxes.items()}
    topology = join(network.seen(talkers=talkers), AGENT)
    for link in topology.links:
        ends = [end for end in (link.a, link.b) if end.node in names]
        for near, far in (ends, ends[::-1]) if len(ends) == 2 else ():
            if near.if_index:
                assert names[far.node] in reach(network, names[near.node], near.if_index - 100)
    owners = {AGENT_MAC: "agent", **{box.mac: name for name, box in network.boxes.items()}}
    for location in topology.locations:
        switch, port = names[location.place.instance], location.place.if_index - 100
        assert owners[location.mac] in beyond(network, switch, port)
        if location.place.exact and seed % 2:
            assert owners[location.mac] in reach(network, switch, port)
    if not seed % 2:
        return
    for name in talkers - set(smart):
        (switch, _) = network.cables[name, 1]
        if switch in smart and name != "agent":
            assert topology.locations.of(network.boxes[name].mac).place.exact
    root = root_of(topology, "", Host(AGENT))
    assert root
    upstreams = Upstreams(topology, root)
    assert all(name == names.get(root) or upstreams.of(network.instance(name)) for name in smart)
