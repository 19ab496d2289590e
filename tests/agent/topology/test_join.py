"""From what devices saw to one picture: chains, rings, aggregates, hubs, access points, and devices that say little."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from agent.topology.network import AGENT_MAC, Network, arp, designated, drawn

from fenghuo_agent.topology import Upstreams, join
from fenghuo_agent.topology.host import Host
from fenghuo_agent.topology.root import root_of
from fenghuo_agent.topology.seen import Neighbour, Seen, Stations

AGENT = frozenset((AGENT_MAC,))


def chain(*, lldp: bool) -> Network:
    """The agent - core - middle - edge, a printer at the edge."""
    network = Network()
    for name in ("core", "middle", "edge"):
        network.box(name, lldp=lldp)
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "middle", 1)
    network.cable("middle", 2, "edge", 1)
    network.host("printer", "edge", 7, lldp=False)
    return network


CHAIN = {"core:Gi0/2 - middle:Gi0/1", "edge:Gi0/1 - middle:Gi0/2"}


def place(topology, network: Network, name: str) -> tuple[str, int, bool] | None:
    """Switch, port and whether it is exact, of a box."""
    found = topology.locations.of(AGENT_MAC if name == "agent" else network.boxes[name].mac)
    names = {box.ip: switch for switch, box in network.boxes.items()}
    return found and (names[found.place.instance], found.place.if_index - 100, found.place.exact)


@pytest.mark.parametrize("lldp", [True, False])
def test_a_chain_of_three_switches_is_drawn_the_same_by_lldp_and_by_forwarding_tables(lldp):
    network = chain(lldp=lldp)
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == CHAIN
    assert place(topology, network, "printer") == ("edge", 7, True)
    assert place(topology, network, "agent") == ("core", 1, True)
    assert {link.sources for link in topology.links} == {frozenset(("lldp" if lldp else "fdb",))}


def test_forwarding_tables_that_know_only_who_answers_the_agent_are_enough():
    network = chain(lldp=False)
    topology = join(network.seen(talkers={"agent", "edge", "middle"}), AGENT)
    assert drawn(topology, network) == CHAIN


def test_a_switch_that_sees_others_is_their_root_though_they_see_nobody():
    network = Network()
    for name in ("core", "left", "right"):
        network.box(name, lldp=False)
    network.cable("core", 2, "left", 1)
    network.cable("core", 3, "right", 1)
    seen = network.seen(talkers={"left", "right"})
    for name in ("left", "right"):
        seen[network.instance(name)].stations = Stations([(0xAA, 105, 1)])
    assert drawn(join(seen), network) == {"core:Gi0/2 - left:", "core:Gi0/3 - right:"}


def test_where_either_of_two_switches_may_stand_before_the_other_no_link_is_made_up():
    network = chain(lldp=False)
    del network.cables["core", 1]
    topology = join(network.seen(talkers={"middle", "edge"}))
    assert drawn(topology, network) == set()


def test_without_the_agent_in_any_table_the_switch_that_sees_most_is_the_root():
    network = chain(lldp=False)
    topology = join(network.seen(talkers={"core", "edge", "middle"}))
    assert drawn(topology, network) == CHAIN


def test_one_side_that_hears_is_enough_for_a_link():
    network = chain(lldp=True)
    seen = network.seen()
    seen[network.instance("middle")].neighbours.clear()
    assert drawn(join(seen, AGENT), network) == CHAIN


def test_what_one_side_does_not_know_of_the_port_the_other_one_says():
    network = chain(lldp=True)
    seen = network.seen()
    for one in seen.values():
        one.neighbours = [heard._replace(port_id="", port_kind=0) for heard in one.neighbours]
    assert drawn(join(seen, AGENT), network) == CHAIN


def test_a_ring_has_all_its_links_and_the_blocked_one_learns_nothing():
    network = chain(lldp=True)
    network.cable("core", 3, "edge", 2)
    network.boxes["edge"].blocked.add(2)
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == CHAIN | {"core:Gi0/3 - edge:Gi0/2"}
    assert place(topology, network, "printer") == ("edge", 7, True)
    assert topology.uplinks[network.instance("edge"), 102] == "yes"


def test_a_ring_without_lldp_gets_its_blocked_link_from_the_spanning_tree():
    network = chain(lldp=False)
    network.cable("core", 3, "edge", 2)
    network.boxes["edge"].blocked.add(2)
    seen = network.seen()
    designated(seen[network.instance("edge")], 2, network.boxes["core"], 3)
    assert drawn(join(seen, AGENT), network) == CHAIN | {"core:Gi0/3 - edge:Gi0/2"}


def test_where_somebody_speaks_on_a_port_the_spanning_tree_adds_nothing():
    network = Network()
    network.box("core")
    network.box("middle", "dumb")
    network.box("edge", lldp=False)
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "middle", 1)
    network.cable("middle", 2, "edge", 1)
    seen = network.seen()
    seen[network.instance("core")].neighbours.append(network.neighbour(102, network.boxes["middle"], 1))
    seen[network.instance("edge")].neighbours.append(network.neighbour(101, network.boxes["middle"], 2))
    designated(seen[network.instance("edge")], 1, network.boxes["core"], 2)
    assert drawn(join(seen, AGENT), network) == {"core:Gi0/2 - middle:Gi0/1", "edge:Gi0/1 - middle:Gi0/2"}


def test_an_aggregate_is_one_link_between_aggregates():
    network = chain(lldp=True)
    network.cable("core", 3, "middle", 3)
    for name, ports in (("core", (2, 3)), ("middle", (1, 3))):
        for port in ports:
            network.aggregates[name, port] = 48
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == {"core:Po48 - middle:Po48", "edge:Gi0/1 - middle:Gi0/2"}
    assert topology.uplinks[network.instance("core"), 148] == "yes"
    assert (network.instance("core"), 102) not in topology.uplinks


@pytest.mark.parametrize("known", [True, False])
def test_an_aggregate_that_only_one_side_knows_is_still_no_two_devices(known):
    network = chain(lldp=True)
    network.cable("core", 3, "middle", 3)
    for port in (2, 3):
        network.aggregates["core", port] = 48
    if not known:
        network.aggregates.clear()
    topology = join(network.seen(), AGENT)
    assert {frozenset((link.a.node, link.b.node)) for link in topology.links} == {
        frozenset((network.instance("core"), network.instance("middle"))),
        frozenset((network.instance("edge"), network.instance("middle"))),
    }


def test_hosts_behind_a_hub_are_on_its_access_port_which_counts_them():
    network = chain(lldp=True)
    network.box("hub", "dumb")
    network.cable("edge", 9, "hub", 1)
    for number in range(10):
        network.host(f"pc{number}", "hub", number + 2)
    topology = join(network.seen(talkers=network.boxes.keys() - {"hub"}), AGENT)
    assert {place(topology, network, f"pc{number}") for number in range(10)} == {("edge", 9, True)}
    edge = network.instance("edge")
    assert topology.seen[edge].count()[109] == 10
    assert (edge, 109) not in topology.uplinks
    assert topology.seen[edge].count()[107] == 1
    assert topology.seen[edge].count()[102] == 0


def test_an_access_point_with_many_macs_is_no_uplink_and_no_hub():
    network = chain(lldp=True)
    network.box("ap", "dumb", caps=frozenset(("access-point", "bridge")))
    network.cable("edge", 9, "ap", 1)
    for number in range(20):
        network.host(f"phone{number}", "ap", number + 2)
    seen = network.seen()
    edge = network.instance("edge")
    seen[edge].neighbours.append(network.neighbour(109, network.boxes["ap"], 1))
    topology = join(seen, AGENT)
    assert topology.uplinks[edge, 109] == "access-point"
    where = topology.locations.of(network.boxes["phone3"].mac)
    assert (where.place.instance, where.place.if_index) == (edge, 109)
    assert topology.nodes[where.behind].name == "ap"


def test_an_access_point_that_is_read_itself_is_one_by_what_its_switch_hears():
    network = chain(lldp=True)
    network.host("ap", "edge", 9, caps=frozenset(("access-point",)))
    seen = network.seen(read={"core", "middle", "edge", "ap"})
    topology = join(seen, AGENT)
    assert topology.uplinks[network.instance("edge"), 109] == "access-point"
    assert topology.nodes[network.instance("ap")].access_point


def test_a_telephone_with_a_computer_behind_it_leaves_its_port_an_access_port():
    network = chain(lldp=True)
    network.box("phone", "dumb", caps=frozenset(("bridge", "telephone")))
    network.cable("edge", 9, "phone", 1)
    network.host("pc", "phone", 2)
    seen = network.seen()
    edge = network.instance("edge")
    seen[edge].neighbours.append(network.neighbour(109, network.boxes["phone"], 1))
    topology = join(seen, AGENT)
    assert (edge, 109) not in topology.uplinks
    assert place(topology, network, "pc") == ("edge", 9, True)


def test_a_switch_that_cannot_be_read_is_a_node_and_what_is_behind_it_is_there():
    network = chain(lldp=True)
    network.box("foreign", "dumb")
    network.cable("edge", 9, "foreign", 1)
    network.host("pc", "foreign", 2)
    seen = network.seen()
    edge = network.instance("edge")
    seen[edge].neighbours.append(network.neighbour(109, network.boxes["foreign"], 1))
    topology = join(seen, AGENT)
    assert drawn(topology, network) >= {"edge:Gi0/9 - foreign:Gi0/1"}
    where = topology.locations.of(network.boxes["pc"].mac)
    assert (where.place.instance, where.place.if_index, topology.nodes[where.behind].name) == (edge, 109, "foreign")
    assert topology.uplinks[edge, 109] == "yes"


def test_switches_behind_an_unmanaged_one_hang_on_the_same_port():
    network = Network()
    for name in ("core", "left", "right"):
        network.box(name, lldp=False)
    network.box("unmanaged", "dumb")
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "unmanaged", 1)
    network.cable("unmanaged", 2, "left", 1)
    network.cable("unmanaged", 3, "right", 1)
    network.host("pc", "left", 5)
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == {"core:Gi0/2 - left:Gi0/1", "core:Gi0/2 - right:Gi0/1"}
    assert place(topology, network, "pc") == ("left", 5, True)


def test_switches_that_meet_the_agent_and_each_other_on_one_port_share_an_unread_segment():
    network = Network()
    for name in ("left", "right"):
        network.box(name, lldp=False)
    network.box("closet", "dumb")
    network.host("agent", "closet", 1, lldp=False)
    network.cable("closet", 2, "left", 1)
    network.cable("closet", 3, "right", 1)
    topology = join(network.seen(), AGENT)
    assert drawn(topology, network) == {"left:Gi0/1 - unmanaged:", "right:Gi0/1 - unmanaged:"}
    assert topology.locations.of(AGENT_MAC).behind == "unmanaged"
    assert root_of(topology, "", Host(AGENT)) == "unmanaged"


def test_a_switch_that_speaks_lldp_but_cannot_be_read_stands_between_two_that_can():
    network = Network()
    network.box("core")
    network.box("middle", "dumb")
    network.box("edge", lldp=False)
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "middle", 1)
    network.cable("middle", 2, "edge", 1)
    seen = network.seen()
    core = seen[network.instance("core")]
    core.neighbours.append(network.neighbour(102, network.boxes["middle"], 1))
    assert drawn(join(seen, AGENT), network) == {"core:Gi0/2 - middle:Gi0/1", "edge:Gi0/1 - middle:"}


def test_the_agent_may_hang_on_a_core_that_cannot_be_read():
    network = Network()
    network.box("core", "dumb")
    for number, name in enumerate(("left", "right"), 2):
        network.box(name)
        network.cable("core", number, name, 1)
    network.box("leaf")
    network.cable("left", 2, "leaf", 1)
    network.host("agent", "core", 1, lldp=False)
    seen = network.seen()
    for number, name in enumerate(("left", "right"), 2):
        seen[network.instance(name)].neighbours.append(network.neighbour(101, network.boxes["core"], number))
    topology = join(seen, AGENT)
    root = root_of(topology, "", Host(AGENT))
    assert topology.nodes[root].name == "core"
    assert Upstreams(topology, root).of(network.instance("leaf")) == network.instance("left")


def test_a_device_that_answers_only_lldp_passes_on_what_hangs_behind_it():
    network = chain(lldp=True)
    seen = network.seen()
    middle = seen[network.instance("middle")]
    middle.stations, middle.bridge = Stations(), False
    topology = join(seen, AGENT)
    assert drawn(topology, network) == CHAIN
    assert place(topology, network, "printer") == ("edge", 7, True)


def test_a_router_gives_addresses_to_macs():
    network = chain(lldp=True)
    network.host("pc", "edge", 8)
    seen = network.seen()
    arp(seen[network.instance("core")], network.boxes["pc"], network.boxes["printer"])
    topology = join(seen, AGENT)
    assert topology.bindings.of(network.boxes["pc"].mac) == [network.boxes["pc"].ip]
    assert topology.bindings.macs(network.boxes["printer"].ip) == [network.boxes["printer"].mac]


def test_a_mac_on_two_access_ports_is_on_the_one_with_fewer():
    network = chain(lldp=True)
    seen = network.seen()
    edge = seen[network.instance("edge")]
    printer = network.boxes["printer"].mac
    for number in range(5):
        edge.stations.add(0x0A0000000000 + number, 105, 1)
    edge.stations.add(printer, 105, 1)
    topology = join(seen, AGENT)
    assert place(topology, network, "printer") == ("edge", 7, True)


def test_of_two_switches_that_say_alike_the_one_that_said_it_last_is_right():
    network = chain(lldp=True)
    for latest, there in (("core", ("core", 9, True)), ("edge", ("edge", 7, True))):
        seen = network.seen()
        seen[network.instance("core")].stations.add(network.boxes["printer"].mac, 109, 1)
        seen[network.instance(latest)].time = 5
        assert place(join(seen, AGENT), network, "printer") == there


def test_a_mac_that_only_far_switches_know_is_somewhere_behind_their_port():
    network = chain(lldp=True)
    seen = network.seen()
    edge = seen[network.instance("edge")]
    edge.stations = Stations(entry for entry in edge.stations if entry[0] != network.boxes["printer"].mac)
    assert place(join(seen, AGENT), network, "printer") == ("middle", 2, False)


def test_what_two_devices_claim_to_be_names_neither():
    network = chain(lldp=True)
    seen = network.seen()
    core, edge = seen[network.instance("core")], seen[network.instance("edge")]
    for one in (core, edge):
        one.macs |= {0x00005E000101, 0x001122FFFFFF}
    middle = seen[network.instance("middle")]
    twin = Neighbour(104, "lldp", 0x001122FFFFFF, "00:11:22:ff:ff:ff", 4, "x", 5, "", "", "", (), frozenset())
    middle.neighbours.append(twin)
    topology = join(seen, AGENT)
    assert drawn(topology, network) == CHAIN | {"00:11:22:ff:ff:ff:x - middle:Gi0/4"}


def test_a_foreign_switch_of_the_same_name_is_told_apart_by_its_chassis():
    network = chain(lldp=True)
    seen = network.seen()
    edge, middle = seen[network.instance("edge")], seen[network.instance("middle")]
    heard = Neighbour(108, "lldp", 0x00AA00000001, "00:aa:00:00:00:01", 4, "p1", 5, "", "edge", "", (), frozenset())
    middle.neighbours.append(heard)
    edge.chassis = "00:11:22:00:03:00"
    assert len(join(seen, AGENT).nodes) == 4
    edge.chassis = ""
    assert len(join(seen, AGENT).nodes) == 3


def test_a_device_that_hears_itself_has_no_link_to_itself():
    network = chain(lldp=True)
    seen = network.seen()
    core = seen[network.instance("core")]
    core.neighbours.append(network.neighbour(105, network.boxes["core"], 6))
    core.stations.add(network.boxes["core"].mac, 105, 1)
    assert drawn(join(seen, AGENT), network) == CHAIN


def test_tables_that_contradict_each_other_end_in_a_picture_and_not_in_a_loop():
    network = chain(lldp=False)
    seen = network.seen()
    boxes = [network.boxes[name] for name in ("core", "middle", "edge")]
    chance = random.Random(3)
    for one in seen.values():
        one.stations = Stations(
            (box.mac, chance.randrange(101, 108), chance.randrange(3)) for box in boxes for _ in range(4)
        )
    topology = join(seen, AGENT)
    assert len(topology.links) <= 3


def test_nothing_seen_is_an_empty_picture():
    assert join({}).links == []
    assert join({"10.0.0.1": Seen("10.0.0.1")}, AGENT).links == []


def test_one_neighbour_told_by_lldp_and_by_cdp_is_one_link():
    network = chain(lldp=True)
    seen = network.seen()
    core = seen[network.instance("core")]
    middle = network.boxes["middle"]
    core.neighbours.append(
        Neighbour(
            102, "cdp", 0, "", 0, "GigabitEthernet0/1", 5, "", "middle.example.org", "", (middle.ip,), middle.caps
        )
    )
    topology = join(seen, AGENT)
    assert drawn(topology, network) == CHAIN
    assert {link.sources for link in topology.links} == {frozenset(("lldp",)), frozenset(("lldp", "cdp"))}


def test_a_foreign_switch_told_by_lldp_and_by_cdp_is_one_node():
    network = chain(lldp=True)
    seen = network.seen()
    core = seen[network.instance("core")]
    mac, caps = 0x0011220F0000, frozenset(("bridge",))
    text = "00:11:22:0f:00:00"
    core.neighbours.append(Neighbour(108, "lldp", mac, text, 4, "Gi0/1", 5, "", "Foreign", "", (), caps))
    core.neighbours.append(Neighbour(108, "cdp", 0, "", 0, "Gi0/1", 5, "", "Foreign", "", ("10.9.9.9",), caps))
    topology = join(seen, AGENT)
    assert drawn(topology, network) == CHAIN | {"Foreign:Gi0/1 - core:Gi0/8"}
    assert topology.nodes["mac:00:11:22:0f:00:00"].addresses == ("10.9.9.9",)


def test_twenty_thousand_macs_are_joined_fast_and_small():
    core, count, switches = "10.0.0.1", 20_000, 40
    seen = {core: Seen(core, bridge=True, macs=frozenset((1 << 8,)))}
    for number in range(1, switches + 1):
        name = f"10.0.1.{number}"
        mac = (number + 1) << 8
        own = range(0x0A0000000000 + number * 1000, 0x0A0000000000 + number * 1000 + count // switches)
        stations = Stations((each, 2 + at % 40, 10) for at, each in enumerate(own))
        stations.add(AGENT_MAC, 1, 10)
        for other in range(1, switches + 1):
            if other != number:
                stations.add((other + 1) << 8, 1, 10)
        seen[name] = Seen(name, bridge=True, macs=frozenset((mac,)), stations=stations)
        for each in own:
            seen[core].stations.add(each, number, 10)
        seen[core].stations.add(mac, number, 10)
    seen[core].stations.add(AGENT_MAC, 99, 10)
    tracemalloc.start()
    try:
        before = time.thread_time()
        topology = join(seen, AGENT)
        seconds = time.thread_time() - before
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(topology.locations) == count + 1
    assert len(topology.links) == switches
    assert all(location.place.instance != core for location in topology.locations if location.mac != AGENT_MAC)
    assert kept < 1_000_000
    assert peak < 10_000_000
    assert seconds < 10
