"""Discovery beside the real input that polls: from one subnet in the configuration to readings."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.config import parse
from fenghuo.errors import Located
from fenghuo_agent.app import once
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs import build_inputs
from servers.snmpd import COMMUNITY, Snmpd, snmpd


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd"), hosts=("127.0.0.1", "127.0.0.2")) as running:
        yield running


class Basket:
    """Keeps what it is given, and says when the first reading came."""

    def __init__(self) -> None:
        self.tables, self.events, self.assets = [], [], []
        self.read = asyncio.Event()

    def table(self, table) -> None:
        self.tables.append(table)
        if any("interface" in each.layout.name for each in self.tables):
            self.read.set()

    def event(self, event) -> None:
        self.events.append(event)

    def asset(self, asset) -> None:
        self.assets.append(asset)


def configuration(tmp_path: Path, snmp: str) -> AgentConfig:
    text = (
        f"site: bj/haidian/zgc\nagent: gw\ncollector: mqtt://127.0.0.1\nspool: {{path: {tmp_path}/spool.db}}\n"
        f"inputs:\n  snmp:\n    timeout: 500ms\n{snmp}"
    )
    return parse(text.encode(), AgentConfig, env={}, file="agent.yaml", folder=tmp_path)


async def test_one_subnet_and_one_community_are_enough_to_be_polled(agent: Snmpd, tmp_path: Path):
    config = configuration(
        tmp_path,
        f"    discover: {{subnets: ['127.0.0.0/29:{agent.port}'], timeout: 300ms}}\n    interval: 2s\n    credentials: [{{community: wrong}}, {{community: {COMMUNITY}}}]\n",
    )
    inputs = build_inputs(config, SystemClock(), random.Random(1), CollectorRegistry())
    basket = Basket()
    wanted = [each for each in inputs if each.name in ("snmp", "discovery")]
    assert len(wanted) == 2
    tasks = [asyncio.create_task(each.run(basket)) for each in wanted]
    await asyncio.wait_for(basket.read.wait(), 30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    polled = next(each for each in inputs if each.name == "snmp")
    (device,) = polled.devices
    assert device.instance == f"127.0.0.1:{agent.port}"
    assert device.config.credential == "community 2"
    assert polled.tally.timeouts == 0, "the credential that works is known from the first question on"
    (event,) = basket.events
    assert event.document["event"]["action"] == "device-found"
    assert event.document["fenghuo"]["asset"]["discovery"]["also"] == [f"127.0.0.2:{agent.port}"]
    assert {asset.id for asset in basket.assets} == {f"snmp:127.0.0.1:{agent.port}"}
    assert (tmp_path / "discovery.json").exists()


@pytest.mark.parametrize(
    ("snmp", "said"),
    [
        ("    discover: [10.20.0.0/33]\n    credentials: [{community: a}]\n", "agent.yaml:8:16: "),
        ("    discover: [10.0.0.0/8]\n    credentials: [{community: a}]\n", "at most 65536"),
        ("    discover: [10.0.0.0/24]\n", "at least one credential"),
        ("    discover: []\n    credentials: [{community: a}]\n", "at least 1 entries"),
        (
            "    discover: {subnets: [{subnet: 10.0.0.0/24, credentials: [b]}]}\n    credentials: [{community: a}]\n",
            "'b'",
        ),
        ("    discover: {subnets: [10.0.0.0/24], rat: 5}\n    credentials: [{community: a}]\n", "did you mean"),
    ],
)
def test_a_wrong_section_is_told_by_its_place(tmp_path: Path, snmp: str, said: str):
    with pytest.raises(Located) as raised:
        configuration(tmp_path, snmp)
    assert said in str(raised.value)


def test_a_list_of_subnets_is_all_that_is_needed(tmp_path: Path):
    config = configuration(
        tmp_path, "    discover: [10.20.0.0/22, '2001:db8::/64']\n    credentials: [{community: a}]\n"
    )
    discover = config.inputs.snmp.discover
    assert [entry.subnet for entry in discover.subnets] == ["10.20.0.0/22", "2001:db8::/64"]
    assert (discover.adopt, discover.scope.size) == (True, 1022)


def test_a_round_by_hand_reads_what_it_has_found(agent: Snmpd, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    discover = f"    discover: {{subnets: ['127.0.0.0/30:{agent.port}'], timeout: 300ms}}\n"
    config = configuration(tmp_path, f"{discover}    credentials: [{{community: {COMMUNITY}}}]\n")
    assert once(config, json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (up,) = [line["values"]["snmp_up"] for line in lines if line["name"] == "system"]
    assert up == 1
    assert any(line["name"] == "interface" for line in lines)
    assert {"fenghuo_agent_snmp_polls_total"} <= {name for line in lines for name in line.get("values", {})}
    assert lines[-1]["name"].startswith("fenghuo_agent"), "what the agent says of itself counts the whole round"
