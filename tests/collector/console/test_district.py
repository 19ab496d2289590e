"""What the console is told of devices, from real tables and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Event, Layout, Site, Table
from fenghuo.wire import Stream
from fenghuo_collector.console.sight import DevicePage, LinkView
from fenghuo_collector.district import District, natural
from fenghuo_collector.latest import Latest, LatestConfig
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite import SqliteConfig, SqliteSink

GATEWAY = AgentId.parse("bj/haidian/zgc-no1/gw1")
LABELS = {"job": "snmp", "instance": "10.0.0.1", "device": "sw1"}
NAMES = ["Gi1/0/10", "Te1/0/1", "Gi1/0/9"]
FIELDS = ("ifAdminStatus", "ifOperStatus", "ifHCInOctets")
PORTS = Layout("interface", LABELS, {"ifIndex": ["1", "2", "3"], "ifName": NAMES}, FIELDS, {"ifHCInOctets": 64})
SYSTEM = Layout("system", LABELS, {}, ("snmp_up",))


class Told:
    """A district that is told things by batches."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.latest = Latest(LatestConfig(), clock=self.clock, registry=CollectorRegistry())
        self.store = SqliteSink(SqliteConfig(path=folder), clock=self.clock, registry=CollectorRegistry())
        nothing: Any = cast("Any", None)
        self.district = District(Site("bj/haidian"), self.clock, nothing, self.latest, nothing, self.store.query)

    async def read(self, up: int, octets: int | None = None) -> None:
        now = self.clock.now()
        tables = [Table(SYSTEM, now, [[up]])]
        if octets is not None:
            tables.append(Table(PORTS, now, [[1, 1, 1], [1, 1, 2], [octets] * 3]))
        await self.latest.write([Batch(GATEWAY, Stream.METRICS, now, now, tables=tables)])
        self.clock.advance(60)

    async def see(self, number: int, document: dict[str, Any]) -> None:
        now = self.clock.now()
        event = Event(f"e{number}", now, {"event": {"dataset": "asset"}, "observer": {"name": "gw1"}, **document})
        await self.store.write([Batch(GATEWAY, Stream.ASSETS, number, now, events=[event])])

    async def page(self) -> DevicePage:
        found = await self.district.device(GATEWAY, "sw1")
        assert found is not None
        return found


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    told = Told(tmp_path)
    await told.store.start()
    yield told
    await told.store.close()


def asset(address: str, location: str) -> dict[str, Any]:
    return {
        "device": {"id": f"snmp:{address}", "manufacturer": "H3C", "model": {"identifier": "1.2.3"}},
        "fenghuo": {"asset": {"id": f"snmp:{address}", "snmp": {"address": address, "location": location}}},
    }


def test_names_sort_as_people_count() -> None:
    names = ["sw10", "SW2", "gi1/0/10", "Gi1/0/2", "10", "9", ""]
    assert sorted(names, key=natural) == ["", "Gi1/0/2", "gi1/0/10", "SW2", "sw10", "9", "10"]


async def test_ports_come_in_the_order_of_their_names_with_their_rates(told: Told) -> None:
    await told.read(1, 0)
    await told.read(1, 6000)
    page = await told.page()
    assert [port.name for port in page.ports] == ["Gi1/0/9", "Gi1/0/10", "Te1/0/1"]
    assert [port.oper for port in page.ports] == ["down", "up", "up"]
    assert page.ports[0].in_bps == 800
    assert (page.device.ports_up, page.device.ports) == (2, 3)


async def test_no_port_of_a_silent_device_looks_up(told: Told) -> None:
    await told.read(1, 0)
    await told.read(1, 6000)
    await told.read(0)
    page = await told.page()
    assert page.device.up is False
    assert page.device.ports_up == 0
    assert {port.oper for port in page.ports} == {"unknown"}
    assert {port.in_bps for port in page.ports} == {None}


async def test_facts_are_those_of_the_newest_asset_at_the_device_s_address(told: Told) -> None:
    await told.read(1)
    await told.see(1, asset("10.0.0.1", "room 1"))
    told.clock.advance(1)
    await told.see(2, asset("10.0.0.1", "room 2"))
    told.clock.advance(1)
    await told.see(3, asset("10.0.0.12", "elsewhere"))
    assert dict((await told.page()).facts) == {"vendor": "H3C", "location": "room 2"}
    told.clock.advance(1)
    newest = asset("10.0.0.1", "room 2")
    newest["device"]["type"] = "switch"
    await told.see(4, {**newest, "host": {"os": {"name": "Comware", "version": "7.1"}}})
    facts = (await told.page()).facts
    assert [facts[name] for name in ("type", "operating system", "version")] == ["switch", "Comware", "7.1"]


async def test_links_come_in_the_order_of_ports_and_lead_to_devices_that_are_polled(told: Told) -> None:
    await told.read(1)
    rows = {
        "ifName": ["Gi1/0/10", "Gi1/0/9"],
        "neighbour": ["ap-1", "core"],
        "neighbour_instance": ["", "10.0.0.2"],
        "neighbour_port": ["eth0", "Te1/0/1"],
        "source": ["lldp", "fdb+lldp"],
    }
    links = Layout("topology", LABELS, rows, ("topology_link",))
    other = Layout("system", {"job": "snmp", "instance": "10.0.0.2", "device": "core-sw"}, {}, ("snmp_up",))
    now = told.clock.now()
    tables = [Table(links, now, [[1, 1]]), Table(other, now, [[1]])]
    await told.latest.write([Batch(GATEWAY, Stream.METRICS, 99, now, tables=tables)])
    assert (await told.page()).links == [
        LinkView("Gi1/0/9", "core", "Te1/0/1", "fdb, lldp", "core-sw"),
        LinkView("Gi1/0/10", "ap-1", "eth0", "lldp", ""),
    ]
