"""A real 50-port ifTable: a network namespace with veth pairs and an snmpd in it (needs root)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.process import need

INSIDE = """
import asyncio, json, pathlib, random, subprocess, sys
from prometheus_client import CollectorRegistry
from servers.process import wait_for
from servers.snmpd import COMMUNITY, snmpd
from fenghuo.clock import SystemClock
from fenghuo_agent.inputs.snmp import SnmpConfig
from fenghuo_agent.inputs.snmp.input import SnmpInput

class Keep(list):
    def table(self, table):
        self.append(table)
    def event(self, event): ...
    def asset(self, asset): ...

def walk(daemon, oid):
    return {line.split(" = ")[0].rpartition(".")[2]: line.rpartition(": ")[2].strip('"') for line in daemon.ask("snmpwalk", oid)}

def rows(tables, ended):
    return sorted(
        row["ifName"] for table in tables if table.layout.name == "interface" and table.ended is ended
        for row in table.layout.rows
    )

with snmpd(pathlib.Path(sys.argv[1]), lines=["interface_fadeout 1"]) as daemon:
    settings = {"devices": [{"address": daemon.address()}], "credentials": [{"community": COMMUNITY}]}
    source = SnmpInput(SnmpConfig.model_validate(settings), clock=SystemClock(), random=random.Random(1), registry=CollectorRegistry())
    first, second = Keep(), Keep()
    asyncio.run(source.once(first))
    table = next(table for table in first if table.layout.name == "interface")
    names, oper = walk(daemon, "1.3.6.1.2.1.31.1.1.1.1"), walk(daemon, "1.3.6.1.2.1.2.2.1.8")
    equal = [names[index] for index in table.layout.row_labels["ifIndex"]] == list(table.layout.row_labels["ifName"])
    equal &= [int(oper[index]) for index in table.layout.row_labels["ifIndex"]] == list(table.columns[table.layout.positions["ifOperStatus"]])
    subprocess.run(["ip", "link", "delete", "a10"], check=True)
    subprocess.run(["ip", "link", "add", "a10", "type", "veth", "peer", "name", "fresh"], check=True)
    wait_for(lambda: "fresh" in walk(daemon, "1.3.6.1.2.1.31.1.1.1.1").values(), "snmpd to see the new port")
    wait_for(lambda: "b10" not in walk(daemon, "1.3.6.1.2.1.31.1.1.1.1").values(), "snmpd to forget the old port")
    source.devices[0]._moves_from = 0.0
    asyncio.run(source.once(second))
    print(json.dumps({"rows": rows(first, False), "equal": equal, "ended": rows(second, True), "now": rows(second, False)}))
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with lo and 48 ports."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    ip = need("ip", "iproute2")
    name = f"fenghuo-ports-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        commands = ["link set lo up", *(f"link add a{n} type veth peer name b{n}" for n in range(24))]
        batch = "\n".join(commands)
        subprocess.run([ip, "-n", name, "-batch", "-"], input=batch, text=True, check=True)
        yield name
    finally:
        subprocess.run([ip, "netns", "delete", name], check=False)


@pytest.mark.slow
def test_a_port_that_is_replaced_ends_and_the_new_one_is_read(namespace: str, tmp_path: Path) -> None:
    tests = Path(__file__).parents[2]
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", INSIDE, str(tmp_path)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(tests)}
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["equal"]
    assert len(found["rows"]) == 49
    assert found["ended"] == ["a10", "b10"]
    assert "fresh" in found["now"]
    assert "a10" in found["now"]
    assert "b10" not in found["now"]
