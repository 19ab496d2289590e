"""From what was learnt and read to tables: layouts made once per learning, series that end when rows go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fenghuo.model import Layout, Table, Value
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.learn import Learnt
from fenghuo_agent.snmp.objects import COUNTER_BITS, Object

SYSTEM_FIELDS = (
    "snmp_up",
    "sysUpTime",
    "ifNumber",
    "snmp_scrape_duration_seconds",
    "snmp_scrape_walk_duration_seconds",
    "snmp_scrape_packets_sent",
    "snmp_scrape_packets_retried",
    "snmp_scrape_pdus_returned",
)


@dataclass(frozen=True, slots=True)
class Layouts:
    """All layouts of a device."""

    system: Layout
    interface: Layout | None = None
    blocks: tuple[Layout, ...] = ()
    """One for each block of extras, in their order."""

    def all(self) -> Iterable[Layout]:
        """Each of them."""
        yield self.system
        if self.interface is not None:
            yield self.interface
        yield from self.blocks


DOWN_FIELDS = ("snmp_up", "snmp_explained", "snmp_devices_behind")
"""Of a device that does not answer; the last two where the topology is known: see `fenghuo_agent.topology.outages`."""


def down_layout(labels: Mapping[str, str], *, explained: bool = False) -> Layout:
    """The layout of a device that does not answer, and of which it is known what it is to others."""
    return Layout("system", labels, {}, DOWN_FIELDS if explained else DOWN_FIELDS[:1])


def back_table(down: Layout, time: int) -> Table | None:
    """What ends the series of a device that answers again, of those that only silent ones have."""
    fields = tuple(down.fields[1:])
    return _end(Layout(down.name, down.labels, {}, fields), time) if fields else None


def layouts_of(learnt: Learnt, labels: Mapping[str, str], before: Layouts | None) -> Layouts:
    """The layouts of what was learnt; those that are as they were before stay the same objects."""
    known = {_key(layout): layout for layout in before.all()} if before else {}

    def same(layout: Layout) -> Layout:
        return known.get(_key(layout), layout)

    shape = learnt.shape
    fields, counters = _fields_of(shape.columns)
    interface = Layout("interface", labels, learnt.row_labels, fields, counters) if shape.rows and fields else None
    return Layouts(
        same(Layout("system", labels, {}, SYSTEM_FIELDS)),
        same(interface) if interface else None,
        tuple(same(block.layout(labels)) for block in learnt.blocks),
    )


@lru_cache(maxsize=256)
def _fields_of(columns: tuple[Object, ...]) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The fields of these columns and the widths of their counters, shared by all devices that have them."""
    fields = tuple(column.name for column in columns if column is not mibs.IF_DISCONTINUITY)
    return fields, {column.name: COUNTER_BITS[column.tag] for column in columns if column.tag in COUNTER_BITS}


def _key(layout: Layout) -> object:
    rows = tuple((key, tuple(values)) for key, values in layout.row_labels.items())
    return layout.name, tuple(layout.labels.items()), rows, tuple(layout.fields)


def interface_table(layout: Layout, learnt: Learnt, values: Sequence[Value], time: int, epochs: Sequence[int]) -> Table:
    """The interfaces' values, which stand row by row, as columns."""
    shape = learnt.shape
    width, start = len(shape.columns), shape.grid
    stop = start + width * len(shape.rows)
    columns = [values[start + place : stop : width] for place in range(len(layout.fields))]
    return Table(layout, time, columns, epochs)


def ended_tables(before: Iterable[Layout], after: Iterable[Layout], time: int) -> list[Table]:
    """Tables that end the series which were there before and are not there after."""
    left: dict[str, list[Layout]] = {}
    for layout in after:
        left.setdefault(layout.name, []).append(layout)
    result: list[Table] = []
    for layout in before:
        result.extend(_ended(layout, left.get(layout.name, []), time))
    return result


def _ended(old: Layout, new: Sequence[Layout], time: int) -> Iterable[Table]:
    """What ends of one layout, given all layouts of its name that are there now: rows by which of their fields end."""
    if any(layout is old for layout in new):
        return
    there: dict[frozenset[tuple[str, str]], set[str]] = {}
    for layout in new:
        for row in layout.rows:
            there.setdefault(frozenset(row.items()), set()).update(layout.fields)
    keys = tuple(old.row_labels)
    rows = list(zip(*old.row_labels.values(), strict=True)) if keys else [()]
    gone: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row, labels in zip(rows, old.rows, strict=True):
        kept = there.get(frozenset(labels.items()), frozenset[str]())
        fields = tuple(name for name in old.fields if name not in kept)
        if fields:
            gone.setdefault(fields, []).append(row)
    for fields, ended in gone.items():
        whole = len(ended) == len(rows) and len(fields) == len(old.fields)
        yield _end(old if whole else Layout(old.name, old.labels, _rows(keys, ended), fields, _some(old, fields)), time)


def _rows(keys: Sequence[str], rows: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
    return {key: [row[place] for row in rows] for place, key in enumerate(keys)}


def _some(layout: Layout, names: Iterable[str]) -> dict[str, int]:
    return {name: layout.counters[name] for name in names if name in layout.counters}


def _end(layout: Layout, time: int) -> Table:
    return Table(layout, time, [[None] * layout.height for _ in layout.fields], ended=True)
