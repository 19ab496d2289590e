"""Events through mixed rules, all kinds, from rule files to alerts, one core.

python -m bench.rules_events [--events 40000] [--rules 100,1000] [--profile]

Rules are made as analysts write them: two thirds look for single events, the rest count, compare and follow sequences. One
rule in fifty is alive: its events come often from all of a school's 2,000 devices, its windows and groups fill; it is
throttled, as the shipped ones are, so that alerts stay rare.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import random
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.detection import Document, conn_rule, dns_rule, events, firewall_rule, login_rule, tls_rule, web_rule
from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, load_rules

SHAPES = (dns_rule, firewall_rule, conn_rule, web_rule, tls_rule, login_rule)
KINDS: Sequence[Mapping[str, Any]] = (
    {"kind": "match", "group_by": ["source.ip"], "throttle": "10m"},
    {"kind": "match"},
    {"kind": "match", "group_by": ["source.ip"], "exceptions": [{"source.ip|cidr": "10.7.0.0/16"}]},
    {"kind": "frequency", "window": "5m", "condition": "value >= 20", "group_by": ["source.ip"]},
    {"kind": "match", "group_by": ["destination.ip"]},
    {"kind": "cardinality", "window": "10m", "field": "destination.ip", "condition": "value >= 50", "group_by": ["source.ip"]},
    {"kind": "match", "group_by": ["source.ip", "destination.ip"], "throttle": "1h"},
    {"kind": "sequence", "within": "10m", "group_by": ["source.ip"], "steps": [{"where": {"event.outcome": "failure"}, "count": 5}, {"where": {"event.outcome": "success"}}]},
    {"kind": "match", "lasts": "1m"},
    {"kind": "aggregate", "window": "10m", "field": "source.bytes", "function": "sum", "condition": "value >= 1e9", "group_by": ["source.ip"]},
    {"kind": "match"},
    {"kind": "new_value", "field": ["destination.port"], "group_by": ["source.ip"], "learn": "1d"},
)  # fmt: skip
ALIVE: Sequence[Mapping[str, Any]] = (
    {"where": {"event.category": "authentication", "event.outcome": "failure"}, "kind": "frequency", "window": "5m", "condition": "value >= 20", "group_by": ["source.ip"]},
    {"where": {"event.dataset": "zeek.conn"}, "kind": "cardinality", "window": "10m", "field": "destination.port", "condition": "value >= 100", "group_by": ["source.ip"]},
    {"where": {"event.dataset": "zeek.dns", "dns.question.type": "TXT", "dns.response_code": "NXDOMAIN"}, "kind": "match", "group_by": ["observer.name"], "throttle": "10m"},
    {"where": {"event.dataset": "cisco.asa", "event.action": "deny", "destination.port": 3389}, "kind": "match", "group_by": ["observer.name"], "throttle": "10m"},
    {"where": {"event.category": "authentication"}, "kind": "sequence", "within": "10m", "group_by": ["source.ip"], "steps": [{"where": {"event.outcome": "failure"}, "count": 5}, {"where": {"event.outcome": "success"}}], "throttle": "10m"},
)  # fmt: skip


def rule_texts(count: int, seed: int = 3) -> list[str]:
    """Rule documents in YAML."""
    chance = random.Random(seed)
    texts: list[str] = []
    for number in range(count):
        body: dict[str, Any] = {
            "title": f"Rule number {number}",
            "title_zh": f"第 {number} 条规则",
            "id": str(uuid.UUID(int=chance.getrandbits(128))),
            "name": f"bench.rule-{number}",
            "level": "medium",
            "tags": ["attack.t1071.004"],
            "message": "{source.ip} did what rule " + str(number) + " looks for",
        }
        if number % 50 == 0:
            body |= ALIVE[number // 50 % len(ALIVE)]
        else:
            body |= {"where": dict(SHAPES[number % len(SHAPES)](chance)), **KINDS[number % len(KINDS)]}
        texts.append(yaml.safe_dump(body, allow_unicode=True, sort_keys=False))
    return texts


def of_a_school(documents: Sequence[Document]) -> Sequence[Document]:
    """The documents as if they came from 2,000 devices."""
    for document in documents:
        last = document["source"]["ip"].split(".")
        document["source"]["ip"] = f"10.0.{int(last[2]) % 8}.{last[3]}"
    return documents


def measure(count: int, documents: Sequence[Document], folder: Path) -> dict[str, float]:
    """`count` rules, loaded from files of twenty."""
    texts = rule_texts(count)
    home = folder / str(count)
    home.mkdir()
    for start in range(0, count, 20):
        (home / f"{start}.yaml").write_text("---\n".join(texts[start : start + 20]))
    loading = time.process_time()
    rules = load_rules([home])
    loading = time.process_time() - loading
    clock = VirtualClock()
    engine = Engine(rules, clock=clock, agent="bench/gw1")
    found = [Event(f"e{n}", clock.now() + n * 20, document) for n, document in enumerate(documents)]
    warming, found = found[: len(found) // 2], found[len(found) // 2 :]
    for event in warming:  # so that most groups exist, as they do after the first minutes of a day
        engine.event(event)
    gc.collect()
    alerts, before = 0, sum(state.evaluations for state in engine.states)
    spent = time.process_time()
    for number, event in enumerate(found):
        alerts += len(engine.event(event))
        if number % 50 == 49:
            alerts += len(engine.advance(event.time))
    spent = time.process_time() - spent
    return {
        "rules": len(rules.rules),
        "events": len(found),
        "observations_per_event": round((sum(state.evaluations for state in engine.states) - before) / len(found), 3),
        "alerts": alerts,
        "cells": sum(len(state.cells) for state in engine.states),
        "us_per_event": round(spent * 1e6 / len(found), 2),
        "events_per_cpu_second": round(len(found) / spent),
        "load_ms": round(loading * 1e3),
    }


def run(event_count: int = 40_000, counts: Sequence[int] = (100, 1000)) -> dict[str, dict[str, float]]:
    """The figures for each number of rules."""
    gc.set_threshold(100_000, 20, 50)  # as the collector has it
    with tempfile.TemporaryDirectory() as folder:
        return {str(count): measure(count, of_a_school(events(event_count)), Path(folder)) for count in counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--rules", default="100,1000")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    counts = [int(count) for count in options.rules.split(",")]
    if options.profile:
        with cProfile.Profile() as profile:
            run(options.events, counts)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    for result in run(options.events, counts).values():
        print(json.dumps(result))


if __name__ == "__main__":
    main()
