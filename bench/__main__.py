"""`make bench`: measures, prints, and with `--write` puts the table into docs/reference/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import agent, collector, discovery, rules, snmp_district, traps, wire_size
from bench.process import machine

PAGE = Path(__file__).parent.parent / "docs/reference/benchmarks.md"
BEGIN, END = "<!-- table: begin (written by `make bench ARGS=--write`) -->", "<!-- table: end -->"
PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "agent": agent.run,
    "district": snmp_district.run,
    "discovery": discovery.run,
    "collector": collector.run,
    "wire": wire_size.run,
    "rules": rules.run,
    "traps": traps.run,
}


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
    if "district" in results:
        table += district_rows(results["district"])
    if "discovery" in results:
        table += discovery.rows(results["discovery"], verdict)
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
    if "rules" in results:
        table += rules_rows(results["rules"])
    if "traps" in results:
        table += traps.rows(results["traps"], verdict)
    return table


def district_rows(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """1,000 switches: share of a core, memory, and what dead devices do to the others."""
    minute, few = found["minute"], found["resident_mb_100"]
    rows = [
        (
            "agent: share of a core with 1,000 devices × 48 ports × 15 columns at 60 s, poll to broker",
            f"{minute['cpu_percent']:.1f} %",
            "< 8 %",
            verdict(minute["cpu_percent"], 8, at_most=True),
        ),
        (
            "agent: resident memory with 100 devices × 48 ports, MB",
            f"{few:.0f}",
            "≤ 60",
            verdict(few, 60, at_most=True),
        ),
        (
            "agent: resident memory with 1,000 devices × 48 ports, MB",
            f"{minute['resident_mb']:.0f}",
            "≤ 150",
            verdict(minute["resident_mb"], 150, at_most=True),
        ),
    ]
    healthy = found["dead_0_percent"]["p99"]
    for share in snmp_district.SHARES:
        phase = found[f"dead_{share}_percent"]
        moved = abs(phase["p99"] / healthy - 1)
        good = moved <= 0.01 and not phase["skipped"]
        rows.append(
            (
                f"agent: p99 of the period of healthy devices (20 s) with {share} % dead, seconds; polls left out",
                f"{phase['p99']:.2f}; {phase['skipped']}",
                "within 1 %; 0" if share else "",
                ("met" if good else f"missed: {moved:.1%}") if share else "",
            )
        )
    for name, where in found["others"].items():
        rows.append((f"beside it: {name}", where, "", ""))
    return rows


def rules_rows(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What the rule engine's parts cost."""

    def row(what: str, value: float, goal: float, *, at_most: bool = False) -> tuple[str, str, str, str]:
        shown = f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
        sign = "≤" if at_most else "≥"
        return what, shown, f"{sign} {goal:,}", verdict(value, goal, at_most=at_most)

    events, groups, loading = found["events"], found["groups"], found["loading"]
    lists, odd = found["indicators"]["flat"], found["anomaly"]
    return [
        row("rules: events per CPU-second through 100 mixed rules", events["100"]["events_per_cpu_second"], 60_000),
        row("rules: events per CPU-second through 1,000 mixed rules", events["1000"]["events_per_cpu_second"], 30_000),
        ("landmark: CrowdSec, log lines a second and routine, as it publishes", "3,600", "", ""),
        row("rules: values per CPU-second through the default pack", found["readings"]["values_per_cpu_second"], 500_000),
        ("rules: bytes a live group, kind frequency, one event", f"{groups['frequency']['bytes_per_live_group_of_1']:,}", "", ""),
        ("rules: bytes a live group, kind cardinality, one event", f"{groups['cardinality']['bytes_per_live_group_of_1']:,}", "", ""),
        row("rules: CPU seconds to load 1,000 rules from nothing", loading["cold_cpu_seconds"], 1, at_most=True),
        row("rules: CPU seconds to reload 1,000 rules of which one changed", loading["reload_after_one_change_cpu_seconds"], 1, at_most=True),
        row("indicators: look-ups per CPU-second among 1.5 million", lists["mixed_lookups_per_cpu_s"], 300_000),
        row("indicators: resident memory with 1.5 million, whole process, MB", lists["process_mb"], 200, at_most=True),
        row("anomaly: CPU microseconds a value", odd["us_per_value"], 20, at_most=True),
        row("anomaly: bytes a series, packed", odd["packed_bytes"], 4_000, at_most=True),
        ("beside it: bare EWMA z-score, CPU microseconds a value", f"{odd['ewma_us_per_value']}", "", ""),
    ]  # fmt: skip


def merged(table: str, page: str) -> str:
    """`table` with the rows of the page's own table in it, where those were not measured again."""
    fresh = table.splitlines()
    told = {line.split(" | ")[0]: line for line in fresh[4:]}
    kept = [told.pop(line.split(" | ")[0], line) for line in page.splitlines() if line.startswith("| ")][1:]
    return "\n".join([*fresh[:4], *kept, *told.values()])


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
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into docs/reference/benchmarks.md; of some parts, their rows",
    )
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
        old, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{merged(table, old) if options.parts else table}\n{END}{after}")


if __name__ == "__main__":
    main()
