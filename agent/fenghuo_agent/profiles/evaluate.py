"""From readings and rows to sensors: pure, so that a recording tells as much as a device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

from fenghuo_agent.profiles.profile import Below, Chosen, Condition, Limit, Limits, Reading
from fenghuo_agent.profiles.quantities import CONVERSIONS, NEVER, QUANTITIES, STATE, Quantity
from fenghuo_agent.profiles.rows import Reference, Rows, number_of, text_of
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Oid, Varbind

Number = int | float


class Measured(NamedTuple):
    """A value in the quantity's unit, None where the device has none now, and ok, warning, critical, unknown or ""."""

    value: Number | None
    state: str


_GRAVITY = ("", "unknown", "ok", "warning", "critical")
NOTHING = Measured(None, "")
_COMBINE: Mapping[str, Callable[[Sequence[Number]], Number]] = {"sum": sum, "max": max, "min": min, "avg": fmean}


@dataclass(frozen=True, slots=True)
class Sensor:
    """One thing that can be read of one device. `factor` is the scale with its decimal places; limits are in the unit."""

    reading: Reading
    quantity: Quantity | None
    name: str
    oid: Oid
    index: Oid
    factor: float
    whole: tuple[Oid, ...]
    judge: Oid | None
    limits: tuple[Number | None, ...]
    labels: Mapping[str, str]
    rows: tuple[Oid, ...] = ()
    """For aggregates: the instances of all rows."""

    @property
    def oids(self) -> tuple[Oid, ...]:
        """The instances that make its value, in the order that `read` takes them."""
        own = self.rows or (self.oid,)
        return (*own, *self.whole, *((self.judge,) if self.judge else ()))

    def read(self, found: Sequence[Varbind | None]) -> Measured:
        """What the values of `oids` mean."""
        if self.rows:
            return self._aggregate(found)
        reading, raw = self.reading, found[0]
        if raw is None or raw.tag in ABSENT:
            return NOTHING
        if reading.states and (self.quantity is None or self.quantity.name == STATE):
            return _state(reading, raw)
        number = _number(reading, raw)
        if number is None:
            return NOTHING
        value = self._percent(number, found) if reading.of else self._converted(number)
        if value is None or not self._plausible(value):
            return NOTHING
        return Measured(_rounded(value), self._judged(value, found))

    def _converted(self, number: Number) -> Number | None:
        return _convert(self.reading, self.factor, number)

    def _percent(self, number: Number, found: Sequence[Varbind | None]) -> float | None:
        parts = [number_of(varbind) for varbind in found[1 : 1 + len(self.whole)]]
        whole = sum(part for part in parts if part is not None)
        if None in parts or whole <= 0 or number < 0:
            return None
        share = 100.0 * number * self.factor / whole
        return 100.0 - share if self.reading.inverted else share

    def _plausible(self, value: Number) -> bool:
        return self.quantity is None or self.quantity.low <= value <= self.quantity.high

    def _judged(self, value: Number, found: Sequence[Varbind | None]) -> str:
        """The worse of what the device says of the value and of what its limits say."""
        said = ""
        if self.judge is not None and (varbind := found[-1]) is not None:
            said = self.reading.states.get(text_of(varbind), ("unknown", ""))[0]
        return max(said, self._within(value), key=_GRAVITY.index)

    def _within(self, value: Number) -> str:
        low_critical, low, high, high_critical = self.limits
        if (low_critical is not None and value <= low_critical) or (
            high_critical is not None and value >= high_critical
        ):
            return "critical"
        if (low is not None and value <= low) or (high is not None and value >= high):
            return "warning"
        return "ok" if any(limit is not None for limit in self.limits) else ""

    def _aggregate(self, found: Sequence[Varbind | None]) -> Measured:
        if self.reading.aggregate == "count":
            return Measured(sum(varbind is not None and varbind.tag not in ABSENT for varbind in found), "")
        numbers = [
            value
            for varbind in found[: len(self.rows)]
            if varbind is not None and (number := _number(self.reading, varbind)) is not None
            if (value := self._converted(number)) is not None and self._plausible(value)
        ]
        if not numbers:
            return NOTHING
        combined = _COMBINE[self.reading.aggregate or "sum"](numbers)
        return Measured(_rounded(combined), self._judged(combined, found))


def sensors_of(readings: Iterable[Reading], rows: Rows) -> list[Sensor]:
    """All sensors that these readings find in what was read; each instance once a quantity and pattern (a text may hold several lanes), names told apart."""
    made: list[Sensor] = []
    taken: set[tuple[str, str, Oid, str]] = set()
    for reading in readings:
        found = [sensor for index in rows.of(reading.value) if (sensor := _sensor(reading, rows, index)) is not None]
        for sensor in _aggregated(found) if reading.aggregate else found:
            part = reading.pattern.pattern if reading.pattern else ""
            key = (reading.section, sensor.quantity.name if sensor.quantity else "", sensor.oid, part)
            if key not in taken:
                taken.add(key)
                made.append(sensor)
    return _told_apart(made)


def _sensor(reading: Reading, rows: Rows, index: Oid) -> Sensor | None:
    varbind = rows.of(reading.value)[index]
    if varbind.tag in ABSENT or not _holds(reading, rows, index):
        return None
    quantity = _quantity(reading, rows, index)
    factor = _factor(reading, rows, index)
    if (quantity is None and reading.quantity is not None) or factor is None:
        return None
    whole = [_instance(rows, reference, index) for reference in reading.of]
    if None in whole:
        return None
    sensor = Sensor(
        reading=reading,
        quantity=quantity,
        name=reading.name.render(rows, index) if reading.name else "",
        oid=(*reading.value.oid, *index),
        index=index,
        factor=factor,
        whole=tuple(oid for oid in whole if oid is not None),
        judge=_instance(rows, reading.status, index) if reading.status else None,
        limits=_limits(reading, reading.limits, factor, rows, index),
        labels={name: template.render(rows, index) for name, template in reading.labels.items()},
    )
    if reading.aggregate:
        return sensor
    if sensor.read([instance(rows, oid, sensor) for oid in sensor.oids]).value is None:
        return None
    return sensor


def instance(rows: Rows, oid: Oid, sensor: Sensor) -> Varbind | None:
    """One of a sensor's instances among what was read."""
    reading = sensor.reading
    columns = [reading.value, *(reference.column for reference in reading.of)]
    if reading.status:
        columns.append(reading.status.column)
    for column in columns:
        if oid[: len(column.oid)] == column.oid and (found := rows.get(oid, column)) is not None:
            return found
    return None


def _holds(reading: Reading, rows: Rows, index: Oid) -> bool:
    def holds(condition: Condition) -> bool:
        return condition.holds(rows, index)

    return all(map(holds, reading.when)) and not any(map(holds, reading.unless))


def _all_hold(conditions: Iterable[Condition], rows: Rows, index: Oid) -> bool:
    return all(condition.holds(rows, index) for condition in conditions)


def _quantity(reading: Reading, rows: Rows, index: Oid) -> Quantity | None:
    if not isinstance(reading.quantity, Chosen):
        return reading.quantity
    name = reading.quantity.map.get(_text(rows, reading.quantity.reference, index))
    return QUANTITIES.get(str(name))


def _factor(reading: Reading, rows: Rows, index: Oid) -> float | None:
    """The scale of a row's value; None where the device names a scale that the profile does not know."""
    factor: Number = 1.0
    if isinstance(reading.scale, Chosen):
        chosen = reading.scale.map.get(_text(rows, reading.scale.reference, index))
        if chosen is None or isinstance(chosen, str):
            return None
        factor = chosen
    else:
        factor = reading.scale
    if reading.precision is not None:
        found = rows.find(reading.precision, index)
        places = number_of(found[1]) if found else 0
        if places is None or not -12 <= places <= 12:
            return None
        # Below zero it counts the digits that are accurate (RFC 3433, EntitySensorPrecision): nothing to scale.
        factor = factor / 10 ** max(0, int(places))
    return float(factor)


def _limits(reading: Reading, limits: Limits, factor: float, rows: Rows, index: Oid) -> tuple[Number | None, ...]:
    def limit(given: Limit) -> Number | None:
        if isinstance(given, Reference):
            found = rows.find(given, index)
            varbind = found[1] if found else None
        elif isinstance(given, Below):
            lines = (line for line in rows.below(given.column, index) if _all_hold(given.when, rows, line))
            varbind = next((rows.of(given.column)[line] for line in lines), None)
        else:
            return given
        raw = _number(reading, varbind) if varbind is not None else None
        return _convert(reading, factor, raw) if raw else None

    return tuple(limit(each) for each in limits.each())


def _instance(rows: Rows, reference: Reference, index: Oid) -> Oid | None:
    found = rows.find(reference, index)
    return (*reference.column.oid, *found[0]) if found else None


def _text(rows: Rows, reference: Reference, index: Oid) -> str:
    found = rows.find(reference, index)
    return text_of(found[1]) if found else ""


def _number(reading: Reading, varbind: Varbind) -> Number | None:
    """The raw number; None for what the profile or every maker means as "not available"."""
    if reading.absent_texts and varbind.tag == ber.OCTETS and text_of(varbind).casefold() in reading.absent_texts:
        return None
    number = number_of(varbind, reading.pattern)
    if number is None or number in NEVER or number in reading.absent:
        return None
    if reading.range is not None and not reading.range[0] <= number <= reading.range[1]:
        return None
    return number


def _convert(reading: Reading, factor: float, number: Number) -> Number | None:
    value: Number | None = number if factor == 1.0 else number * factor
    value += reading.offset
    return CONVERSIONS[reading.convert](value) if reading.convert else value


def _state(reading: Reading, varbind: Varbind) -> Measured:
    text = text_of(varbind)
    if text.casefold() in reading.absent_texts:
        return NOTHING
    number = number_of(varbind, reading.pattern)
    if number is not None:
        if number in reading.absent:
            return NOTHING
        state = reading.states.get(str(number)) or reading.states.get(text)
        return Measured(number, state[0] if state else "unknown")
    for place, (word, (state, _)) in enumerate(reading.states.items(), 1):
        if word.casefold() == text.casefold():
            return Measured(place, state)
    return NOTHING


def _rounded(value: Number) -> Number:
    """Without what binary fractions add: twelve significant digits, whole numbers as such."""
    if isinstance(value, int):
        return value
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _aggregated(sensors: Iterable[Sensor]) -> list[Sensor]:
    groups: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        groups.setdefault(sensor.name, []).append(sensor)
    return [replace(group[0], rows=tuple(sensor.oid for sensor in group)) for group in groups.values()]


def _told_apart(sensors: Sequence[Sensor]) -> list[Sensor]:
    """Sensors of one quantity and name get their index appended, or the object's name too where that is not enough;
    those without a name are called by object and index.
    """
    named = [sensor if sensor.name else replace(sensor, name=_default_name(sensor)) for sensor in sensors]
    for append in (_by_index, _by_object):
        counts = Counter(map(_key, named))
        named = [replace(sensor, name=append(sensor)) if counts[_key(sensor)] > 1 else sensor for sensor in named]
    return named


def _by_index(sensor: Sensor) -> str:
    return f"{sensor.name} {'.'.join(map(str, sensor.index))}"


def _by_object(sensor: Sensor) -> str:
    return f"{sensor.name} ({sensor.reading.value.name})"


def _key(sensor: Sensor) -> tuple[str, str, str]:
    return sensor.reading.section, sensor.quantity.name if sensor.quantity else "", sensor.name


def _default_name(sensor: Sensor) -> str:
    column = sensor.reading.value
    return column.name if column.scalar else f"{column.name} {'.'.join(map(str, sensor.index))}"
