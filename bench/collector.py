"""The collector: values from MQTT to Prometheus by remote write, and events from MQTT to Elasticsearch by bulk.

Real servers, each of their CPU time apart; the collector is a process of its own on a core of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bench import load
from bench.process import cost
from fenghuo.wire import Stream

AGENTS = 10
SWITCHES = 10
POLLS = 60
EVENTS = 500
EVENT_FRAMES = 40


@contextlib.contextmanager
def collector(folder: Path, broker_port: int, sinks: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A running collector with these sinks; the first core is its own."""
    folder.mkdir(exist_ok=True)
    config = folder / "collector.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "site": "bj",
                "data": str(folder / "data"),
                "broker": f"mqtt://127.0.0.1:{broker_port}",
                # The load keeps more in flight than a school would, and sends nothing twice.
                "delivery": {"queue": "512MiB"},
                "sinks": sinks,
                "console": {"listen": "127.0.0.1:18600"},
            }
        )
    )
    log = (folder / "collector.log").open("wb")
    process = subprocess.Popen(
        ["taskset", "-c", "0", sys.executable, "-m", "fenghuo", "collector", "run", "-c", str(config)],
        stdout=log,
        stderr=log,
    )
    try:
        deadline = time.monotonic() + 60
        while "Connected to the broker" not in (folder / "collector.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "collector.log").read_text())
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def stored() -> int:
    """Samples or documents that the collector's server took, by the collector's own count."""
    with urllib.request.urlopen("http://127.0.0.1:18600/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    taken = (
        "fenghuo_collector_remote_write_samples_total ",
        'fenghuo_collector_elasticsearch_documents_total{result="created"} ',
    )
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(taken)))


def measure(
    folder: Path, port: int, sinks: dict[str, Any], stream: Stream, frames: dict[load.AgentId, list[bytes]], items: int
) -> dict[str, float]:
    """What the collector costs to take these frames in and have them stored."""
    with collector(folder, port, sinks) as process:
        before, began = cost(process.pid), time.monotonic()
        asyncio.run(load.send_all(port, stream, frames))
        after, lasted = cost(process.pid), time.monotonic() - began
        if (kept := stored()) != items:
            raise SystemExit(
                f"{items} items were sent and committed, the server took {kept}: this figure is worth nothing"
            )
    cpu = after.cpu - before.cpu
    return {
        "items": items,
        "cpu_seconds": round(cpu, 2),
        "seconds": round(lasted, 2),
        "items_per_cpu_second": round(items / cpu),
        "resident_mb": round(after.resident / 1e6, 1),
    }


def run() -> dict[str, object]:
    """Both figures."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from servers.elasticsearch import elasticsearch
    from servers.mosquitto import mosquitto
    from servers.prometheus import prometheus

    results: dict[str, object] = {}
    start = (int(time.time()) - POLLS * 60) * 1000
    values = AGENTS * POLLS * SWITCHES * load.PORTS * len(load.FIELDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mosquitto(folder / "broker") as broker:
            metric = {
                agent: list(load.metric_frames(agent, switches=SWITCHES, polls=POLLS, start=start))
                for agent in load.agents(AGENTS)
            }
            with prometheus(folder) as server:
                sinks = {"prometheus": {"url": server.remote_write}}
                results["values_to_remote_write"] = measure(folder, broker.port, sinks, Stream.METRICS, metric, values)
            metric.clear()
        with mosquitto(folder / "broker2") as broker, elasticsearch("8.19.21") as node:
            events = {
                agent: list(load.event_frames(agent, events=EVENTS, frames=EVENT_FRAMES, start=start))
                for agent in load.agents(AGENTS)
            }
            sinks = {"elasticsearch": {"hosts": [node.url]}}
            count = AGENTS * EVENTS * EVENT_FRAMES
            results["events_to_bulk"] = measure(folder / "e", broker.port, sinks, Stream.EVENTS, events, count)
    return results


if __name__ == "__main__":
    print(yaml.safe_dump(run(), sort_keys=False))
