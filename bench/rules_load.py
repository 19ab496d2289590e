"""What reading a set of rules costs: at the start, at a reload after one file changed, and the exchange itself.

python bench/rules_load.py [--rules 1000] [--groups 10000] [--profile]

The set is made of the shipped rules with their tests, again and again under new names, one file each.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fenghuo.clock import VirtualClock
from fenghuo.config import compose
from fenghuo.model import Layout, Table
from fenghuo.packs import packs_path
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files.reload import RuleFiles

PLAIN = """\
title: A value is high
id: 00000000-0000-4000-8000-000000000000
name: bench.high
kind: threshold
data: x
condition: value > 1
"""


def documents() -> list[str]:
    """The shipped rules, as text."""
    texts = (file.read_text() for file in sorted(packs_path().rglob("*.yaml")))
    parts = (part for text in texts for part in re.split(r"^---[ \t]*\n", text, flags=re.MULTILINE))
    return [part for part in parts if re.search(r"^kind: ", part, re.MULTILINE)]


def copies(count: int) -> Iterator[str]:
    """So many rules, each with an id and a name of its own; what they say of each other stays within a copy."""
    shipped = documents()
    names = sorted((re.findall(r"^name: (\S+)", text, re.MULTILINE)[0] for text in shipped), key=len, reverse=True)
    every = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, names))})(?![\w.-])")
    # Rules may speak of others of their copy: whole copies, the last one too.
    for number in range(count):
        copy, place = divmod(number, len(shipped))
        text = every.sub(rf"\1-c{copy}", shipped[place])
        # All of them run: what is asleep would be named only.
        text = re.sub(r"^(enabled: false|runs: collector)[ \t]*(#.*)?\n", "", text, flags=re.MULTILINE)
        id_ = uuid.uuid5(uuid.NAMESPACE_DNS, str(number))
        yield re.sub(r"^id: .*$", f"id: {id_}", text, count=1, flags=re.MULTILINE)


def lay_out(folder: Path, count: int) -> dict[str, float]:
    """Write the set; how many lines and bytes a rule has."""
    texts = list(copies(count))
    for number, text in enumerate(texts):
        (folder / f"{number:05}.yaml").write_text(text)
    for file in packs_path().rglob("*"):
        if file.is_file() and file.suffix not in (".yaml", ".yml"):
            target = folder / file.relative_to(file.parent.parent if file.parent.name == "lists" else file.parent)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    lines = sum(text.count("\n") for text in texts)
    return {"rules": count, "lines_a_rule": round(lines / count), "bytes_a_rule": round(sum(map(len, texts)) / count)}


def timed(what: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU and wall-clock seconds, and the result."""
    cpu, wall = time.process_time(), time.monotonic()
    result = what()
    return time.process_time() - cpu, time.monotonic() - wall, result


def measure(count: int, groups: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = lay_out(folder, count)
        files = RuleFiles([folder], side="agent")
        cold, wall, rules = timed(files.load)
        assert len(rules.rules) == count
        quiet, _, _ = timed(files.changed)
        changed = folder / "00000.yaml"
        changed.write_text(changed.read_text().replace("description:", "author: nobody\ndescription:", 1))
        noticed, _, is_changed = timed(files.changed)
        assert is_changed
        again, again_wall, _ = timed(files.load)
    return {
        **figures,
        "cold_cpu_seconds": round(cold, 3),
        "cold_wall_seconds": round(wall, 3),
        "reload_after_one_change_cpu_seconds": round(noticed + again, 3),
        "reload_after_one_change_wall_seconds": round(again_wall, 3),
        "look_without_a_change_cpu_ms": round(quiet * 1e3, 2),
        "us_a_rule_cold": round(cold * 1e6 / count),
        **exchange(rules, groups),
    }


def exchange(rules: RuleSet, groups: int) -> dict[str, float]:
    """How long the exchange of the rules holds everything up, with so many alerts firing."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "high.yaml").write_text(PLAIN)
        own = RuleFiles([Path(name)], side="agent").load().rules
    clock = VirtualClock()
    engine = Engine(RuleSet((*own, *rules.rules)), clock=clock, agent="bench/gw1")
    layout = Layout("bench", {}, {"device": [f"d{number}" for number in range(groups)]}, ("x",))
    engine.process(Table(layout, clock.now(), [[2.0] * groups]))
    assert engine.states[0].groups == groups
    cpu, wall, new = timed(lambda: engine.with_rules(RuleSet((*own, *rules.rules))))
    assert new.states[0].groups == groups
    return {"firing": groups, "exchange_cpu_ms": round(cpu * 1e3, 1), "exchange_wall_ms": round(wall * 1e3, 1)}


def run(count: int = 1000, groups: int = 10_000) -> dict[str, float]:
    """The figures."""
    return measure(count, groups)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--without-libyaml", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.without_libyaml:
        compose._FastLoader = None  # noqa: SLF001 — as if PyYAML were built without it
    if options.profile:
        with cProfile.Profile() as profile:
            run(options.rules, options.groups)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    print(json.dumps(run(options.rules, options.groups)))


if __name__ == "__main__":
    main()
