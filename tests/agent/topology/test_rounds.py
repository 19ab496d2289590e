"""The slow beat: who is read when, what is kept of whom, and from where everything is looked at."""

from __future__ import annotations

import asyncio
import random

import pytest
from agent.snmp.conftest import Recorder
from agent.topology import agents
from agent.topology.network import AGENT_MAC, Network, arp
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo_agent.snmp.access import parse_address
from fenghuo_agent.snmp.errors import Unanswered
from fenghuo_agent.snmp.message import Community
from fenghuo_agent.snmp.session import Session, Timing
from fenghuo_agent.snmp.traffic import Traffic
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.topology import join
from fenghuo_agent.topology.config import TopologyConfig
from fenghuo_agent.topology.host import Host, read_host
from fenghuo_agent.topology.root import gateway_of, root_of
from fenghuo_agent.topology.rounds import Metrics, Rounds
from fenghuo_agent.topology.seen import Bindings
from servers.snmpd import COMMUNITY


class Polled:
    """A device as the SNMP input has it."""

    def __init__(self, device) -> None:
        self.device = device
        self.state = "up"
        self.visits = 0

    @property
    def instance(self) -> str:
        return self.device.address

    label = "sw"

    @property
    def labels(self) -> dict[str, str]:
        return {"job": "snmp", "instance": self.instance, "device": self.label}

    def in_vlan(self, number: int):
        raise AssertionError("no switch of Cisco's")

    def visit(self) -> Session:
        self.visits += 1
        if self.state != "up":
            raise Unanswered("down")
        envelope = Community(COMMUNITY, version=2)
        return Session(parse_address(self.instance), envelope, Timing(0.1, 0), random.Random(1), Traffic())


class Bench:
    """Rounds on a virtual clock over fake devices."""

    def __init__(self, *devices, **options) -> None:
        self.devices = [Polled(device) for device in devices]
        self.clock = VirtualClock()
        self.recorder = Recorder()
        self.registry = CollectorRegistry()
        self.rounds = Rounds(
            lambda: self.devices,
            TopologyConfig.model_validate(options),
            Limits(20, 4096, 1400),
            clock=self.clock,
            random=random.Random(5),
            metrics=Metrics(self.registry),
            host=Host,
        )

    async def wait(self, seconds: float) -> None:
        for _ in range(int(seconds // 30)):
            self.clock.advance(30)
            await self.rounds.tick(self.recorder)

    def count(self, name: str) -> int:
        return len([table for table in self.recorder.tables if table.layout.name == name and not table.ended])


@pytest.fixture
async def switch(make_device):
    device = await make_device()
    agents.interfaces(device.objects, (1, "Gi1", "one", "00:11:22:00:00:11"), (2, "Gi2", "two", "00:11:22:00:00:12"))
    agents.learnt(device.objects, "aa:00:00:00:00:01", 1, vlan=1)
    return device


async def test_a_device_is_read_at_once_and_then_every_interval(switch):
    bench = Bench(switch)
    await bench.rounds.tick(bench.recorder)
    assert bench.devices[0].visits == 1
    assert bench.count("fdb") == 1
    await bench.wait(570)
    assert bench.devices[0].visits <= 2
    await bench.wait(5400)
    assert 9 <= bench.devices[0].visits <= 12
    assert 9 <= bench.count("fdb") <= 11


async def test_devices_that_are_down_are_not_asked_and_what_they_said_is_kept(switch):
    bench = Bench(switch)
    await bench.rounds.tick(bench.recorder)
    bench.devices[0].state = "down"
    switch.requests.clear()
    await bench.wait(3600)
    assert bench.devices[0].visits == 1
    assert not switch.requests
    assert len(bench.rounds.topology.locations) == 1


async def test_a_device_that_went_down_keeps_the_link_that_only_its_neighbour_told(switch, make_device):
    core = await make_device()
    agents.interfaces(core.objects, *((port, f"Gi{port}", "", f"00:11:22:00:01:{port:02x}") for port in (1, 2)))
    agents.learnt(core.objects, "00:11:22:00:00:11", 2, vlan=1)
    bench = Bench(core, switch, interval=60)
    await bench.rounds.tick(bench.recorder)
    assert len(bench.rounds.topology.links) == 1
    bench.devices[1].state = "down"
    core.objects = {name: value for name, value in core.objects.items() if name[:8] != (*agents.BRIDGE, 7)}
    await bench.wait(900)
    assert bench.devices[0].visits > 10
    assert len(bench.rounds.topology.links) == 1
    bench.devices[1].state = "up"
    await bench.wait(300)
    assert len(bench.rounds.topology.links) == 0


async def test_a_device_that_is_not_polled_any_more_ends_its_series(switch, make_device):
    other = await make_device()
    agents.interfaces(other.objects, (1, "eth0", "eth0", "00:11:22:00:00:21"))
    bench = Bench(switch, other)
    await bench.rounds.tick(bench.recorder)
    del bench.devices[0]
    await bench.wait(700)
    (ended,) = [table for table in bench.recorder.tables if table.ended]
    assert ended.layout.name == "fdb"
    assert ended.layout.row_labels["ifName"] == ["Gi1", "Gi2"]
    assert ended.layout.labels["instance"] == switch.address


async def test_a_port_that_becomes_an_uplink_ends_its_old_series_and_keeps_the_others(switch):
    bench = Bench(switch, interval=60)
    await bench.rounds.tick(bench.recorder)
    agents.remote(switch.objects, (0, 2, 1), (4, agents.mac("aa:bb:cc:00:00:01")), (5, "p1"), name="new", caps=b"\x20")
    await bench.wait(120)
    (ended,) = [table for table in bench.recorder.tables if table.ended]
    assert ended.layout.rows == ({**bench.devices[0].labels, "ifIndex": "2", "ifName": "Gi2", "uplink": "no"},)
    assert bench.recorder.last("topology").layout.rows[0]["neighbour"] == "new"


async def test_what_could_not_be_read_this_time_is_as_it_was(switch):
    bench = Bench(switch, interval=60)
    agents.remote(switch.objects, (0, 2, 1), (4, agents.mac("aa:bb:cc:00:00:01")), (5, "p1"), name="far", caps=b"\x20")
    await bench.rounds.tick(bench.recorder)
    lldp = agents.LLDP

    def deaf(answer, _):
        return [] if any(name[: len(lldp)] == lldp for name in switch.requests[-1][1]) else [answer]

    switch.mangle = deaf
    await bench.wait(300)
    assert len(bench.rounds.topology.links) == 1
    assert bench.registry.get_sample_value("fenghuo_agent_topology_visits_total", {"result": "incomplete"}) >= 2


async def test_a_device_that_surprises_us_does_not_end_the_others(switch, make_device, caplog):
    bench = Bench(await make_device(), switch)
    bench.devices[0].visit = lambda: 1 / 0
    await bench.rounds.tick(bench.recorder)
    assert bench.count("fdb") == 1
    assert "unexpected ZeroDivisionError" in caplog.text


async def test_a_fault_of_ours_is_told_and_ends_nothing(switch, caplog):
    bench = Bench(switch, interval=60)
    naps = 0

    async def nap(_: float) -> None:
        nonlocal naps
        naps += 1
        bench.clock.advance(60)
        if naps > 3:
            raise asyncio.CancelledError

    bench.rounds._sleep = nap
    bench.rounds._host = lambda: 1 / 0
    with pytest.raises(asyncio.CancelledError):
        await bench.rounds.run(bench.recorder)
    assert caplog.text.count("the topology could not be joined: ZeroDivisionError") == 3
    assert bench.registry.get_sample_value("fenghuo_agent_topology_failures_total") == 3


async def test_silence_that_cannot_be_explained_is_no_fault_of_the_poll(switch, caplog):
    bench = Bench(switch)
    bench.rounds.outages._upstreams = object()
    assert bench.rounds.outages.explain(switch.address) is None
    assert "its silence could not be explained" in caplog.text


async def test_too_many_entries_are_taken_apart_to_what_no_nearer_switch_says(switch, make_device):
    core = await make_device()
    agents.interfaces(core.objects, *((port, f"Gi{port}", "", f"00:11:22:00:01:{port:02x}") for port in (1, 2)))
    agents.learnt(core.objects, "00:11:22:00:00:11", 2, vlan=1)
    agents.learnt(switch.objects, "00:11:22:00:01:01", 2, vlan=1)
    for number in range(40):
        agents.learnt(core.objects, f"aa:00:00:00:01:{number:02x}", 2, vlan=1)
        agents.learnt(switch.objects, f"aa:00:00:00:01:{number:02x}", 1, vlan=1)
    bench = Bench(core, switch, interval=60, max_macs=10)
    await bench.wait(240)
    seen = bench.rounds.topology.seen
    assert len(seen[core.address].stations) == 1
    assert seen[core.address].count()[2] == 41
    assert len(bench.rounds.topology.links) == 1


def test_the_machine_says_its_macs_its_gateway_and_whom_it_knows(tmp_path):
    for name, text in {"lo": "00:00:00:00:00:00", "eth0": "02:00:00:00:fe:01", "tun0": ""}.items():
        (tmp_path / "net" / name).mkdir(parents=True)
        (tmp_path / "net" / name / "address").write_text(text + "\n")
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth1\t00000000\t0100A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
        "eth0\t00000000\t0114140A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0014140A\t00000000\t0001\t0\t0\t100\t00FCFFFF\t0\t0\t0\n"
    )
    (tmp_path / "arp").write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.20.20.1       0x1         0x2         aa:bb:cc:00:00:01     *        eth0\n"
        "10.20.20.2       0x1         0x0         00:00:00:00:00:00     *        eth0\n"
    )
    host = read_host(tmp_path, tmp_path / "net")
    assert host.macs == {0x02000000FE01}
    assert host.gateway == "10.20.20.1"
    assert list(host.bindings) == [(0xAABBCC000001, "10.20.20.1")]
    assert [host.beyond(address) for address in ("10.20.23.255", "10.20.24.1", "2001:db8::1", "x", "127.0.0.9")] == [
        False, True, False, False, False,
    ]  # fmt: skip


def test_a_machine_that_says_nothing_is_no_error(tmp_path):
    host = read_host(tmp_path, tmp_path / "net")
    assert (host.macs, host.gateway, len(host.bindings), host.beyond("10.0.0.1")) == (frozenset(), "", 0, False)


def test_the_root_is_as_configured_else_where_the_agent_hangs_else_the_gateway():
    network = Network()
    for name in ("core", "edge"):
        network.box(name)
    network.cable("core", 2, "edge", 1)
    network.host("agent", "edge", 7, lldp=False)
    router = network.host("router", "core", 9, lldp=False)
    at = {name: box.ip for name, box in network.boxes.items()}
    seen = network.seen()
    arp(seen[at["core"]], router)
    topology = join(seen, frozenset((AGENT_MAC,)))
    assert root_of(topology, at["core"], Host()) == at["core"]
    assert root_of(topology, "192.0.2.1", Host()) is None
    assert root_of(topology, "", Host(frozenset((AGENT_MAC,)))) == at["edge"]
    assert root_of(topology, "", Host(gateway=router.ip)) == at["core"]
    assert root_of(topology, "", Host(gateway=at["core"])) == at["core"]
    assert gateway_of(topology, Host(gateway=at["core"])) == at["core"]
    assert root_of(topology, "", Host(bindings=Bindings())) == at["core"]
    assert root_of(join({}), "", Host()) is None


def test_an_agent_far_away_comes_in_at_the_switch_in_the_middle():
    network = Network()
    for name in ("a", "b", "c", "middle"):
        network.box(name)
    for number, name in enumerate(("a", "b", "c"), 1):
        network.cable("middle", number, name, 1)
    topology = join(network.seen())
    assert root_of(topology, "", Host()) == network.instance("middle")
    assert root_of(topology, "", Host(gateway="192.0.2.1")) == network.instance("middle")
