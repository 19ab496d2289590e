"""From what was learnt and read to tables: layouts made once per learning, series that end when rows go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fenghuo.model import Layout, Table, Value
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.learn import Learnt, Sensor
from fenghuo_agent.snmp.objects import COUNTER_BITS, Object

SYSTEM_FIELDS = (
    "snmp_up",
    "sysUpTime",
    "ifNumber",
    "snmp_scrape_duration_seconds",
    "snmp_scrape_packets_sent",
)


@dataclass(frozen=True, slots=True)
class SensorGroup:
    """The sensors of one quantity and where their values stand among what is read."""

    layout: Layout
    sensors: tuple[Sensor, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layouts:
    """All layouts of a device."""

    system: Layout
    interface: Layout | None = None
    sensors: tuple[SensorGroup, ...] = ()

    def all(self) -> Iterable[Layout]:
        """Each of them."""
        yield self.system
        if self.interface is not None:
            yield self.interface
        for group in self.sensors:
            yield group.layout


def down_layout(labels: Mapping[str, str]) -> Layout:
    """The layout of a device that does not answer."""
    return Layout("system", labels, {}, ("snmp_up",))


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
        tuple(SensorGroup(same(group.layout), group.sensors, group.places) for group in _sensor_groups(learnt, labels)),
    )


@lru_cache(maxsize=256)
def _fields_of(columns: tuple[Object, ...]) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The fields of these columns and the widths of their counters, shared by all devices that have them."""
    fields = tuple(column.name for column in columns if column is not mibs.IF_DISCONTINUITY)
    return fields, {column.name: COUNTER_BITS[column.tag] for column in columns if column.tag in COUNTER_BITS}


def _key(layout: Layout) -> object:
    rows = tuple((key, tuple(values)) for key, values in layout.row_labels.items())
    return layout.name, tuple(layout.labels.items()), rows, tuple(layout.fields)


def _sensor_groups(learnt: Learnt, labels: Mapping[str, str]) -> Iterable[SensorGroup]:
    shape = learnt.shape
    start = shape.grid + len(shape.rows) * len(shape.columns)
    fields = dict.fromkeys(sensor.field for sensor in learnt.sensors)
    for field in fields:
        chosen = [(place, sensor) for place, sensor in enumerate(learnt.sensors) if sensor.field == field]
        row_labels = {
            "entPhysicalIndex": [str(sensor.index) for _, sensor in chosen],
            "entPhysicalName": [sensor.name for _, sensor in chosen],
        }
        yield SensorGroup(
            Layout("sensor", labels, row_labels, (field,)),
            tuple(sensor for _, sensor in chosen),
            tuple(start + 2 * place for place, _ in chosen),
        )


def interface_table(layout: Layout, learnt: Learnt, values: Sequence[Value], time: int, epochs: Sequence[int]) -> Table:
    """The interfaces' values, which stand row by row, as columns."""
    shape = learnt.shape
    width, start = len(shape.columns), shape.grid
    stop = start + width * len(shape.rows)
    columns = [values[start + place : stop : width] for place in range(len(layout.fields))]
    return Table(layout, time, columns, epochs)


def sensor_table(group: SensorGroup, values: Sequence[Value], time: int) -> Table:
    """The measurements of one quantity."""
    column = [
        sensor.value(values[place], values[place + 1])
        for sensor, place in zip(group.sensors, group.places, strict=True)
    ]
    return Table(group.layout, time, [column])


def ended_tables(before: Iterable[Layout], after: Iterable[Layout], time: int) -> list[Table]:
    """Tables that end the series which were there before and are not there after."""
    left: dict[tuple[str, tuple[str, ...]], Layout] = {}
    for layout in after:
        left[_family(layout)] = layout
    result: list[Table] = []
    for layout in before:
        result.extend(_ended(layout, left.get(_family(layout)), time))
    return result


def _family(layout: Layout) -> tuple[str, tuple[str, ...]]:
    return layout.name, tuple(layout.fields) if layout.name == "sensor" else ()


def _ended(old: Layout, new: Layout | None, time: int) -> Iterable[Table]:
    if old is new:
        return
    if new is None or dict(old.labels) != dict(new.labels):
        yield _end(old, time)
        return
    fields = [name for name in old.fields if name not in new.fields]
    if not old.row_labels:
        if fields:
            yield _end(Layout(old.name, old.labels, {}, tuple(fields)), time)
        return
    keys = tuple(old.row_labels)
    now: set[tuple[str, ...]] = set(zip(*(new.row_labels.get(key, ()) for key in keys), strict=True))
    rows = list(zip(*old.row_labels.values(), strict=True))
    for wanted, names in ((False, old.fields), (True, fields)):
        kept = [row for row in rows if (row in now) is wanted]
        if kept and names:
            yield _end(Layout(old.name, old.labels, _rows(keys, kept), tuple(names), _some(old, names)), time)


def _rows(keys: Sequence[str], rows: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
    return {key: [row[place] for row in rows] for place, key in enumerate(keys)}


def _some(layout: Layout, names: Iterable[str]) -> dict[str, int]:
    return {name: layout.counters[name] for name in names if name in layout.counters}


def _end(layout: Layout, time: int) -> Table:
    return Table(layout, time, [[None] * layout.height for _ in layout.fields], ended=True)
