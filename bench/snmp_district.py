"""A district's 1,000 switches on one core: the whole agent, poll to broker, at 60 s, and beside dead devices.

One snmpd with 48 interfaces is seen through 1,000 addresses; it, the broker and a small collector have the other core. The
agent polls every minute, which gives its share of a core and its memory; then, told so by hot reload, every 20 s, while
none, 10 % and 30 % of the addresses turn silent. Needs root for the namespace. Run: `python -m bench.snmp_district`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiomqtt
import yaml

from bench.agent import BROKER_PORT, broker
from bench.process import cost, machine
from bench.snmp_poll import COMMUNITY, PORT, switch
from fenghuo.wire import Ack, Span, Stream, Topic, decode_frame, encode_ack
from fenghuo.wire.body import decode_tables

PORTS = 48
DEVICES = 1000
INTERVAL = 60.0
FAST = 20.0
PIECE = 16
"""Addresses that fall silent together: one route."""
SHARES = (0, 10, 30)
COLUMNS = 15
OTHERS = ("telegraf", "snmp_exporter", "prometheus-snmp-exporter")


def address(number: int) -> str:
    return f"10.9.{number >> 8}.{number & 255}"


@dataclass(slots=True)
class Seen:
    """What arrived: times at which each device was read, values, bytes."""

    times: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    values: int = 0
    bytes: int = 0

    def clear(self) -> None:
        self.times.clear()
        self.values = self.bytes = 0


async def collect(seen: Seen) -> None:
    """A collector that keeps only times, and says that all is committed."""
    async with aiomqtt.Client("127.0.0.1", BROKER_PORT, max_queued_incoming_messages=0) as client:
        for stream in ("metrics", "backfill", "events", "assets", "alerts"):
            for topic in Topic.filter(None, Stream(stream)):
                await client.subscribe(topic, qos=1)
        async for message in client.messages:
            payload = bytes(message.payload)  # type: ignore[arg-type]
            header, body = decode_frame(payload)
            if header.stream == Stream.METRICS:
                note(seen, payload, body)
            span = [Span(header.sequence, header.sequence)]
            ack = Ack("bench", header.spool, header.stream, received=span, committed=span)
            await client.publish(str(message.topic).rpartition("/")[0] + "/ack", encode_ack(ack), qos=1)


def note(seen: Seen, payload: bytes, body: bytes) -> None:
    seen.bytes += len(payload)
    for table in decode_tables(body):
        seen.values += table.size
        if table.layout.name == "system" and len(table.columns) > 3 and not table.ended:
            seen.times.setdefault(table.layout.labels["instance"], []).append(table.time)


def periods(seen: Seen, interval: float) -> dict[str, float]:
    """Times between two polls of devices that answered throughout, and how many of these were left out."""
    found = [
        (later - earlier) / 1000
        for times in seen.times.values()
        if len(times) > 1
        for earlier, later in pairwise(times)
    ]
    ordered = sorted(found)
    return {
        "periods": len(ordered),
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[int(len(ordered) * 0.99)], 3),
        "longest": round(ordered[-1], 3),
        "skipped": sum(period > 1.5 * interval for period in ordered),
    }


async def measured(agent: int, configuration: Path, devices: int) -> dict[str, object]:
    """All phases; runs inside the namespace."""
    seen = Seen()
    task = asyncio.create_task(collect(seen))
    result: dict[str, object] = {"learnt_after_seconds": await all_seen(seen, devices, 150)}
    await asyncio.sleep(10)
    seen.clear()
    before, began = cost(agent), time.monotonic()
    await asyncio.sleep(INTERVAL)
    after, lasted = cost(agent), time.monotonic() - began
    polls = sum(map(len, seen.times.values()))
    cpu = (after.cpu - before.cpu) / lasted
    result["minute"] = {
        "polls": polls,
        "values": seen.values,
        "cpu_percent": round(100 * cpu * devices / max(polls, 1), 2),
        "resident_mb": round(after.resident / 1e6, 1),
        "bytes_per_value": round(seen.bytes / max(seen.values, 1), 2),
    }
    write(configuration, [address(number) for number in range(devices)], FAST)
    await asyncio.sleep(FAST + 7)
    dead = 0
    for share in SHARES:
        while dead < devices * share / 100:
            kill(dead)
            dead += PIECE
        await asyncio.sleep(1)
        seen.clear()
        before, began = cost(agent), time.monotonic()
        await asyncio.sleep(2.2 * FAST)
        busy = (cost(agent).cpu - before.cpu) / (time.monotonic() - began)
        for number in range(dead):
            seen.times.pop(f"{address(number)}:{PORT}", None)
        found = periods(seen, FAST)
        result[f"dead_{share}_percent"] = {**found, "dead": dead, "cpu_percent_at_20_s": round(100 * busy, 2)}
    task.cancel()
    return result


async def all_seen(seen: Seen, devices: int, seconds: float) -> float:
    """Seconds until every device was read once."""
    began = time.monotonic()
    while len(seen.times) < devices and time.monotonic() - began < seconds:  # noqa: ASYNC110 — what is awaited is in a dictionary
        await asyncio.sleep(0.5)
    return round(time.monotonic() - began, 1)


def kill(first: int) -> None:
    """Silence a piece of addresses: they lead to a wire with nobody at its end."""
    subprocess.run(["ip", "route", "del", "local", f"{address(first)}/28", "dev", "lo", "table", "local"], check=True)


def inside(agent: int, configuration: str, devices: int) -> None:
    """Entry of the measuring process, inside the namespace."""
    print(json.dumps(asyncio.run(measured(agent, Path(configuration), devices))))


async def small(agent: int, devices: int) -> float:
    seen = Seen()
    task = asyncio.create_task(collect(seen))
    await all_seen(seen, devices, 60)
    await asyncio.sleep(8)
    task.cancel()
    return round(cost(agent).resident / 1e6, 1)


def memory(agent: int, devices: int) -> None:
    """Entry of the measuring process for few devices."""
    print(json.dumps(asyncio.run(small(agent, devices))))


def write(path: Path, addresses: list[str], interval: float) -> None:
    content = {
        "site": "bj/haidian/bench",
        "agent": "gw1",
        "collector": f"mqtt://127.0.0.1:{BROKER_PORT}",
        "spool": {"path": str(path.parent / f"spool-{len(addresses)}.db")},
        "inputs": {
            "snmp": {
                "devices": [{"address": f"{each}:{PORT}"} for each in addresses],
                "credentials": [{"community": COMMUNITY, "version": "2c"}],
                "interval": interval,
            }
        },
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(content))
    fresh.replace(path)


@contextlib.contextmanager
def agent(prefix: list[str], configuration: Path) -> Iterator[int]:
    """The real agent on the first core; its process id."""
    command = [*prefix, "taskset", "-c", "0", sys.executable, "-m", "fenghuo", "agent", "run", "-c", str(configuration)]
    process = subprocess.Popen([*command, "--log-level", "ERROR"])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def prepare(prefix: list[str]) -> None:
    """Many local addresses, and a wire to nowhere for those that fall silent."""
    lines = ["link add w0 type veth peer name w1", "link set w0 up arp off", "link set w1 up arp off"]
    lines += ["addr add 10.8.0.1/32 dev w0", "route add 10.9.0.0/16 dev w0 src 10.8.0.1"]
    lines += [f"route add local {address(first)}/28 dev lo" for first in range(0, 1024, PIECE)]
    subprocess.run([*prefix, "ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def within(prefix: list[str], call: str) -> object:
    """What a function of this module prints, run on the second core in the namespace."""
    code = f"from bench import snmp_district; snmp_district.{call}"
    command = ["taskset", "-c", "1", *prefix, sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stderr)
    return json.loads(said.stdout)


def others() -> dict[str, str]:
    """Programs to compare with: where they are, or that they are absent."""
    return {name: shutil.which(name) or "absent" for name in OTHERS}


def run(devices: int = DEVICES) -> dict[str, object]:
    """The figures of all phases."""
    results: dict[str, object] = {"others": others()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with switch(folder, PORTS - 2) as namespace:
            prefix = ["ip", "netns", "exec", namespace]
            prepare(prefix)
            with broker(folder, ["taskset", "-c", "1", *prefix]):
                few, many = folder / "few.yaml", folder / "many.yaml"
                write(few, [address(number) for number in range(100)], 10)
                with agent(prefix, few) as pid:
                    results["resident_mb_100"] = within(prefix, f"memory({pid}, 100)")
                write(many, [address(number) for number in range(devices)], INTERVAL)
                with agent(prefix, many) as pid:
                    found = within(prefix, f"inside({pid}, {str(many)!r}, {devices})")
                assert isinstance(found, dict)
                results |= found
    return results


if __name__ == "__main__":
    print(machine(), file=sys.stderr)
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else DEVICES), indent=2))
