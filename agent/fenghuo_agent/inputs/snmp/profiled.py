"""What a device's profiles name, as blocks of extras: sensors, supplies, wireless clients, MIB objects under their names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fenghuo.model import Value
from fenghuo_agent.inputs.snmp.extras import Block
from fenghuo_agent.profiles import Identity, Library, Reading, Sensor, collect, identify, sensors_of
from fenghuo_agent.profiles.evaluate import instance
from fenghuo_agent.profiles.grids import Grid, grids_of
from fenghuo_agent.profiles.rows import Rows, number_of, text_of
from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits

STATUS = {"ok": 0, "warning": 1, "critical": 2}
STATUS_FIELD = "sensor_status"
OTHERS: Mapping[str, tuple[str, str, str]] = {
    "supplies": ("supply", "supply_level_percent", "supply"),
    "wireless": ("wireless", "wireless_clients", "wireless"),
}
"""Section of a profile → table, field and label of what is no sensor."""
RECOUNTED = 120.0
"""Least seconds between two walks of rows that are only counted, such as an access point's clients."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A sensor as an extra; `refused` are texts of its status with which the device has no value now."""

    sensor: Sensor
    judged: bool
    refused: frozenset[str]

    @property
    def oids(self) -> tuple[Oid, ...]:
        """Its own, and those that it is reckoned and judged by."""
        return self.sensor.oids

    def decode(self, found: Sequence[Varbind | None]) -> tuple[Value, ...]:
        """The value and, where it can be judged, its status."""
        if self.refused and text_of(found[-1]) in self.refused:
            return (None, None) if self.judged else (None,)
        value, state = self.sensor.read(found)
        return (value, STATUS.get(state)) if self.judged else (value,)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of MIB objects as they are."""

    oids: tuple[Oid, ...]

    def decode(self, found: Sequence[Varbind | None]) -> tuple[Value, ...]:
        """Each object's number."""
        return tuple(map(number_of, found))


async def profiled(session: Session, limits: Limits, library: Library) -> tuple[Identity, list[Block], list[str]]:
    """Who the device is, what can be read of it, and what is wrong with its tables. Raises `SnmpError`."""
    identity = await identify(session, library)
    profiles = library.of_device(identity.profile)
    readings = [reading for profile in profiles for reading in profile.readings]
    metrics = [metric for profile in profiles for metric in profile.metrics]
    collected = await collect(session, limits, readings, metrics)
    sensors = sensors_of(readings, collected.rows)
    blocks = [*_sensor_blocks(sensors, limits), *map(_grid_block, grids_of(metrics, collected.rows))]
    return identity, blocks, collected.faults


def _sensor_blocks(sensors: Iterable[Sensor], limits: Limits) -> Iterable[Block]:
    groups: dict[tuple[object, ...], list[Sensor]] = {}
    for sensor in sensors:
        reading, field = sensor.reading, sensor.quantity.field if sensor.quantity else ""
        kind = (reading.section, field, _judged(sensor), reading.interval, bool(reading.aggregate), *sensor.labels)
        groups.setdefault(kind, []).append(sensor)
    for group in groups.values():
        yield _counted(group, limits) if group[0].reading.aggregate else _measured(group)


def _measured(group: Sequence[Sensor]) -> Block:
    table, field, labels = _names(group)
    judged = _judged(group[0])
    return Block(
        table,
        (field, STATUS_FIELD) if judged else (field,),
        labels,
        tuple(Measurement(sensor, judged, _refused(sensor.reading)) for sensor in group),
        group[0].reading.interval,
    )


def _counted(group: Sequence[Sensor], limits: Limits) -> Block:
    """Rows that come and go: walked each time, and counted or summed by name."""
    table, field, labels = _names(group)
    readings = tuple(dict.fromkeys(sensor.reading for sensor in group))
    names = tuple(sensor.name for sensor in group)
    interval = max(group[0].reading.interval or 0.0, RECOUNTED)
    return Block(table, (field,), labels, (), interval, walk=partial(_recount, readings, names, limits))


async def _recount(
    readings: Sequence[Reading], names: Sequence[str], limits: Limits, session: Session
) -> tuple[list[Sequence[Value]], bool]:
    """The values by name, and whether there is a name that is none of these."""
    rows = (await collect(session, limits, readings)).rows
    found = {sensor.name: sensor for sensor in sensors_of(readings, rows)}
    none = 0 if all(reading.aggregate in ("count", "sum") for reading in readings) else None
    values = [(_value(found[name], rows) if name in found else none,) for name in names]
    return list(values), not found.keys() <= set(names)


def _value(sensor: Sensor, rows: Rows) -> Value:
    return sensor.read([instance(rows, oid, sensor) for oid in sensor.oids]).value


def _names(group: Sequence[Sensor]) -> tuple[str, str, dict[str, list[str]]]:
    """Table, field and row labels of alike sensors."""
    first = group[0]
    if first.quantity is not None and first.reading.section == "sensors":
        table, field, label = "sensor", first.quantity.field, "sensor"
    else:
        table, field, label = OTHERS[first.reading.section]
    labels = {
        label: [sys.intern(sensor.name) for sensor in group],
        f"{label}Index": [sys.intern(".".join(map(str, sensor.index))) for sensor in group],
        **{name: [sys.intern(sensor.labels[name]) for sensor in group] for name in first.labels},
    }
    if first.reading.aggregate:
        del labels[f"{label}Index"]
    return table, field, labels


def _judged(sensor: Sensor) -> bool:
    """Whether its state can be known."""
    if sensor.reading.section != "sensors" or sensor.reading.aggregate:
        return False
    return bool(sensor.judge or sensor.reading.states) or any(limit is not None for limit in sensor.limits)


def _refused(reading: Reading) -> frozenset[str]:
    """Texts of the status object that `unless` names: with them there would be no sensor."""
    if reading.status is None:
        return frozenset()
    status = reading.status.column.oid
    return frozenset(
        text
        for condition in reading.unless
        if condition.reference and condition.reference.column.oid == status
        for text in condition.texts
    )


def _grid_block(grid: Grid) -> Block:
    lines = tuple(Line(tuple((*column.oid, *index) for column in grid.columns)) for index in grid.indexes)
    fields = tuple(column.name for column in grid.columns)
    return Block(grid.name, fields, grid.row_labels, lines, grid.interval, grid.counters)
