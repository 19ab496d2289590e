"""The whole agent on one core: SNMP poll → rules → spool → published batch.

One snmpd with 50 interfaces is seen as 200 devices (see `bench.snmp_poll`); a real Mosquitto takes what is published and
a small collector answers. The agent is a process of its own on a core of its own; only its CPU time counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import yaml

from bench.process import cost
from bench.snmp_poll import COMMUNITY, PORT, addresses, measure, switch
from fenghuo.wire import Ack, Span, Stream, Topic, decode_frame, encode_ack

BROKER_PORT = 18830
SECONDS = 25
WARM_UP = 12


@dataclass(slots=True)
class Tally:
    """What arrived at the broker."""

    values: int = 0
    bytes: int = 0
    frames: int = 0


@contextlib.contextmanager
def broker(folder: Path, prefix: list[str]) -> Iterator[None]:
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {BROKER_PORT} 127.0.0.1\nallow_anonymous true\nuser root\n")
    command = [*prefix, "mosquitto", "-c", str(config)]
    path = os.environ["PATH"] + ":/usr/sbin"
    process = subprocess.Popen(
        command, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def answer(tally: Tally) -> None:
    """A collector that keeps nothing: counts, and says that all is committed."""
    async with aiomqtt.Client("127.0.0.1", BROKER_PORT, max_queued_incoming_messages=0) as client:
        for topic in (
            topic
            for stream in ("metrics", "backfill", "events", "assets", "alerts")
            for topic in Topic.filter(None, Stream(stream))
        ):
            await client.subscribe(topic, qos=1)
        async for message in client.messages:
            payload = bytes(message.payload)  # type: ignore[arg-type]
            header, _ = decode_frame(payload)
            if header.stream == Stream.METRICS:
                tally.values += header.count
                tally.bytes += len(payload)
                tally.frames += 1
            span = [Span(header.sequence, header.sequence)]
            ack = Ack("bench", header.spool, header.stream, received=span, committed=span)
            await client.publish(str(message.topic).rpartition("/")[0] + "/ack", encode_ack(ack), qos=1)


async def poll_for(seconds: float, warm_up: float, agent: int) -> dict[str, float]:
    tally = Tally()
    task = asyncio.create_task(answer(tally))
    await asyncio.sleep(warm_up)
    before, values, size, frames, began = cost(agent), tally.values, tally.bytes, tally.frames, time.monotonic()
    await asyncio.sleep(seconds)
    after, lasted = cost(agent), time.monotonic() - began
    values, size, frames = tally.values - values, tally.bytes - size, tally.frames - frames
    task.cancel()
    cpu = after.cpu - before.cpu
    return {
        "values": values,
        "cpu_seconds": round(cpu, 2),
        "seconds": round(lasted, 2),
        "values_per_cpu_second": round(values / cpu),
        "resident_mb": round(after.resident / 1e6, 1),
        "frames": frames,
        "bytes_per_value": round(size / max(values, 1), 3),
    }


def answering(seconds: float, warm_up: float, agent: int) -> None:
    """Run inside the namespace, where the broker is."""
    print(json.dumps(asyncio.run(poll_for(seconds, warm_up, agent))))


def configuration(folder: Path, devices: int, interval: float) -> Path:
    path = folder / "agent.yaml"
    content = {
        "site": "bj/haidian/bench",
        "agent": "gw1",
        "collector": f"mqtt://127.0.0.1:{BROKER_PORT}",
        "spool": {"path": str(folder / "spool.db")},
        "inputs": {
            "snmp": {
                "devices": [{"address": f"{address}:{PORT}"} for address in addresses(devices)],
                "credentials": [{"community": COMMUNITY}],
                "interval": interval,
                "timeout": 5.0,
            }
        },
    }
    path.write_text(yaml.safe_dump(content))
    return path


def run(devices: int = 200, interval: float = 1.0) -> dict[str, object]:
    """The agent's figures, and the bare gufo-snmp loop's beside them."""
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with switch(folder, 50) as namespace:
            inside = ["ip", "netns", "exec", namespace]
            results["gufo_loop_84"] = measure(namespace, "gufo-84", devices, 5)
            results["gufo_loop_28"] = measure(namespace, "gufo-28", devices, 5)
            with broker(folder, ["taskset", "-c", "1", *inside]):
                time.sleep(0.5)
                agent = subprocess.Popen(
                    [*inside, "taskset", "-c", "0", sys.executable, "-m", "fenghuo", "agent", "run", "-c",
                     str(configuration(folder, devices, interval)), "--log-level", "ERROR"],
                )  # fmt: skip
                try:
                    code = f"from bench.agent import answering; answering({SECONDS}, {WARM_UP}, {agent.pid})"
                    said = subprocess.run(
                        ["taskset", "-c", "1", *inside, sys.executable, "-c", code],
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    results["agent"] = json.loads(said.stdout)
                finally:
                    agent.terminate()
                    agent.wait(20)
    return results


if __name__ == "__main__":
    print(yaml.safe_dump(run(), sort_keys=False))
