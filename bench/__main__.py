"""`make bench`: measures, prints, and with `--write` puts the table into docs/reference/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import agent, collector, wire_size
from bench.process import machine

PAGE = Path(__file__).parent.parent / "docs/reference/benchmarks.md"
BEGIN, END = "<!-- table: begin (written by `make bench ARGS=--write`) -->", "<!-- table: end -->"
PARTS: dict[str, Callable[[], dict[str, Any]]] = {"agent": agent.run, "collector": collector.run, "wire": wire_size.run}


def verdict(value: float, goal: float, *, at_most: bool = False) -> str:
    """Whether a goal is met, and where not, by how much it is missed."""
    met = value <= goal if at_most else value >= goal
    return "met" if met else f"missed by {abs(value / goal - 1):.0%}"


def rows(results: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What was measured, the figure, the goal, whether it is met."""
    table: list[tuple[str, str, str, str]] = []
    if "agent" in results:
        whole = results["agent"]["agent"]
        speed, memory = whole["values_per_cpu_second"], whole["resident_mb"]
        table += [
            (
                "agent: SNMP poll to published batch, values per CPU-second",
                f"{speed:,}",
                "≥ 300,000",
                verdict(speed, 300_000),
            ),
            (
                "agent: resident memory with 200 devices × 50 ports, MB",
                f"{memory:.0f}",
                "≤ 60",
                verdict(memory, 60, at_most=True),
            ),
        ]
        for name, title in (("gufo_loop_84", "84"), ("gufo_loop_28", "28")):
            bare = results["agent"][name]["values_per_cpu_second"]
            table.append((f"beside it: bare gufo-snmp loop, {title} OIDs a GET, output discarded", f"{bare:,}", "", f"agent at {speed / bare:.0%} of it"))  # fmt: skip
    if "collector" in results:
        values = results["collector"]["values_to_remote_write"]["items_per_cpu_second"]
        events = results["collector"]["events_to_bulk"]["items_per_cpu_second"]
        table += [
            (
                "collector: values per CPU-second, MQTT to remote write",
                f"{values:,}",
                "≥ 400,000",
                verdict(values, 400_000),
            ),
            (
                "collector: events per CPU-second, MQTT to Elasticsearch bulk",
                f"{events:,}",
                "≥ 20,000",
                verdict(events, 20_000),
            ),
        ]
    if "wire" in results:
        for number in (1, 10, 30):
            size = results["wire"][f"switches_in_a_frame_{number}"]["bytes_per_value"]
            title = f"wire: bytes a value, {number} switch{'es' if number > 1 else ''} of 48 ports under traffic in a frame, labels included"
            table.append((title, f"{size}", "≤ 3", verdict(size, 3, at_most=True)))
    return table


def markdown(results: dict[str, Any]) -> str:
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC):%Y-%m-%d} on {machine()} (a shared machine: compare within a run).",
        "",
        "| what | figure | goal | |",
        "|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows(results)),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which to run; all by default")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/benchmarks.md")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in options.parts or PARTS:
        print(f"measuring {name} …", file=sys.stderr)
        results[name] = PARTS[name]()
    print(json.dumps(results, indent=2))
    table = markdown(results)
    print(table)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
