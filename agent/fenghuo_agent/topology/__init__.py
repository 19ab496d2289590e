"""Topology: who hangs on which port of whom, from LLDP, CDP, forwarding tables, ARP and the spanning tree, joined."""

from fenghuo_agent.topology.collect import collect
from fenghuo_agent.topology.join import join
from fenghuo_agent.topology.model import Link, Node, Topology
from fenghuo_agent.topology.seen import Seen
from fenghuo_agent.topology.upstreams import Upstreams

__all__ = ["Link", "Node", "Seen", "Topology", "Upstreams", "collect", "join"]
