"""What windows cost: observations through the cells of each kind and through the whole engine, and memory per live group.

python bench/rules_windows.py [kind …] [--observations 200000] [--groups 100000]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
import tracemalloc
from typing import Any

import yaml

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files.load import parse_rules
from fenghuo.rules.runtime.observe import Seen

FRAME: dict[str, Any] = {
    "title": "A window",
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "bench.window",
    "dataset": "bench",
    "group_by": ["source.ip"],
    "window": "5m",
}
KINDS: dict[str, dict[str, Any]] = {
    "frequency": {"condition": "value >= 100"},
    "frequency, too few": {"kind": "frequency", "condition": "value < 2"},
    "cardinality": {"field": "destination.port", "condition": "value >= 50"},
    "ratio": {"part": {"where": {"event.outcome": "failure"}}, "condition": "value > 0.9", "min_count": 10},
    "spike": {"condition": "factor > 5", "min_value": 50},
    "spike, week": {"kind": "spike", "against": "week", "condition": "factor > 5", "min_value": 50},
    "aggregate, sum": {"kind": "aggregate", "field": "source.bytes", "function": "sum", "condition": "value > 1GB"},
    "aggregate, p95": {"kind": "aggregate", "field": "source.bytes", "function": "p95", "condition": "value > 1GB"},
    "new_value": {"field": "destination.port", "learn": "30d", "window": None},
}


def rule_of(name: str, groups: int) -> Any:
    keys = {**FRAME, "kind": name.partition(",")[0], "limits": {"groups": max(1, groups)}, **KINDS[name]}
    text = yaml.safe_dump({key: value for key, value in keys.items() if value is not None})
    rules, problems = parse_rules(text.encode(), "bench.yaml")
    assert not problems, problems
    return rules[0]


def document(chance: random.Random, group: int) -> dict[str, Any]:
    return {
        "event": {"dataset": "bench", "outcome": chance.choice(["success", "success", "failure"])},
        "source": {"ip": f"10.{group >> 16}.{group >> 8 & 255}.{group & 255}", "bytes": chance.randrange(100_000)},
        "destination": {"port": chance.randrange(40)},
    }


def cell_speed(name: str, observations: int) -> float:
    """Observations per CPU-second of one busy cell, 20 in a second of event time in no window of trouble."""
    chance = random.Random(1)
    body = rule_of(name, 1).observer
    cell = body.start()
    start = VirtualClock().now()
    fields = [document(chance, 0) for _ in range(1000)]
    flat = [
        {"destination.port": each["destination"]["port"], "source.bytes": each["source"]["bytes"]} for each in fields
    ]
    failed = [int(each["event"]["outcome"] == "failure") for each in fields]
    seen = [
        (
            Seen(start + number * 4_000, f"0190e3a1-0000-7000-8000-{number:012}", None, flat[number % 1000].get),
            failed[number % 1000],
        )
        for number in range(observations)
    ]
    begun = time.process_time()
    for each, selection in seen:
        due = cell.due
        while due is not None and due < each.time:
            cell.lapse(due)
            due = cell.due
        cell.see(each, selection)
    return observations / (time.process_time() - begun)


def engine_speed(name: str, observations: int, groups: int) -> float:
    """Events per CPU-second through the engine with this one rule, spread over some groups, time told every second."""
    chance = random.Random(1)
    clock = VirtualClock()
    engine = Engine(RuleSet((rule_of(name, groups),)), clock=clock, agent="bench")
    start = clock.now()
    documents = [document(chance, chance.randrange(groups)) for _ in range(5_000)]
    events = [
        Event(f"0190e3a1-0000-7000-8000-{number:012}", start + number * 5, documents[number % 5_000])
        for number in range(observations)
    ]
    begun = time.process_time()
    for number, event in enumerate(events):
        if number % 200 == 0:
            engine.advance(event.time)
        engine.event(event)
    return observations / (time.process_time() - begun)


def group_bytes(name: str, groups: int, each: int) -> float:
    """Bytes per live group with so many events each, all in the window; the events themselves are let go."""
    chance = random.Random(1)
    clock = VirtualClock()
    engine = Engine(RuleSet((rule_of(name, groups),)), clock=clock, agent="bench")
    start = clock.now()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(groups * each):
        id_ = f"0190e3a1-0000-7000-8000-{number:012}"
        engine.event(
            Event(id_, start + number // each // 1_000 + number % each * 1_000, document(chance, number // each))
        )
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    live = len(engine.states[0].cells)
    assert live == groups, (name, live)
    return used / live


def run(kinds: list[str] | None = None, observations: int = 200_000, groups: int = 100_000) -> dict[str, Any]:
    return {
        name: {
            "cell_observations_per_cpu_second": round(cell_speed(name, observations)),
            "us_per_observation": round(1e6 / cell_speed(name, observations), 2),
            "engine_events_per_cpu_second": round(engine_speed(name, observations // 2, 100)),
            "bytes_per_live_group_of_1": round(group_bytes(name, groups, 1)),
            "bytes_per_live_group_of_5": round(group_bytes(name, groups // 5, 5)),
        }
        for name in kinds or KINDS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="which to measure; all by default")
    parser.add_argument("--observations", type=int, default=200_000)
    parser.add_argument("--groups", type=int, default=100_000)
    options = parser.parse_args()
    print(json.dumps(run(options.kinds, options.observations, options.groups), indent=2))


if __name__ == "__main__":
    main()
