"""Remote write: what one value costs from tables to compressed request, with and without the cache of label bytes.

Run by `python -m bench.remote_write`. The plain encoder beside ours makes every label anew, as generated protobuf code
does; both are read back in tests/collector/sinks/test_remote_write_encoding.py.
"""

from __future__ import annotations

import random
import struct
import time
from array import array
from collections.abc import Callable, Sequence

import cramjam

from fenghuo.model import AgentId, Layout, Site, Table
from fenghuo_collector.sinks.prometheus.encode import Group, LabelCache, encode_block, label, varint, whole

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")
PORTS = 48
SWITCHES = 15
ROUNDS = 20
NAMES = ("InOctets", "OutOctets", "InUcastPkts", "OutUcastPkts", "InMulticastPkts", "OutMulticastPkts",
         "InBroadcastPkts", "OutBroadcastPkts", "InErrors", "OutErrors", "InDiscards", "OutDiscards")  # fmt: skip
FIELDS = ("ifAdminStatus", "ifOperStatus", *(f"ifHC{name}" for name in NAMES))


def switch(number: int) -> Layout:
    labels = {"job": "snmp", "instance": f"10.20.0.{number}", "device": f"sw-{number}"}
    rows = {
        "ifIndex": [str(port) for port in range(PORTS)],
        "ifName": [f"GigabitEthernet0/0/{port}" for port in range(PORTS)],
        "ifAlias": [f"room {300 + port}" for port in range(PORTS)],
    }
    return Layout("interface", labels, rows, FIELDS)


def poll(layout: Layout, at: int, rng: random.Random, *, absent: bool) -> Table:
    """One poll of a switch under traffic; with `absent`, a port and a column that were not read."""
    busy = [array("Q", [int(rng.lognormvariate(25, 2)) for _ in range(PORTS)]) for _ in range(8)]
    columns: list[Sequence[int | None]] = [[1] * PORTS, [1] * PORTS, *busy, *([0] * PORTS for _ in range(4))]
    if absent:
        columns = [[None, *column[1:]] for column in columns[:-1]] + [[None] * PORTS]
    return Table(layout, at, columns)


def plain(table: Table) -> list[bytes]:
    """One table, every label made anew."""
    pieces: list[bytes] = []
    for name, column in zip(table.layout.fields, table.columns, strict=True):
        for row, value in zip(table.layout.rows, column, strict=True):
            if value is not None:
                labels = {**row, "site": AGENT.site.path, "agent": AGENT.name, "__name__": name}
                head = b"".join(label(key, labels[key]) for key in sorted(labels))
                sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(table.time)
                body = head + b"\x12" + varint(len(sample)) + sample
                pieces.append(b"\x0a" + varint(len(body)) + body)
    return pieces


def cost(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of one call."""
    work()
    start = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - start) / rounds


def measure(tables_each: int, *, absent: bool) -> dict[str, float]:
    """Microseconds and bytes a value for SWITCHES switches with `tables_each` polls each."""
    rng, cache = random.Random(1), LabelCache()
    groups: list[Group] = []
    for number in range(SWITCHES):
        layout = switch(number)
        tables = [poll(layout, 1_767_225_600_000 + 10_000 * n, rng, absent=absent) for n in range(tables_each)]
        groups.append(Group(cache.of(AGENT, layout), layout, tables, range(tables_each)))
    values = sum(encode_block(whole(group))[1] for group in groups)

    def request() -> bytes:
        return b"".join(piece for group in groups for piece in encode_block(whole(group))[0])

    body = request()
    microseconds = 1e6 / values
    return {
        "encode": cost(request, ROUNDS) * microseconds,
        "snappy": cost(lambda: cramjam.snappy.compress_raw(body), ROUNDS) * microseconds,
        "plain": cost(lambda: [plain(table) for group in groups for table in group.tables], 2) * microseconds,
        "bytes": len(cramjam.snappy.compress_raw(body)) / values,
    }


def main() -> None:
    print("remote write, µs of CPU a value            encode  snappy   both  values/CPU-s  plain encoder  bytes/value")
    for title, tables, absent in (
        ("one poll a request", 1, False),
        ("one poll, values missing", 1, True),
        ("ten polls (backlog)", 10, False),
    ):
        found = measure(tables, absent=absent)
        both = found["encode"] + found["snappy"]
        print(
            f"{title:40} {found['encode']:8.3f} {found['snappy']:7.3f} {both:6.3f} {1e6 / both:13,.0f}"
            f" {found['plain']:14.2f} {found['bytes']:12.1f}"
        )


if __name__ == "__main__":
    main()
