"""The doctor against net-snmp's own agent: each fault is told by its cause."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from fenghuo.clock import SystemClock
from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.doctor.cli import app
from fenghuo_agent.doctor.examine import Doctor
from fenghuo_agent.doctor.findings import ADVICE, Cause, Finding, Result
from fenghuo_agent.doctor.knock import Knocked, refusal
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.options import Unusable
from fenghuo_agent.snmp.session import Timing
from servers.process import free_port
from servers.snmpd import COMMUNITY, PASSWORD, SECRET, Snmpd, snmpd

NARROW = ["view narrow included 1.3.6.1.2.1.1", "rocommunity narrow default -V narrow"]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd"), lines=NARROW) as running:
        yield running


async def told(port: int, host: str = "127.0.0.1", **credential: Any) -> list[Finding]:
    doctor = Doctor(Timing(0.4, 0), SystemClock(), Random(1))
    return await doctor.examine(Target(host, port), [Credential.model_validate(credential)])


def user(name: str = "sha256aes", auth: str = PASSWORD, priv: str | None = SECRET, **other: Any) -> dict[str, Any]:
    return {"user": name, "auth": {"sha256": auth}, **({"priv": {"aes128": priv}} if priv else {}), **other}


def causes(findings: list[Finding]) -> list[Cause]:
    return [each.cause for each in findings if each.result is not Result.OK]


@pytest.mark.parametrize("credential", [{"community": COMMUNITY}, {"community": COMMUNITY, "version": "1"}, user()])
async def test_where_all_is_well_each_check_says_so(device: Snmpd, credential: dict[str, Any]) -> None:
    findings = await told(device.port, **credential)
    assert causes(findings) == []
    assert [each.check.split()[0] for each in findings] == [
        "route",
        "service",
        findings[2].check.split()[0],
        "view",
        "speed",
    ]


@pytest.mark.parametrize(
    ("credential", "cause"),
    [
        ({"community": "wrong"}, Cause.COMMUNITY),
        ({"community": "narrow"}, Cause.VIEW),
        (user("nobody"), Cause.USER),
        (user(auth="another password"), Cause.AUTHENTICATION),
        (user(priv="another password"), Cause.PRIVACY),
        (user(priv=None) | {"user": "sha256aes", "auth": {"sha512": PASSWORD}}, Cause.AUTHENTICATION),
        ({"user": "sha256aes"}, Cause.LEVEL),
        ({"user": "sha256only", "auth": {"sha256": PASSWORD}, "priv": {"aes128": SECRET}}, Cause.LEVEL),
    ],
)
async def test_each_fault_is_told_by_its_cause(device: Snmpd, credential: dict[str, Any], cause: Cause) -> None:
    findings = await told(device.port, **credential)
    assert causes(findings) == [cause]
    assert all(each.advice and each.advice_zh for each in findings if each.result is not Result.OK)


async def test_where_nothing_listens_it_is_the_service() -> None:
    assert causes(await told(free_port(socket.SOCK_DGRAM), community="x")) == [Cause.SERVICE]


async def test_where_the_host_is_there_but_silent_it_may_be_a_firewall_or_the_community() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        findings = await told(silent.getsockname()[1], community="x")
    assert causes(findings)[0] in (Cause.COMMUNITY, Cause.HOST)
    assert "firewall" in findings[-1].advice


async def test_where_there_is_no_route_it_is_routing() -> None:
    findings = await told(161, "240.0.0.1", community="x")
    assert causes(findings)[0] in (Cause.ROUTING, Cause.SERVICE, Cause.FIREWALL)


@pytest.mark.parametrize(
    ("knocked", "cause"),
    [
        (Knocked(error=101), Cause.ROUTING),
        (Knocked(error=101, source="10.0.0.2"), Cause.ROUTING),
        (Knocked(error=111, source="10.0.0.2"), Cause.SERVICE),
        (Knocked(error=113, source="10.0.0.2"), Cause.FIREWALL),
        (Knocked(error=13, source="10.0.0.2"), Cause.FIREWALL),
        (Knocked(error=1, source="10.0.0.2"), Cause.FIREWALL),
    ],
)
def test_what_the_network_says_is_understood(tmp_path: Path, knocked: Knocked, cause: Cause) -> None:
    found = refusal(Target("10.0.0.9", 161), knocked, tmp_path / "no-arp")
    assert found is not None
    assert found.cause is cause


def test_an_address_that_nobody_on_the_local_network_has_is_told_by_arp(tmp_path: Path) -> None:
    arp = tmp_path / "arp"
    arp.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.0.0.9         0x1         0x0         00:00:00:00:00:00     *        eth0\n"
        "10.0.0.8         0x1         0x2         02:00:00:00:00:08     *        eth0\n"
    )
    gone = refusal(Target("10.0.0.9", 161), Knocked(source="10.0.0.2"), arp)
    assert gone is not None
    assert gone.cause is Cause.HOST
    assert refusal(Target("10.0.0.8", 161), Knocked(source="10.0.0.2"), arp) is None


def test_every_cause_has_advice_in_both_languages() -> None:
    assert set(Cause) - set(ADVICE) == {Cause.NONE}
    assert all(english and chinese for english, chinese in ADVICE.values())


def test_the_command_examines_the_devices_of_a_configuration(device: Snmpd, tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        "site: bj/haidian/zgc-no1\ncollector: mqtt://127.0.0.1\ninputs:\n  snmp:\n"
        f"    devices: [{{address: '127.0.0.1:{device.port}', credential: bad}}]\n"
        f"    credentials: [{{name: bad, community: not-{COMMUNITY}}}, {{name: good, community: {COMMUNITY}}}]\n"
    )
    result = CliRunner().invoke(app, ["--config", str(config), "--json", "--timeout", "0.4"])
    [found] = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["instance"] == f"127.0.0.1:{device.port}"
    assert [each["cause"] for each in found["findings"]] == ["none", "none", "community"]
    assert COMMUNITY not in result.stdout


def configured(folder: Path, port: int, snmp: str) -> Path:
    config = folder / "agent.yaml"
    config.write_text(
        f"site: bj/haidian/zgc-no1\ncollector: mqtt://127.0.0.1\nspool: {{path: {folder}/spool.db}}\ninputs:\n  snmp:\n"
        f"    discover: ['127.0.0.0/30:{port}']\n    credentials: [{{community: {COMMUNITY}}}]\n{snmp}"
    )
    return config


def examined(config: Path, *more: str) -> list[str]:
    result = CliRunner().invoke(app, ["--config", str(config), "--json", "--timeout", "0.4", *more])
    return [each["instance"] for each in json.loads(result.stdout)]


def test_devices_that_were_found_or_stand_in_the_devices_file_are_examined_too(device: Snmpd, tmp_path: Path) -> None:
    here, there = f"127.0.0.1:{device.port}", f"127.0.0.2:{device.port}"
    config = configured(tmp_path, device.port, "    devices_file: devices.yaml\n")
    (tmp_path / "devices.yaml").write_text(f"devices:\n  - address: '{there}'\n")
    assert examined(config) == [there]
    target = Target("127.0.0.1", device.port)
    found = Found(target=target, credential="community 1", version="2c", how="sweep")
    store.save(tmp_path / "discovery.json", [found], Attempts(1, SystemClock(), b"salt"), b"salt", 0)
    assert examined(config) == [here, there]
    assert examined(config, here) == [here]


def test_where_nothing_is_to_be_examined_the_command_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--config", str(configured(tmp_path, 9, ""))])
    assert isinstance(result.exception, Unusable)
    assert "none are found yet" in str(result.exception)
