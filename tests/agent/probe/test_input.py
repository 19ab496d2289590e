"""The input as a whole: one round, what it counts, what it says where a target fails or is explained."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading

import pytest

from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.input import TargetsFailed
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Resolver
from servers.process import free_port


async def silent(reader, writer):
    await reader.read()


async def test_once_asks_all_and_says_which_failed(make, basket, serve, registry):
    port, closed = await serve(silent), free_port()
    source = make({"tcp": [f"127.0.0.1:{port}", f"127.0.0.1:{closed}"]})
    with pytest.raises(TargetsFailed) as caught:
        await source.once(basket)
    assert str(caught.value) == f"1 of 2 probes failed:\n  tcp 127.0.0.1:{closed}: connection refused"
    assert {table.layout.labels["instance"]: table.columns[0][0] for table in basket.of("probe")} == {
        f"127.0.0.1:{port}": 1,
        f"127.0.0.1:{closed}": 0,
    }
    value = registry.get_sample_value
    assert value("fenghuo_agent_probe_probes_total", {"kind": "tcp", "result": "ok"}) == 1
    assert value("fenghuo_agent_probe_probes_total", {"kind": "tcp", "result": "refused"}) == 1
    assert value("fenghuo_agent_probe_targets", {"state": "up"}) == 1
    assert value("fenghuo_agent_probe_targets", {"state": "down"}) == 1
    assert value("fenghuo_agent_probe_targets", {"state": "unknown"}) == 0
    assert value("fenghuo_agent_probe_running") == 0


async def test_a_failure_that_a_dead_gateway_explains_says_so(ask):
    asked = []

    def explained(host):
        asked.append(host)
        return "10.20.0.254"

    result = await ask(tcp=f"127.0.0.1:{free_port()}", explained=explained)
    assert result.values["probe_success"] == 0
    assert result.values["probe_explained"] == 1
    assert asked == ["127.0.0.1"]


async def test_a_success_needs_no_explanation(ask, serve):
    port = await serve(silent)
    result = await ask(tcp=f"127.0.0.1:{port}", explained=lambda host: "10.20.0.254")
    assert result.values["probe_explained"] == 0


async def test_a_change_of_state_is_logged_once(make, basket, serve, caplog):
    caplog.set_level(logging.INFO)
    port = free_port()
    source = make({"tcp": f"127.0.0.1:{port}"})
    (prober,) = source.probers
    for _ in range(3):
        await prober.probe()
    server = await asyncio.start_server(silent, "127.0.0.1", port)
    await prober.probe()
    server.close()
    assert [record.getMessage() for record in caplog.records if "127.0.0.1" in record.getMessage()] == [
        f"tcp 127.0.0.1:{port}: connection refused",
        f"tcp 127.0.0.1:{port} answers again",
    ]


async def test_labels_of_the_configuration_are_on_every_series(make, basket, serve):
    port = await serve(silent)
    await make({"tcp": f"127.0.0.1:{port}", "device": "door", "labels": {"building": "教学楼"}}).once(basket)
    assert {table.layout.name for table in basket.tables} == {"probe", "probe_phase"}
    for table in basket.tables:
        assert table.layout.labels["building"] == "教学楼"
        assert table.layout.labels["device"] == "door"


async def test_layouts_stay_the_same_and_infos_end_when_they_change(make, basket, serve, authority):
    port = await serve(silent, tls=authority.context())
    source = make({"tcp": f"127.0.0.1:{port}", "tls": {"verify": False}})
    (prober,) = source.probers
    rounds = [(await prober.probe())[0] for _ in range(2)]
    assert [[table.layout for table in tables] for tables in rounds[:1]] == [[table.layout for table in rounds[1]]]
    findings = Findings(values={}, phases={}, infos={"probe_tls_version_info": {"version": "TLS 1.2"}})
    later = list(prober._tables.make(findings, rounds[1][-1].time + 1000))
    assert [(table.layout.name, table.ended) for table in later] == [
        ("probe", False),
        ("probe_info", True),
        ("probe_info", False),
    ]
    assert later[1].layout is rounds[1][-1].layout
    assert all(table.ended for table in prober.end())
    assert source.tally.targets == {"unknown": 0, "up": 0}


async def test_other_targets_are_taken_without_touching_those_that_stay(make, basket):
    source = make("10.20.0.1", "10.20.0.2", {"tcp": "10.20.0.3:22"})
    before = {prober.target.instance: prober for prober in source.probers}
    config = ProbeConfig.model_validate(
        {"targets": ["10.20.0.1", {"icmp": "10.20.0.2", "device": "sw2"}, "https://a.example/"]}
    )
    source.use(config, basket)
    after = {prober.target.instance: prober for prober in source.probers}
    assert list(after) == ["10.20.0.1", "10.20.0.2", "https://a.example/"]
    assert after["10.20.0.1"] is before["10.20.0.1"]
    assert after["10.20.0.2"].target.device == "sw2"
    assert all(table.ended for table in basket.tables)
    assert {table.layout.labels["instance"] for table in basket.tables} == {"10.20.0.2", "10.20.0.3:22"}
    assert source.tally.targets == {"unknown": 3}


async def test_an_unexpected_error_in_one_probe_stops_no_other(make, basket, serve):
    port = await serve(silent)
    source = make({"tcp": f"127.0.0.1:{port}"}, {"tcp": "127.0.0.1:1"})

    class Broken:
        async def ask(self, findings):
            raise ZeroDivisionError("surprise")

    source.probers[1]._probe = Broken()
    with pytest.raises(TargetsFailed, match="surprise"):
        await source.once(basket)
    assert len(basket.of("probe")) == 1


async def test_a_name_that_hangs_holds_one_thread_however_often_it_is_asked():
    release, asked = threading.Event(), []

    def lookup(host, port):
        asked.append(host)
        if host == "hangs.example":
            release.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    resolver = Resolver(lookup)

    async def find(host):
        return await resolver.find(host, 80, "any", Findings(), asyncio.get_running_loop().time)

    try:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(find("hangs.example"), 0.01)
        assert (await asyncio.wait_for(find("well.example"), 5)).host == "10.0.0.1"
        assert asked == ["hangs.example", "well.example"]
        waiting = asyncio.create_task(find("hangs.example"))
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(ProbeFailed, match="does not answer"):
            await waiting
    finally:
        release.set()
        resolver.close()


async def test_a_name_without_an_address_of_the_family_asked_for_fails():
    resolver = Resolver(lambda host, port: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))])
    with pytest.raises(ProbeFailed, match="no IPv6 address"):
        await resolver.find("a.example", 80, "ip6", Findings(), asyncio.get_running_loop().time)
    resolver.close()


def test_agent_once_prints_what_is_read(tmp_path):
    port = free_port()
    config = tmp_path / "agent.yaml"
    config.write_text(
        "site: bj/haidian/zgc-no1\nagent: gw1\ncollector: mqtt://127.0.0.1:1\nspool: {path: spool.db}\n"
        f"inputs:\n  probe: ['tcp://127.0.0.1:{port}']\n"
    )
    command = [sys.executable, "-m", "fenghuo", "agent", "once", "--json", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"probe: 1 of 1 probes failed:\n  tcp 127.0.0.1:{port}: connection refused" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (row,) = [row for row in rows if row["name"] == "probe"]
    assert row["values"]["probe_success"] == 0
    assert row["labels"]["job"] == "probe"


def test_kinds_that_are_not_used_are_not_loaded():
    code = (
        "import sys\n"
        "from random import Random\n"
        "from prometheus_client import CollectorRegistry\n"
        "from fenghuo.clock import SystemClock\n"
        "from fenghuo_agent.inputs.probe.config import ProbeConfig\n"
        "from fenghuo_agent.inputs.probe.input import ProbeInput\n"
        "config = ProbeConfig.model_validate({'targets': ['10.20.0.1', 'tcp://10.20.0.1:22']})\n"
        "ProbeInput(config, clock=SystemClock(), random=Random(1), registry=CollectorRegistry())\n"
        "bad = {'h11', 're2', 'xml.parsers.expat', 'cryptography', 'dns'}\n"
        "print(sorted(bad & set(sys.modules)), sorted(name for name in sys.modules if name.endswith('probe.http')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[] []"
