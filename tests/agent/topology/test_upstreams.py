"""Which dead device explains that others are silent."""

from __future__ import annotations

import pytest
from agent.topology.network import AGENT_MAC, Network, arp

from fenghuo.clock import VirtualClock
from fenghuo_agent.topology import Upstreams, join
from fenghuo_agent.topology.outages import GRACE, Outages

AGENT = frozenset((AGENT_MAC,))


def school(*, ring: bool = False) -> Network:
    """Core - left - leaf, core - right; a printer that is polled at the leaf, a camera that is not."""
    network = Network()
    for name in ("core", "left", "right", "leaf"):
        network.box(name)
    network.host("agent", "core", 1, lldp=False)
    network.cable("core", 2, "left", 1)
    network.cable("core", 3, "right", 1)
    network.cable("left", 2, "leaf", 1)
    if ring:
        network.cable("right", 2, "leaf", 2)
        network.boxes["leaf"].blocked.add(2)
    network.host("printer", "leaf", 7, lldp=False)
    network.host("camera", "leaf", 8, lldp=False)
    return network


def tree(network: Network) -> tuple[Upstreams, dict[str, str]]:
    read = {name for name, box in network.boxes.items() if box.kind == "smart"} | {"printer"}
    seen = network.seen(read=read)
    arp(seen[network.instance("core")], network.boxes["camera"])
    at = {name: box.ip for name, box in network.boxes.items()}
    return Upstreams(join(seen, AGENT), at["core"]), at


def test_a_dead_switch_explains_what_hangs_behind_it_and_not_itself():
    upstreams, at = tree(school())
    down = {at["left"], at["leaf"], at["printer"]}
    assert upstreams.explains(at["left"], down) is None
    assert upstreams.explains(at["leaf"], down) == at["left"]
    assert upstreams.explains(at["printer"], down) == at["left"]
    assert upstreams.behind(down) == {at["left"]: sorted((at["leaf"], at["printer"]))}


def test_a_dead_leaf_explains_its_printer_only():
    upstreams, at = tree(school())
    down = {at["leaf"], at["printer"], at["right"]}
    assert upstreams.explains(at["printer"], down) == at["leaf"]
    assert upstreams.explains(at["right"], down) is None
    assert upstreams.explains(at["leaf"], down) is None


def test_a_device_whose_way_is_alive_is_not_explained():
    upstreams, at = tree(school())
    assert upstreams.explains(at["printer"], {at["printer"], at["right"]}) is None


def test_with_two_ways_both_must_be_dead():
    upstreams, at = tree(school(ring=True))
    assert upstreams.explains(at["leaf"], {at["leaf"], at["left"]}) is None
    assert upstreams.explains(at["leaf"], {at["leaf"], at["right"]}) is None
    assert upstreams.explains(at["leaf"], {at["leaf"], at["left"], at["right"]}) == at["left"]


def test_the_root_explains_everything():
    upstreams, at = tree(school())
    down = set(at.values())
    assert upstreams.explains(at["core"], down) is None
    assert upstreams.explains(at["printer"], down) == at["core"]


def test_a_host_that_is_not_polled_is_found_by_arp_and_its_port():
    upstreams, at = tree(school())
    assert upstreams.of(at["camera"]) == at["leaf"]
    assert upstreams.explains(at["camera"], {at["leaf"]}) == at["leaf"]
    assert upstreams.explains(at["camera"], {at["left"], at["leaf"]}) == at["left"]
    assert upstreams.explains(at["camera"], {at["right"]}) is None


@pytest.mark.parametrize("host", ["192.0.2.9", "2001:db8::9", "www.example.org", ""])
def test_who_has_no_place_is_explained_by_nobody(host):
    upstreams, at = tree(school())
    assert upstreams.of(host) is None
    assert upstreams.explains(host, set(at.values())) is None


def test_a_dead_gateway_explains_what_is_in_other_networks():
    network = school()
    at = {name: box.ip for name, box in network.boxes.items()}
    topology = join(network.seen(), AGENT)
    upstreams = Upstreams(topology, at["core"], at["right"], lambda address: address.startswith("192.0.2."))
    down = {at["right"], "192.0.2.9", at["left"]}
    assert upstreams.explains("192.0.2.9", down) == at["right"]
    assert upstreams.explains("192.0.2.9:1161", down) == at["right"]
    assert upstreams.explains(at["left"], down) is None
    assert upstreams.explains(at["right"], down) is None
    assert upstreams.explains("192.0.2.9", {"192.0.2.9"}) is None
    assert upstreams.explains("192.0.2.9", {at["right"], at["core"], "192.0.2.9"}) == at["core"]


class Desk:
    """Outages over the school's topology, with a set of dead devices to change."""

    def __init__(self) -> None:
        network = school()
        seen = network.seen(read={"core", "left", "right", "leaf", "printer"})
        self.at = {name: box.ip for name, box in network.boxes.items()}
        self.dead: set[str] = set()
        self.poked: list[str] = []
        self.clock = VirtualClock()
        self.outages = Outages(lambda: self.dead, self.clock, self.poked.append)
        topology = join(seen, AGENT)
        self.outages.use(topology, Upstreams(topology, self.at["core"]))

    def kill(self, *names: str) -> None:
        self.dead |= {self.at[name] for name in names}
        self.clock.advance(2)

    def explain(self, name: str):
        return self.outages.explain(self.at[name])


def test_without_a_topology_nothing_is_said():
    assert Outages(lambda: ["10.0.0.1"], VirtualClock(), print).explain("10.0.0.1") is None


def test_the_dead_one_knows_how_many_it_cuts_off():
    desk = Desk()
    desk.kill("left", "leaf", "printer")
    assert desk.explain("left") == (0, 2)
    assert desk.explain("leaf") == (1, 0)
    assert desk.explain("printer") == (1, 0)


def test_when_one_behind_it_falls_silent_first_the_switch_above_is_asked_at_once_and_only_once():
    desk = Desk()
    desk.kill("leaf")
    assert [desk.explain("leaf"), desk.explain("leaf")] == [(0, 0), (0, 0)]
    assert desk.poked == [desk.at["left"]]
    desk.kill("left")
    assert desk.explain("leaf") == (1, 0)


def test_a_device_on_another_port_of_its_address_is_poked_by_that_address():
    poked: list[str] = []
    network = school()
    for number, name in enumerate(("core", "left", "right", "leaf"), 1161):
        network.boxes[name].ip = f"10.0.0.9:{number}"
    topology = join(network.seen(), AGENT)
    at = {name: box.ip for name, box in network.boxes.items()}
    outages = Outages(lambda: [at["leaf"]], VirtualClock(), poked.append)
    outages.use(topology, Upstreams(topology, at["core"]))
    assert outages.explain(at["leaf"]) == (0, 0)
    assert poked == ["10.0.0.9"]


def test_a_device_has_time_to_start_when_its_switch_is_back():
    desk = Desk()
    desk.kill("left", "leaf")
    assert desk.explain("leaf") == (1, 0)
    desk.dead.remove(desk.at["left"])
    desk.clock.advance(GRACE - 1)
    assert desk.explain("leaf") == (1, 0)
    desk.clock.advance(1)
    assert desk.explain("leaf") == (0, 0)


def test_an_outage_is_told_by_name_and_again_only_when_it_grows():
    desk = Desk()
    desk.kill("left", "leaf")
    (event,) = desk.outages.news()
    assert event["event"]["action"] == "outage"
    assert event["message"] == "left is dead and cuts off 1: leaf"
    assert event["host"]["name"] == "left"
    assert desk.outages.news() == []
    desk.kill("printer")
    (event,) = desk.outages.news()
    assert event["fenghuo"]["topology"]["cut_off"] == ["leaf", "printer"]
    desk.dead.clear()
    desk.clock.advance(2)
    assert desk.outages.news() == []


def test_probes_ask_by_address():
    desk = Desk()
    desk.kill("left")
    assert desk.outages.upstream(desk.at["printer"]) == desk.at["left"]
    assert desk.outages.upstream(desk.at["right"]) is None
