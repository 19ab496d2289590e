"""What the shipped rules cost: interface tables of switches under traffic through the engine, one core.

python bench/rules_engine.py [--devices 20] [--rounds 30] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import time

from fenghuo.clock import VirtualClock
from fenghuo.model import Layout, Table, single
from fenghuo.packs import packs_path
from fenghuo.rules import Engine, load_rules

ROWS = 50
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
    "ifOutErrors",
    "ifOutDiscards",
)
"""14 columns, as the benchmark of the poller reads them."""
COUNTERS = {name: 64 if "HC" in name else 32 for name in FIELDS[3:]}


def layout(device: int) -> Layout:
    return Layout(
        "interface",
        {"job": "snmp", "instance": f"10.0.{device // 250}.{device % 250}", "device": f"sw{device}"},
        {
            "ifIndex": [str(row + 1) for row in range(ROWS)],
            "ifName": [f"Gi1/0/{row + 1}" for row in range(ROWS)],
            "ifAlias": ["to core" if row >= ROWS - 2 else f"camera {row}" if row % 2 else "" for row in range(ROWS)],
        },
        FIELDS,
        COUNTERS,
    )


def tables(devices: int, rounds: int) -> list[list[Table]]:
    """The polls of all devices, round by round; made beforehand, so that only the engine is measured."""
    chance = random.Random(1)
    layouts = [layout(device) for device in range(devices)]
    state = [[[chance.randrange(1 << 30) for _ in range(ROWS)] for _ in FIELDS] for _ in layouts]
    start = VirtualClock().now()
    found: list[list[Table]] = []
    for number in range(rounds):
        polls: list[Table] = []
        for one, columns in zip(layouts, state, strict=True):
            columns[0], columns[1], columns[2] = [1] * ROWS, [1] * ROWS, [1000] * ROWS
            for place in range(3, 11):
                columns[place] = [value + chance.randrange(100_000) for value in columns[place]]
            columns[11] = [value + (chance.random() < 0.02) for value in columns[11]]
            polls.append(Table(one, start + number * 60_000, [list(column) for column in columns], [0] * ROWS))
        found.append(polls)
    return found


def measure(devices: int, rounds: int) -> dict[str, float]:
    rules = load_rules([packs_path()])
    clock = VirtualClock()
    engine = Engine(rules, clock=clock, agent="bench/gw1")
    rounds_of_tables = tables(devices, rounds + 2)
    for polls in rounds_of_tables[:2]:
        for table in polls:
            engine.process(table)
    spent = time.process_time()
    alerts = 0
    for polls in rounds_of_tables[2:]:
        for table in polls:
            alerts += len(engine.process(table))
        alerts += len(engine.advance(polls[0].time))
    spent = time.process_time() - spent
    count = devices * rounds
    values = count * ROWS * len(FIELDS)
    return {
        "rules": len(rules.rules),
        "tables": count,
        "alerts": alerts,
        "us_per_table": round(spent * 1e6 / count, 1),
        "us_per_value": round(spent * 1e6 / values, 4),
        "values_per_cpu_second": round(values / spent),
        **others(engine, devices, rounds_of_tables[-1][0].time),
    }


def others(engine: Engine, devices: int, now: int) -> dict[str, float]:
    """What a snapshot, a quiet second and a sensor's message cost."""
    spent = time.process_time()
    data = engine.snapshot()
    snapshot = time.process_time() - spent
    spent = time.process_time()
    for second in range(1000):
        engine.advance(now + second)
    quiet = time.process_time() - spent
    spent = time.process_time()
    labels = {"job": "mqtt_sensor", "room": "server-room", "device": "t1"}
    for number in range(2000):
        engine.process(single("sensor", labels, {"sensor_temperature_celsius": 22.0}, now + number * 1000))
    sensor = time.process_time() - spent
    return {
        "snapshot_ms": round(snapshot * 1e3, 2),
        "snapshot_bytes_per_device": len(data) // devices,
        "us_per_quiet_second": round(quiet * 1e3, 2),
        "us_per_single_reading": round(sensor * 1e6 / 2000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.profile:
        with cProfile.Profile() as profile:
            measure(options.devices, options.rounds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(json.dumps(measure(options.devices, options.rounds)))


if __name__ == "__main__":
    main()
