"""From devices on the wire to alerts: a dead switch with thirty devices behind it is one alert."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil

import pytest
from agent.snmp.conftest import Recorder
from agent.topology import agents
from agent.topology.agents import MIB2, octets
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.model import AlertState, Event
from fenghuo.packs import packs_path
from fenghuo.rules import Engine, load_rules
from fenghuo_agent.inputs.snmp import SnmpConfig
from fenghuo_agent.inputs.snmp.input import DevicesFailed, SnmpInput
from fenghuo_agent.topology.host import Host
from servers.snmpd import COMMUNITY

BEHIND = 30
AGENT_MAC = "02:00:00:00:fe:01"


def address(number: int) -> str:
    return f"00:11:22:00:{number:02x}:00"


class School(Recorder):
    """An agent's SNMP input over fake devices, its readings judged as they come."""

    def __init__(self, devices: dict, folder, interval: float = 60, **topology) -> None:
        super().__init__()
        self.devices = devices
        self.events: list[Event] = []
        self.clock = VirtualClock()
        settings = {
            "devices": [{"address": device.address, "name": name} for name, device in devices.items()],
            "credentials": [{"community": COMMUNITY, "version": "2c"}],
            "timeout": 0.15,
            "retries": 0,
            "interval": interval,
            "topology": topology,
        }
        config = SnmpConfig.model_validate(settings)
        self.source = SnmpInput(config, clock=self.clock, random=random.Random(7), registry=CollectorRegistry())
        rules = load_rules([folder], keep_tests=False)
        self.engine = Engine(rules, agent="bj/haidian/a/gw1", clock=self.clock)
        self.alerts: list[tuple[str, str, str, str]] = []
        if self.source.topology is not None:
            mac = frozenset((int(AGENT_MAC.replace(":", ""), 16),))
            self.source.topology._host = lambda: Host(mac)

    def table(self, table) -> None:
        super().table(table)
        self.note(self.engine.process(table))

    def event(self, event) -> None:
        self.events.append(event)

    def note(self, alerts) -> None:
        for alert in alerts:
            self.alerts.append((str(alert.state), alert.rule_name, alert.labels.get("device", ""), alert.level))

    async def minute(self) -> None:
        self.clock.advance(60)
        with contextlib.suppress(DevicesFailed):
            await self.source.once(self)
        self.clock.advance(15)
        self.note(self.engine.advance(self.clock.now()))
        if self.source.topology is not None:
            await self.source.topology.tick(self)

    def firing(self) -> list[tuple[str, str, str]]:
        return [alert[1:] for alert in self.alerts if alert[0] == AlertState.FIRING]


@pytest.fixture
async def devices(make_device) -> dict:
    """Core and edge switch, and devices behind the edge, by their forwarding tables alone."""
    made = {}
    for number, name in enumerate(["core", "edge", *(f"device{each}" for each in range(BEHIND))]):
        device = made[name] = await make_device()
        device.objects[(*MIB2, 1, 5, 0)] = octets(name)
        ports = [(port, f"Gi0/{port}", "", address(number)) for port in range(1, 34 if number < 2 else 2)]
        agents.interfaces(device.objects, *ports, base=number < 2)
    for name in ("core", "edge"):
        agents.learnt(made[name].objects, AGENT_MAC, 1, vlan=1)
    for number in range(1, BEHIND + 2):
        agents.learnt(made["core"].objects, address(number), 2, vlan=1)
        if number > 1:
            agents.learnt(made["edge"].objects, address(number), number, vlan=1)
    return made


@pytest.fixture
def rules(tmp_path):
    """The shipped rules about what is reachable, without the one about many devices, which runs at the collector."""
    shutil.copy(packs_path() / "availability" / "device.yaml", tmp_path)
    return tmp_path


async def test_a_dead_switch_with_thirty_devices_behind_it_is_one_alert(devices, rules):
    school = School(devices, rules)
    await school.minute()
    assert len(school.source.topology.topology.links) == 1
    for name in devices.keys() - {"core"}:
        devices[name].silent = True
    for _ in range(5):
        await school.minute()
    assert school.firing() == [("availability.device-unreachable", "edge", "critical")]
    outages = [event for event in school.events if event.document["event"]["action"] == "outage"]
    assert outages[-1].document["fenghuo"]["topology"]["count"] == BEHIND
    assert outages[-1].document["host"]["name"] == "edge"
    down = school.last("system")
    assert tuple(down.layout.fields) == ("snmp_up", "snmp_explained", "snmp_devices_behind")
    for device in devices.values():
        device.silent = False
    for _ in range(3):
        await school.minute()
    assert len(school.firing()) == 1
    assert [alert[:3] for alert in school.alerts[1:]] == [("resolved", "availability.device-unreachable", "edge")]
    assert {tuple(table.layout.fields) for table in school.tables if table.ended} == {
        ("snmp_explained", "snmp_devices_behind")
    }


async def test_without_topology_every_device_has_its_own_alert(devices, rules):
    school = School(devices, rules, enabled=False)
    await school.minute()
    for name in devices.keys() - {"core"}:
        devices[name].silent = True
    for _ in range(4):
        await school.minute()
    assert len(school.firing()) == BEHIND + 1


async def test_a_device_behind_that_stays_dead_is_told_of_once_its_switch_is_back(devices, rules):
    devices = {name: devices[name] for name in ("core", "edge", "device1", "device2", "device3")}
    school = School(devices, rules)
    await school.minute()
    for name in devices.keys() - {"core"}:
        devices[name].silent = True
    for _ in range(4):
        await school.minute()
    for name in devices.keys() - {"device3"}:
        devices[name].silent = False
    for _ in range(8):
        await school.minute()
    assert [alert[1] for alert in school.firing()] == ["edge", "device3"]


async def test_the_readings_of_ports_and_links_are_those_of_the_device(devices, rules):
    school = School(devices, rules)
    await school.minute()
    ports = {
        (row["device"], row["ifName"]): (row["uplink"], value)
        for table in school.tables
        if table.layout.name == "fdb"
        for row, value in zip(table.layout.rows, table.columns[0], strict=True)
    }
    assert ports["core", "Gi0/2"] == ("yes", BEHIND + 1)
    assert ports["core", "Gi0/1"] == ("no", 1)
    assert ports["edge", "Gi0/1"] == ("yes", 1)
    assert ports["edge", "Gi0/5"] == ("no", 1)
    links = {
        (row["device"], row["ifName"], row["neighbour"], row.get("neighbour_port", ""))
        for table in school.tables
        if table.layout.name == "topology"
        for row in table.layout.rows
    }
    assert links == {("core", "Gi0/2", "edge", "Gi0/1"), ("edge", "Gi0/1", "core", "Gi0/2")}


async def test_the_input_runs_the_rounds_beside_the_polls_until_cancelled(devices, rules):
    school = School({"core": devices["core"], "edge": devices["edge"]}, rules, interval=1)
    rounds, naps = school.source.topology, []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0.01)

    rounds._sleep = nap
    running = asyncio.create_task(school.source.run(school))
    async with asyncio.timeout(20):
        while not rounds.topology.links:
            await asyncio.sleep(0.02)
            school.clock.advance(1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert school.source.tally.sockets == 0
    assert naps[0] > naps[1] / 2


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_a_device_lends_the_envelope_of_a_vlan_and_tells_no_secret(version):
    users = {"user": "monitor", "auth": {"sha256": "correct horse battery"}}
    credential = {"community": "s3cret", "version": "2c"} if version == "2c" else users
    config = SnmpConfig.model_validate({"devices": [{"address": "127.0.0.1:9"}], "credentials": [credential]})
    source = SnmpInput(config, clock=VirtualClock(), random=random.Random(7), registry=CollectorRegistry())
    envelope = source.devices[0].in_vlan(20)
    if version == "2c":
        assert b"s3cret@20" in envelope.wrap(b"", 1)
    else:
        assert envelope._user.context == b"vlan-20"
    assert "s3cret" not in repr(source.devices[0])
