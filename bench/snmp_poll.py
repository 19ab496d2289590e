"""SNMP polling on one core: the agent's input beside the bare gufo-snmp loop, on the same work in the same run.

One snmpd in a network namespace with 50 interfaces is seen as 200 devices through 200 loopback addresses; it has the
second core and its CPU time is not counted. Needs root for the namespace. Run: `python -m bench.snmp_poll`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.process import cost, machine

INTERFACES = 50
DEVICES = 200
PORT = 16161
COMMUNITY = "bench"
ACCESS = "".join(
    [
        *(f"view bench included .1.3.6.1.2.1.{group}\n" for group in (1, 2, 31)),
        f"rocommunity {COMMUNITY} default -V bench\n",
    ]
)
"""What a switch of plain ports has: a real snmpd would show its host's disks and processors as well."""
CONCURRENCY = 50
CLIENT_CORE, SERVER_CORE = "0", "1"
COLUMNS = (
    *(f"1.3.6.1.2.1.2.2.1.{column}" for column in (7, 8, 14, 20, 13, 19)),
    *(f"1.3.6.1.2.1.31.1.1.1.{column}" for column in (15, 6, 10, 7, 11, 8, 12, 9, 13)),
)
"""The input's columns: status, errors and discards of ifTable; speed and 64-bit counters of ifXTable."""
KINDS = ("input", "gufo-28", "gufo-56", "gufo-84", "gufo-bulk-25")


def addresses(count: int) -> list[str]:
    """Loopback addresses that all lead to the one snmpd."""
    return [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(count)]


@contextlib.contextmanager
def switch(folder: Path, interfaces: int) -> Iterator[str]:
    """The name of a network namespace with so many interfaces and an snmpd that shows these and the system group only."""
    name = f"fenghuo-bench-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        while (have := _count(inside)) < interfaces - 1:
            pair = ["ip", "link", "add", f"a{have}", "type", "veth", "peer", "name", f"b{have}"]
            subprocess.run([*inside, *pair], check=True)
        if _count(inside) < interfaces:
            subprocess.run([*inside, "ip", "link", "add", "br0", "type", "bridge"], check=True)
        _ports_up(inside)
        config = folder / "snmpd.conf"
        config.write_text(f"{ACCESS}serverRecvBuf 4194304\nserverSendBuf 4194304\n")
        daemon = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *inside, "snmpd", "-f", "-Lo", "-C", "-c", str(config), f"udp:0.0.0.0:{PORT}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", "SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""},
        )  # fmt: skip
        try:
            time.sleep(1)
            yield name
        finally:
            daemon.terminate()
            daemon.wait()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def _ports_up(inside: list[str]) -> None:
    """Bring all ports up: of those that are down an agent asks only now and then for more than their status."""
    subprocess.run([*inside, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=True)
    listing = subprocess.run([*inside, "ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[1].rstrip(":").partition("@")[0] for line in listing.splitlines()]
    batch = "\n".join(f"link set {name} up" for name in names)
    subprocess.run([*inside, "ip", "-batch", "-"], input=batch, text=True, check=True)


def _count(inside: list[str]) -> int:
    listing = subprocess.run([*inside, "ip", "-o", "link"], capture_output=True, text=True, check=True)
    return len(listing.stdout.splitlines())


def measure(namespace: str, kind: str, devices: int, rounds: int) -> dict[str, float]:
    """One kind of client in a process of its own on a core of its own."""
    command = [
        "ip", "netns", "exec", namespace, "taskset", "-c", CLIENT_CORE, sys.executable, "-m", "bench.snmp_poll",
        "--client", kind, "--devices", str(devices), "--rounds", str(rounds),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        raise SystemExit(result.stderr)
    return json.loads(result.stdout)


class _Count:
    """Counts what is handed on."""

    def __init__(self) -> None:
        self.values = 0

    def table(self, table) -> None:
        self.values += table.size

    def event(self, event) -> None: ...

    def asset(self, asset) -> None: ...


async def poll_by_input(devices: int, rounds: int) -> tuple[int, float, float]:
    """Values, CPU seconds and seconds of the agent's input."""
    from prometheus_client import CollectorRegistry

    from fenghuo.clock import SystemClock
    from fenghuo_agent.inputs.snmp import SnmpConfig
    from fenghuo_agent.inputs.snmp.input import SnmpInput

    config = SnmpConfig.model_validate(
        {
            "devices": [{"address": f"{address}:{PORT}"} for address in addresses(devices)],
            "credentials": [{"community": COMMUNITY}],
            "concurrency": CONCURRENCY,
            "timeout": 5.0,
        }
    )
    source = SnmpInput(config, clock=SystemClock(), random=random.Random(1), registry=CollectorRegistry())
    count = _Count()
    for _ in range(3):
        await source.once(count)
    count.values, cpu, began = 0, time.process_time(), time.monotonic()
    for _ in range(rounds):
        await source.once(count)
    return count.values, time.process_time() - cpu, time.monotonic() - began


async def poll_by_gufo(kind: str, devices: int, rounds: int) -> tuple[int, float, float]:
    """The same for a bare loop over gufo-snmp: the same columns of rows known beforehand, or walked by GETBULK."""
    from gufo.snmp.aio import SnmpSession

    sessions = [
        SnmpSession(address, PORT, community=COMMUNITY, timeout=5.0, max_repetitions=25)
        for address in addresses(devices)
    ]
    rows = [oid.rpartition(".")[2] async for oid, _ in sessions[0].getbulk("1.3.6.1.2.1.2.2.1.1")]
    oids = ["1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.1.0", *(f"{column}.{row}" for row in rows for column in COLUMNS)]
    size = int(kind.rpartition("-")[2])
    chunks = [oids[start : start + size] for start in range(0, len(oids), size)]
    places = asyncio.Semaphore(CONCURRENCY)

    async def one(session: SnmpSession) -> int:
        values = 0
        async with places:
            if "bulk" in kind:
                for column in COLUMNS:
                    values += len([value async for _, value in session.getbulk(column)])
            else:
                for chunk in chunks:
                    values += len(await session.get_many(chunk))
        return values

    await asyncio.gather(*map(one, sessions))
    cpu, began, values = time.process_time(), time.monotonic(), 0
    for _ in range(rounds):
        values += sum(await asyncio.gather(*map(one, sessions)))
    return values, time.process_time() - cpu, time.monotonic() - began


def client(kind: str, devices: int, rounds: int) -> None:
    """Run one kind of client in this process and print what it cost."""
    import uvloop

    work = poll_by_input(devices, rounds) if kind == "input" else poll_by_gufo(kind, devices, rounds)
    values, cpu, seconds = uvloop.run(work)
    result = {
        "values": values,
        "cpu_seconds": round(cpu, 3),
        "seconds": round(seconds, 3),
        "values_per_cpu_second": round(values / cpu),
        "resident_mb": round(cost(os.getpid()).resident / 1e6, 1),
    }
    print(json.dumps(result))


def main() -> None:
    """Print one line of JSON with every client's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=KINDS)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.client:
        client(options.client, options.devices, options.rounds)
        return
    results: dict[str, object] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder, switch(Path(folder), INTERFACES) as namespace:
        for kind in options.kinds.split(","):
            results[kind] = figures = measure(namespace, kind, options.devices, options.rounds)
            print(kind, figures, file=sys.stderr)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
