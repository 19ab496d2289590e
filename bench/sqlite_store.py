"""How large a school's metrics are in the embedded store, and how fast one port is drawn from it.

Simulated: 48-port switches with 14 columns, polled every 60 s: ports that are unused, quiet desks and busy uplinks, with
a school's day (busy from 8 to 18 o'clock), bursts, broadcasts that reach every port. Fewer devices or days than the goal
speaks of are simulated where asked for, and then the size is extrapolated, which the output says.

    python -m bench.sqlite_store [--devices 4] [--days 7] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import platform
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Layout, Table
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite import SqliteConfig, SqliteSink

PORTS = 48
INTERVAL = 60
AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
FIELDS = (
    "ifAdminStatus",
    "ifOperStatus",
    "ifHighSpeed",
    "ifHCInOctets",
    "ifHCOutOctets",
    "ifHCInUcastPkts",
    "ifHCOutUcastPkts",
    "ifHCInMulticastPkts",
    "ifHCOutMulticastPkts",
    "ifHCInBroadcastPkts",
    "ifHCOutBroadcastPkts",
    "ifInErrors",
    "ifInDiscards",
    "ifOutDiscards",
)
COUNTERS = {name: 64 if "HC" in name else 32 for name in FIELDS[3:]}
GOAL_DEVICES, GOAL_DAYS, GOAL_BYTES, GOAL_SECONDS = 100, 7, 10**9, 0.1


class Switch:
    """One switch whose counters grow as a school's do."""

    def __init__(self, number: int, seed: int) -> None:
        self._random = np.random.default_rng([seed, number])
        self.layout = Layout(
            "interface",
            {"job": "snmp", "instance": f"10.20.0.{number}", "device": f"sw{number}"},
            {
                "ifIndex": [str(port + 1) for port in range(PORTS)],
                "ifName": [f"Gi0/{port + 1}" for port in range(PORTS)],
                "ifAlias": [f"room {number}-{port}" if port % 3 else "" for port in range(PORTS)],
            },
            FIELDS,
            COUNTERS,
        )
        # 35 % unused, 50 % desks, 15 % access points, servers and uplinks.
        self._kind = self._random.choice(3, PORTS, p=[0.35, 0.5, 0.15])
        self._up = self._kind > 0
        self._size = self._random.uniform(200, 1200, (2, PORTS))
        self._load = self._random.normal(0, 1, (2, PORTS))
        self._counters = self._random.integers(0, 2**38, (11, PORTS)).astype(np.uint64) * self._up.astype(np.uint64)
        self._counters[8:] >>= np.uint64(34)

    def poll(self, seconds: float) -> list[list[int]]:
        """One column a field, `seconds` after the start of a day."""
        random, up = self._random, self._up
        busy = 1.0 if 8 <= seconds / 3600 % 24 < 18 else 0.05
        self._load = 0.9 * self._load + random.normal(0, 0.5, (2, PORTS))
        level = np.where(self._kind == 1, 8.0, 13.5) + self._load * np.where(self._kind == 1, 1.6, 0.8)
        octets = np.where(up, np.exp(level) * INTERVAL * busy, 0)
        packets = octets / (self._size * random.uniform(0.9, 1.1, (2, PORTS)))
        broadcast, multicast = random.poisson(600 * busy + 60), random.poisson(300 * busy + 100)
        grown = np.stack(
            [
                octets[0],
                octets[1] + (broadcast + multicast) * 90 * up,
                packets[0],
                packets[1],
                random.poisson(4, PORTS) * up,
                (multicast - random.poisson(4, PORTS)) * up,
                random.poisson(3 * busy + 0.5, PORTS) * up,
                (broadcast - random.poisson(3, PORTS)) * up,
                (random.random(PORTS) < 0.0005) * up,
                (random.random(PORTS) < 0.0005) * up,
                (self._kind == 2) * (random.random(PORTS) < 0.02) * random.poisson(20, PORTS),
            ]
        )
        self._counters += np.maximum(grown, 0).astype(np.uint64)
        status = [1 if there else 2 for there in up.tolist()]
        speed = [1000 if there else 0 for there in up.tolist()]
        return [[1] * PORTS, status, speed, *self._counters.tolist()]


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="fenghuo-bench-") as name:
        yield Path(name)


async def _fill(sink: SqliteSink, clock: VirtualClock, devices: int, days: float) -> dict[str, float]:
    """Poll and store, ending as in operation, with the last hours still in the journal; CPU seconds spent in the store."""
    switches = [Switch(number, 7) for number in range(devices)]
    start = clock.now()
    polls = round(days * 86_400 / INTERVAL)
    writing = maintaining = 0.0
    for number in range(polls):
        tables = [Table(each.layout, clock.now(), each.poll(number * INTERVAL)) for each in switches]
        before = time.process_time()
        await sink.write([Batch(AGENT, Stream.METRICS, number, clock.now(), tables=tables)])
        writing += time.process_time() - before
        clock.advance(INTERVAL)
        if number % 30 == 0:
            before = time.process_time()
            await sink.maintain()
            maintaining += time.process_time() - before
    values = polls * devices * PORTS * len(FIELDS)
    return {"values": values, "start": start, "write_cpu": writing, "maintenance_cpu": maintaining}


def _draw(sink: SqliteSink, end: int, devices: int, fields: int) -> tuple[list[float], list[float]]:
    """Seconds, and CPU seconds, to draw the last day of one port, for several ports; every connection and cache is warm from the second on."""
    seconds: list[float] = []
    cpu: list[float] = []
    for number in range(20):
        labels = {"device": f"sw{number % devices}", "ifName": f"Gi0/{number * 7 % PORTS + 1}"}
        before, cpu_before = time.perf_counter(), time.process_time()
        for field in ("ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifInDiscards")[:fields]:
            found = sink.query.series(
                AGENT, "interface", field, labels, end - 86_400_000, end, rate=True, max_points=2000
            )
            assert len(found) == 1
        seconds.append(time.perf_counter() - before)
        cpu.append(time.process_time() - cpu_before)
    return seconds, cpu


def _waiting(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])


async def measure(folder: Path, devices: int, days: float) -> dict[str, object]:
    clock = VirtualClock()
    config = SqliteConfig(path=folder, metrics_retention=days * 86_400 + 86_400, maintenance_interval=1e6)
    sink = SqliteSink(config, clock=clock, registry=CollectorRegistry())
    await sink.start()
    try:
        filled = await _fill(sink, clock, devices, days)
        end = int(filled["start"]) + round(days * 86_400_000)
        waiting = await asyncio.to_thread(_waiting, config.metrics_file)
        (four, four_cpu), (two, _) = (_draw(sink, end, devices, fields) for fields in (4, 2))
    finally:
        await sink.close()
    size = config.metrics_file.stat().st_size
    per_value = size / filled["values"]
    goal_values = GOAL_DEVICES * GOAL_DAYS * 86_400 / INTERVAL * PORTS * len(FIELDS)
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "simulated": f"{devices} devices, {days:g} days, {PORTS} ports x {len(FIELDS)} columns every {INTERVAL} s",
        "values": int(filled["values"]),
        "bytes": size,
        "tables_in_the_journal": waiting,
        "bytes_per_value": round(per_value, 3),
        "extrapolated_bytes_100_devices_7_days": round(per_value * goal_values),
        "goal_bytes": GOAL_BYTES,
        "draw_4_fields_first_s": round(four[0], 4),
        "draw_4_fields_median_s": round(statistics.median(four), 4),
        "draw_4_fields_max_s": round(max(four), 4),
        "draw_4_fields_median_cpu_s": round(statistics.median(four_cpu), 4),
        "draw_2_fields_median_s": round(statistics.median(two), 4),
        "goal_draw_s": GOAL_SECONDS,
        "write_values_per_cpu_s": round(filled["values"] / filled["write_cpu"]),
        "write_and_compact_values_per_cpu_s": round(
            filled["values"] / (filled["write_cpu"] + filled["maintenance_cpu"])
        ),
        "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--folder", type=Path, help="where the store is made and left; default: a temporary folder")
    arguments = parser.parse_args()
    with _folder(arguments.folder) as folder:
        print(json.dumps(asyncio.run(measure(folder, arguments.devices, arguments.days)), indent=2))


if __name__ == "__main__":
    main()
