"""1.5 million indicators: memory of the whole process, look-ups per CPU-second, what a reload costs; beside other ways to keep them.

The lists are made up, in the mix of public feeds: 55 % domains, 17 % addresses and networks, 15 % URLs, 13 % hashes; of
these 60 % in a plain list, 30 % in a table with confidence, expiry and description, 5 % each in STIX and MISP. Each way
runs in a process of its own. A look-up is one observed value, as events have them: nineteen of twenty are on no list.

    python -m bench.indicators [--count 1500000] [--only flat]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fenghuo.rules.indicators import IndicatorSet

COUNT = 1_500_000
ASKED = 60_000
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ENDS = ("com", "net", "org", "cn", "com.cn", "xyz", "top", "info", "ru")
FILES = {"plain": "plain.txt", "table": "table.csv", "stix": "stix.json", "misp": "misp.json"}
MISP = {"domain": "domain", "ip": "ip-dst", "url": "url", "hash": "sha256"}


# What is on the lists


def word(chance: random.Random, shortest: int, longest: int) -> str:
    return "".join(chance.choices(LETTERS, k=chance.randint(shortest, longest)))


def address(chance: random.Random) -> str:
    return socket.inet_ntoa(chance.randrange(1 << 24, 224 << 24).to_bytes(4, "big"))


def indicator(chance: random.Random) -> tuple[str, str]:
    """Type and text of one."""
    kind = chance.random()
    if kind < 0.55:
        name = f"{word(chance, 4, 14)}.{chance.choice(ENDS)}"
        return "domain", f"{word(chance, 3, 10)}.{name}" if chance.random() < 0.4 else name
    if kind < 0.71:
        return "ip", address(chance)
    if kind < 0.72:
        return "ip", f"{address(chance)}/{chance.randint(15, 31)}"
    if kind < 0.87:
        host = address(chance) if chance.random() < 0.5 else f"{word(chance, 4, 14)}.{chance.choice(ENDS)}"
        return "url", f"http://{host}/{word(chance, 3, 10)}/{word(chance, 4, 16)}.{chance.choice(('exe', 'sh', 'php'))}"
    return "hash", chance.randbytes(32).hex()


def write_feeds(folder: Path, count: int) -> None:
    """The four files."""
    chance = random.Random(1)
    shares = {"plain": 0.6, "table": 0.3, "stix": 0.05, "misp": 0.05}
    for form, share in shares.items():
        with (folder / FILES[form]).open("w") as file:
            file.writelines(_WRITERS[form](chance, round(count * share)))


def _plain(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield indicator(chance)[1] + "\n"


def _table(chance: random.Random, count: int) -> Iterator[str]:
    yield "type,indicator,confidence,valid_until,description\n"
    families = [word(chance, 5, 12) for _ in range(400)]
    for number in range(count):
        kind, text = indicator(chance)
        kind = "sha256" if kind == "hash" else kind
        yield f"{kind},{text},{chance.choice((50, 75, 100))},2027-0{number % 9 + 1}-01T00:00:00Z,{chance.choice(families)}\n"


def _stix(chance: random.Random, count: int) -> Iterator[str]:
    paths = {
        "domain": "domain-name:value",
        "ip": "ipv4-addr:value",
        "url": "url:value",
        "hash": "file:hashes.'SHA-256'",
    }
    yield '{"type": "bundle", "id": "bundle--0", "objects": ['
    for number in range(count):
        kind, text = indicator(chance)
        item = {
            "type": "indicator", "spec_version": "2.1", "id": f"indicator--{number}", "created": "2026-01-01T00:00:00Z",
            "name": f"campaign {number % 300}", "indicator_types": ["malicious-activity"], "pattern_type": "stix",
            "pattern": f"[{paths[kind]} = '{text}']", "valid_from": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        yield ("," if number else "") + json.dumps(item) + "\n"
    yield "]}"


def _misp(chance: random.Random, count: int) -> Iterator[str]:
    yield '{"Event": {"info": "an event", "Attribute": ['
    for number in range(count):
        kind, text = indicator(chance)
        item = {"type": MISP[kind], "category": "Network activity", "to_ids": True, "uuid": str(number), "value": text}
        yield ("," if number else "") + json.dumps(item) + "\n"
    yield "]}}"


_WRITERS: dict[str, Callable[[random.Random, int], Iterator[str]]] = {
    "plain": _plain,
    "table": _table,
    "stix": _stix,
    "misp": _misp,
}


def asked(folder: Path) -> dict[str, list[str]]:
    """Observed values by type; one of twenty is on the plain list."""
    chance = random.Random(2)
    made: dict[str, Callable[[], str]] = {
        "domain": lambda: f"{word(chance, 2, 6)}.{word(chance, 5, 12)}.{chance.choice(ENDS)}",
        "ip": lambda: address(chance),
        "url": lambda: (
            f"https://{word(chance, 5, 12)}.{chance.choice(ENDS)}/{word(chance, 3, 8)}/{word(chance, 5, 20)}?id=1"
        ),
        "hash": lambda: chance.randbytes(32).hex(),
    }
    listed: dict[str, list[str]] = {name: [] for name in made}
    with (folder / FILES["plain"]).open() as file:
        for line in file:
            text = line.strip()
            kind = "url" if "://" in text else "hash" if len(text) == 64 else "ip" if text[-1].isdigit() else "domain"
            if "/" not in text or kind == "url":
                listed[kind].append(text)
            if min(map(len, listed.values())) >= ASKED // 20:
                break
    return {
        name: [chance.choice(listed[name]) if number % 20 == 0 and listed[name] else make() for number in range(ASKED)]
        for name, make in made.items()
    }


# What is measured


def resident() -> float:
    """MB of this process now."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def speed(find: Callable[[str], object], values: list[str]) -> tuple[int, int]:
    """Look-ups per CPU-second, and hits."""
    began = time.process_time()
    hits = sum(1 for value in values if find(value))
    return round(len(values) / (time.process_time() - began)), hits


def flat(folder: Path) -> dict[str, object]:
    """Ours, in a process that has the whole rule engine loaded."""
    from fenghuo.clock import SystemClock
    from fenghuo.rules import Engine, RuleSet
    from fenghuo.rules.indicators import Indicators, ListSource

    Engine(RuleSet(), clock=SystemClock())
    before = resident()
    registry = Indicators(background=True)
    handles = [registry.use(ListSource(file=str(folder / name))) for name in FILES.values()]
    began = time.process_time()
    registry.load()
    loading = time.process_time() - began
    found: dict[str, object] = {
        "indicators": len(registry.current),
        "process_before_mb": round(before),
        "process_mb": round(resident()),
        "process_peak_at_start_mb": round(peak()),
        "load_cpu_s": round(loading, 1),
        "problems": {each.name: each.problem for each in registry.status() if each.problem or each.refused.total},
    }
    found |= look_ups(registry.current, asked(folder))
    found |= reloads(registry, folder)
    del handles
    return found


def look_ups(current: IndicatorSet, values: dict[str, list[str]]) -> dict[str, object]:
    """By type, and mixed as events have them: names and addresses, some URLs, few hashes."""
    now = time.time_ns() // 1_000_000
    finders: dict[str, Callable[[str], object]] = {
        "domain": lambda value: current.domain(value, now),
        "ip": lambda value: current.address(value, now),
        "url": lambda value: current.url(value, now),
        "hash": lambda value: current.digest(value, now),
    }
    found: dict[str, object] = {}
    for name, find in finders.items():
        found[f"{name}_lookups_per_cpu_s"], found[f"{name}_hits"] = speed(find, values[name])
    shares = {"domain": 8, "ip": 8, "url": 3, "hash": 1}
    mixed = [(finders[name], value) for name, share in shares.items() for value in values[name][: ASKED * share // 20]]
    random.Random(3).shuffle(mixed)
    began = time.process_time()
    for find, value in mixed:
        find(value)
    found["mixed_lookups_per_cpu_s"] = round(len(mixed) / (time.process_time() - began))
    return found


def reloads(registry: object, folder: Path) -> dict[str, object]:
    """Three reloads in the background, of all files and then of one; how long the main thread had to wait meanwhile."""
    found: dict[str, object] = {}
    for name, files in (("all", list(FILES.values())), ("all_again", list(FILES.values())), ("one", [FILES["misp"]])):
        for file in files:
            (folder / file).touch()
        highest, delays = 0.0, []
        began, cpu = time.perf_counter(), time.process_time()
        registry.refresh()  # type: ignore[attr-defined]
        while registry.refresh():  # type: ignore[attr-defined]
            before = time.perf_counter()
            time.sleep(0.001)
            delays.append(time.perf_counter() - before - 0.001)
            if len(delays) % 50 == 0:
                highest = max(highest, resident())
        delays.sort()
        found[f"reload_{name}"] = {
            "seconds": round(time.perf_counter() - began, 1),
            "cpu_s": round(time.process_time() - cpu, 1),
            "peak_mb": round(highest),
            "after_mb": round(resident()),
            "wait_of_the_main_thread_ms": {
                "median": round(delays[len(delays) // 2] * 1e3, 2),
                "p99": round(delays[len(delays) * 99 // 100] * 1e3, 2),
                "most": round(delays[-1] * 1e3, 1),
            },
        }
    return found


def entries(folder: Path) -> Iterator[bytes]:
    """All indicators as keys, for the other ways; they do without times, descriptions and names of lists."""
    from fenghuo.rules.indicators import ListSource
    from fenghuo.rules.indicators.entry import Refused
    from fenghuo.rules.indicators.readers import read_entries

    for name in FILES.values():
        with (folder / name).open("rb") as file:
            for entry in read_entries(file, ListSource(file=str(folder / name)), Refused()):
                yield entry.key.encode() if isinstance(entry.key, str) else entry.key


def _names(name: str) -> Iterator[bytes]:
    while name:
        yield name.encode()
        name = name.partition(".")[2]


def compared(folder: Path, make: Callable[[], Callable[[bytes], bool]]) -> dict[str, object]:
    """Memory and speed of another way to keep keys."""
    values = asked(folder)
    began = time.process_time()
    holds = make()
    loading = time.process_time() - began
    domains, _ = speed(lambda value: any(map(holds, _names(value))), values["domain"])
    addresses, _ = speed(lambda value: holds(socket.inet_aton(value)), values["ip"])
    return {
        "process_mb": round(resident()),
        "process_peak_at_start_mb": round(peak()),
        "load_cpu_s": round(loading, 1),
        "domain_lookups_per_cpu_s": domains,
        "ip_lookups_per_cpu_s": addresses,
    }


def python_set(folder: Path) -> dict[str, object]:
    """A set of the keys."""
    return compared(folder, lambda: set(entries(folder)).__contains__)


def sorted_digests(folder: Path) -> dict[str, object]:
    """A sorted array of keyed 64-bit digests, asked by bisection; a value is not verified."""

    def digest(key: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(key, digest_size=8, key=b"bench").digest(), "big")

    def make() -> Callable[[bytes], bool]:
        kept = array("Q", sorted(digest(key) for key in entries(folder)))

        def holds(key: bytes) -> bool:
            wanted = digest(key)
            place = bisect_left(kept, wanted)
            return place < len(kept) and kept[place] == wanted

        return holds

    return compared(folder, make)


def sqlite(folder: Path) -> dict[str, object]:
    """A table in a file, its pages in memory."""

    def make() -> Callable[[bytes], bool]:
        base = sqlite3.connect(folder / "bench.sqlite", isolation_level=None)
        base.execute("PRAGMA journal_mode = OFF")
        base.execute("CREATE TABLE indicator (key BLOB PRIMARY KEY) WITHOUT ROWID")
        base.execute("BEGIN")
        base.executemany("INSERT OR IGNORE INTO indicator VALUES (?)", ((key,) for key in entries(folder)))
        base.execute("COMMIT")
        execute = base.execute
        return lambda key: execute("SELECT 1 FROM indicator WHERE key = ?", (key,)).fetchone() is not None

    return compared(folder, make)


WAYS: dict[str, Callable[[Path], dict[str, object]]] = {
    "flat": flat,
    "python_set": python_set,
    "sorted_digests": sorted_digests,
    "sqlite": sqlite,
}


def run(count: int = COUNT, only: str = "") -> dict[str, object]:
    """Each way in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-bench-") as name:
        write_feeds(Path(name), count)
        results: dict[str, object] = {
            "file_mb": {form: round((Path(name) / file).stat().st_size / 1e6) for form, file in FILES.items()}
        }
        for way in [only] if only else WAYS:
            command = [sys.executable, "-m", "bench.indicators", "--way", way, "--folder", name]
            results[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--only", choices=list(WAYS), default="")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(WAYS[options.way](options.folder)))
        return
    print(json.dumps(run(options.count, options.only), indent=2))


if __name__ == "__main__":
    main()
