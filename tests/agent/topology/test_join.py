"""From what devices saw to one picture: chains, rings, aggregates, hubs, access points, and devices that say little."""

from __future__ import annotations

import pytest
from agent.topology.network import AGENT_MAC, Network, drawn

from fenghuo_agent.topology import join

AGENT = frozenset((AGENT_MAC,))


def chain(*, lldp: bool) -> Network:
    """Agent - core - middle - edge, a printer at the edge."""
    network = Network()
    for name in ("core", "middle", "edge"):
        network.box(name, lldp=lldp)
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "middle", 1)
    network.cable("middle", 2, "edge", 1)
    network.host("printer", "edge", 7, lldp=False)
    return network


CHAIN = {"core:Gi0/2 - middle:Gi0/1", "edge:Gi0/1 - middle:Gi0/2"}


@pytest.mark.parametrize("lldp", [True, False])
def test_a_chain_of_three_switches_is_drawn_the_same_by_lldp_and_by_forwarding_tables(lldp):
    network = chain(lldp=lldp)
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == CHAIN
    where = topology.locations.of(network.boxes["printer"].mac)
    assert where.place == (network.instance("edge"), 107, True, 0)
    assert {link.sources for link in topology.links} == {frozenset(("lldp" if lldp else "fdb",))}


def test_forwarding_tables_that_know_only_who_answers_the_agent_are_enough():
    network = chain(lldp=False)
    topology = join(network.seen(talkers={"agent", "edge", "middle", "core"}), AGENT)
    assert drawn(topology, network) == CHAIN
