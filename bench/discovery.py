"""Discovery of a /22 at default politeness: how long, how many datagrams, what it costs.

60 of the 1,022 addresses are devices: half answer to a community, half to a v3 user. The network lies behind a link
between two network namespaces and is met in two kinds. `link`: the addresses are on the link, and nobody answers ARP at
the empty ones, which the kernel tells. `routed`: they lie behind a router that drops what is for nobody without a word,
the worst case: every question has to be waited for. Needs root. Run: `python -m bench.discovery`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from bench.process import machine

DEVICES = 60
SUBNET = "10.88.0.0/22"
HERE, THERE = "10.99.0.1", "10.99.0.2"
COMMUNITY, USER, PASSWORD = "bench", "monitor", "beacon-tower"
PORT = 161
KINDS = ("link", "routed")


class Verdict(Protocol):
    """Whether a goal is met, in words."""

    def __call__(self, value: float, goal: float, *, at_most: bool = False) -> str: ...


def addresses() -> list[str]:
    """Where the devices are: spread over the subnet."""
    return [f"10.88.{place // 256}.{place % 256}" for place in range(5, 1020, 17)][:DEVICES]


async def devices() -> None:
    """Answer at the devices' addresses until the end."""
    from fenghuo.clock import SystemClock
    from fenghuo.demo import objects
    from fenghuo.demo.plan import build
    from fenghuo.demo.snmp_server import Agent, serve
    from fenghuo.demo.usm import User

    clock = SystemClock()
    school = build(1, clock.now())
    models = list(school.devices.values())
    for place, host in enumerate(addresses()):
        engine = b"\x80\x01\x86\xa0\x04" + f"bench-{place}".encode()
        user = User(USER, PASSWORD, engine, lambda: int(clock.monotonic())) if place % 2 else None
        model = models[place % len(models)]
        model = dataclasses.replace(model, name=f"{model.name}-{place}")
        await serve(Agent(objects.view(school, model), COMMUNITY, lambda: True, 1472, user), PORT, host)
    print("ready", flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def network(kind: str) -> Iterator[tuple[str, str]]:
    """Two namespaces with a link, the devices' addresses in the second."""
    here, there = f"fenghuo-bench-a{os.getpid()}", f"fenghuo-bench-b{os.getpid()}"
    try:
        for name in (here, there):
            subprocess.run(["ip", "netns", "add", name], check=True)
        ip(here, "link add veth0 type veth peer name veth0 netns " + there)
        for name, address in ((here, HERE), (there, THERE)):
            ip(name, f"addr add {address}/30 dev veth0")
            ip(name, "link set lo up")
            ip(name, "link set veth0 up")
        ip(here, f"route add {SUBNET} " + ("dev veth0 scope link" if kind == "link" else f"via {THERE}"))
        for host in addresses():
            ip(there, f"addr add {host}/32 dev lo")
        yield here, there
    finally:
        for name in (here, there):
            subprocess.run(["ip", "netns", "delete", name], check=False)


def ip(namespace: str, command: str) -> None:
    """Run iproute2 in a namespace."""
    subprocess.run(["ip", "-n", namespace, *command.split()], check=True)


def measure(kind: str) -> dict[str, Any]:
    """One scan in a process of its own."""
    python, folder = sys.executable, tempfile.TemporaryDirectory()
    with network(kind) as (here, there), folder as state:
        inside = ["ip", "netns", "exec", there, python, "-m", "bench.discovery", "--devices"]
        answering = subprocess.Popen(inside, stdout=subprocess.PIPE, text=True)
        try:
            assert answering.stdout is not None
            answering.stdout.readline()
            environment = {**os.environ, "FENGHUO_SNMP_AUTH": PASSWORD, "XDG_STATE_HOME": state}
            command = [
                "ip", "netns", "exec", here, python, "-c", "from fenghuo.cli import main; main()", "agent", "discover", SUBNET,
                "--community", COMMUNITY, "--user", USER, "--auth", "sha256", "--json",
            ]  # fmt: skip
            began = time.monotonic()
            with (Path(state) / "out").open("w+") as out:
                scan = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
                _, status, used = os.wait4(scan.pid, 0)
                seconds = time.monotonic() - began
                out.seek(0)
                document = json.load(out)
            scan.returncode = os.waitstatus_to_exitcode(status)
        finally:
            answering.terminate()
            answering.wait()
    counts = document["counts"]
    sent = counts["datagrams"] + counts["sessions"]
    return {
        "addresses": counts["asked"],
        "devices": len(document["devices"]),
        "seconds": round(seconds, 1),
        "datagrams": sent,
        "datagrams_per_second": round(sent / document["seconds"], 1),
        "nobody": counts["nobody"],
        "silent": counts["silent"],
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "resident_mb": round(used.ru_maxrss / 1024, 1),
    }


def run() -> dict[str, Any]:
    """Both kinds of network; nothing where there are no namespaces."""
    if os.geteuid() != 0:
        print("discovery: network namespaces need root; left out", file=sys.stderr)
        return {}
    return {kind: measure(kind) for kind in KINDS}


def rows(found: dict[str, Any], verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """What stands in the table of benchmarks."""
    titles = {
        "link": "discovery: a /22 on the link, a community and a v3 user, 60 devices, seconds; datagrams; CPU seconds",
        "routed": "discovery: the same behind a router that drops what is for nobody without a word",
    }
    return [
        (
            title,
            f"{found[kind]['seconds']:.0f}; {found[kind]['datagrams']:,}; {found[kind]['cpu_seconds']}",
            "< 60 s",
            verdict(found[kind]["seconds"], 60, at_most=True),
        )
        for kind, title in titles.items()
        if kind in found
    ]


def main() -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", action="store_true", help="answer as the devices")
    options = parser.parse_args()
    if options.devices:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(devices())
        return
    print(json.dumps({"machine": machine(), **run()}))


if __name__ == "__main__":
    main()
