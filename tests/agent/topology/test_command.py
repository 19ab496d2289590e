"""`fenghuo agent topology` and `fenghuo agent locate`, over devices on the wire."""

from __future__ import annotations

import asyncio
import json

import pytest
from agent.topology import agents
from agent.topology.agents import MIB2, octets
from typer.testing import CliRunner

from fenghuo_agent.cli import app
from servers.snmpd import COMMUNITY


@pytest.fixture
async def config(make_device, tmp_path):
    """Two switches with a link, a printer at the second with an address by the first's ARP, a switch that cannot be read."""
    core, edge = await make_device(), await make_device()
    for number, (name, device) in enumerate((("core", core), ("edge", edge)), 1):
        device.objects[(*MIB2, 1, 5, 0)] = octets(name)
        agents.interfaces(
            device.objects, *((port, f"Gi0/{port}", "", f"00:11:22:00:{number:02x}:{port:02x}") for port in (1, 2, 3))
        )
        agents.chassis(device.objects, 4, agents.mac(f"00:11:22:00:{number:02x}:00"))
        for port in (1, 2, 3):
            agents.local_port(device.objects, port, 5, f"Gi0/{port}")
    caps = b"\x20"
    agents.remote(core.objects, (0, 2, 1), (4, agents.mac("00:11:22:00:02:00")), (5, "Gi0/1"), name="edge", caps=caps)
    agents.remote(edge.objects, (0, 1, 1), (4, agents.mac("00:11:22:00:01:00")), (5, "Gi0/2"), name="core", caps=caps)
    agents.remote(edge.objects, (0, 3, 1), (7, "x9"), (5, "p1"), name='the "other"', caps=caps)
    agents.learnt(core.objects, "aa:00:00:00:00:01", 2, vlan=20)
    agents.learnt(edge.objects, "aa:00:00:00:00:01", 2, vlan=20)
    edge.objects[(*MIB2, 31, 1, 1, 1, 18, 2)] = octets("printer")
    core.objects[(*MIB2, 4, 22, 1, 2, 1, 10, 20, 0, 7)] = octets(agents.mac("aa:00:00:00:00:01"))
    path = tmp_path / "agent.yaml"
    path.write_text(f"""
site: bj/haidian/zgc-no1
collector: mqtt://127.0.0.1
inputs:
  snmp:
    credentials: [{{community: {COMMUNITY}, version: 2c}}]
    timeout: 300ms
    retries: 0
    devices: [{{address: "{core.address}"}}, {{address: "{edge.address}", name: left}}, {{address: "127.0.0.1:9"}}]
""")
    return path


async def run(*arguments: object):
    """The command in a thread of its own; the devices answer in this one."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(each) for each in arguments])


async def test_json_is_one_document_of_nodes_links_places_and_failures(config):
    result = await run("topology", "-c", config, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert {node["name"]: node["read"] for node in told["nodes"]} == {"core": True, "left": True, 'the "other"': False}
    links = {frozenset((end["name"], end["port"]) for end in (link["a"], link["b"])) for link in told["links"]}
    assert links == {
        frozenset((("core", "Gi0/2"), ("left", "Gi0/1"))),
        frozenset((("left", "Gi0/3"), ('the "other"', "p1"))),
    }
    (place,) = told["locations"]
    assert place | {"time": "", "instance": ""} == {
        "mac": "aa:00:00:00:00:01", "addresses": ["10.20.0.7"], "switch": "left", "instance": "", "port": "Gi0/2",
        "description": "printer", "vlan": 20, "exact": True, "uplink": "no", "behind": "", "time": "",
    }  # fmt: skip
    assert [failure["address"] for failure in told["failures"]] == ["127.0.0.1:9"]
    assert "127.0.0.1:9 cannot be asked" in result.stderr


@pytest.mark.parametrize("wanted", ["aa:00:00:00:00:01", "AA-00-00-00-00-01", "aa00.0000.0001", "10.20.0.7"])
async def test_a_mac_or_an_address_is_found_on_its_port(config, wanted):
    result = await run("locate", wanted, "-c", config)
    assert result.exit_code == 0
    heads, line = result.stdout.strip().splitlines()
    assert heads.split() == ["MAC", "ADDRESSES", "SWITCH", "PORT", "VLAN", "BEHIND"]
    assert line.split() == ["aa:00:00:00:00:01", "10.20.0.7", "left", "Gi0/2", "20"]


@pytest.mark.parametrize("wanted", ["aa:00:00:00:00:02", "10.20.0.8", "nobody", "2001:db8::1", ""])
async def test_who_was_not_seen_is_status_1(config, wanted):
    result = await run("locate", wanted, "-c", config, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"wanted": wanted, "locations": [], "links": []}


@pytest.mark.parametrize("wanted", ["core", "CORE", "00:11:22:00:01:02"])
async def test_a_switch_is_found_by_its_links(config, wanted):
    result = await run("locate", wanted, "-c", config, "--json")
    told = json.loads(result.stdout)
    (link,) = told["links"]
    assert {link["a"]["name"], link["b"]["name"]} == {"core", "left"}
    assert "LINK" in (await run("locate", wanted, "-c", config)).stdout


async def test_for_people_links_and_ports(config):
    result = await run("topology", "-c", config)
    assert "Gi0/2  left Gi0/1" in result.stdout or "left Gi0/1  core Gi0/2" in result.stdout
    assert "left    Gi0/2  1     10.20.0.7" in result.stdout


async def test_a_device_that_is_not_read_is_told_once(config):
    told = (await run("topology", "-c", config)).stderr
    [line] = [line for line in told.splitlines() if "127.0.0.1:9" in line]
    assert line.count("127.0.0.1:9") == 1


async def test_where_no_device_is_known_it_says_so_and_prints_no_empty_table(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(
        f"site: bj/haidian/zgc-no1\ncollector: mqtt://127.0.0.1\nspool: {{path: {tmp_path}/spool.db}}\n"
        "inputs: {snmp: {discover: [10.20.0.0/24], credentials: [{community: c}]}}\n"
    )
    result = await run("topology", "-c", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none are found yet" in result.stderr


async def test_dot_is_a_graph_with_names_quoted(config):
    result = await run("topology", "-c", config, "--dot")
    lines = result.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("graph topology {", "}")
    assert r'  "id:x9" [label="the \"other\"", style=dashed];' in lines
    assert len([line for line in lines if " -- " in line]) == 2


async def test_nobody_to_read_is_status_1(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text("site: bj/haidian/a\ncollector: mqtt://127.0.0.1\ninputs: {snmp: {}}\n")
    assert (await run("topology", "-c", path)).exit_code == 1
