"""The `input` of rule tests → tables, events, alerts and restarts with their times of arrival."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from fenghuo.alerts import iso
from fenghuo.model import Alert, AlertState, Document, Event, Layout, Table, Value
from fenghuo.rules.files.section import Count, Growth, RuleTest, RuleTestInput, ToldAlert
from fenghuo.rules.kinds.base import milliseconds

START = 1_767_225_600_000
"""When every test starts: 2026-01-01T00:00:00Z."""
MAX_READINGS = 100_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_DEFAULT_MEASUREMENT = "test"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something when it arrives; `what` None: the engine is restarted."""

    moment: int
    what: Table | Event | Alert | None


@dataclass(slots=True)
class _Pattern:
    """The readings of one input, taken apart."""

    labels: dict[str, str] = field(default_factory=dict[str, str])
    series: dict[str, list[Value] | Growth] = field(default_factory=dict[str, "list[Value] | Growth"])


class Readings:
    """Turns the inputs of one test into what arrives.

    Tables of the same labels and fields share a layout. Events are numbered in the order in which they are written;
    those that name no dataset are of `dataset`.
    """

    def __init__(self, measurement: str | None, dataset: str = "") -> None:
        self._measurement = measurement or _DEFAULT_MEASUREMENT
        self._dataset = dataset
        self._layouts: dict[Any, Layout] = {}
        self._events = 0

    def of(self, case: RuleTest) -> list[Arrival]:
        """All arrivals of a test in order; ValueError where an input makes no sense."""
        found: list[Arrival] = []
        for entry in case.input:
            found += self.arrivals(entry)
            if len(found) > MAX_READINGS:
                raise ValueError(f"more than {MAX_READINGS} readings in one test")
        return sorted(found, key=lambda arrival: arrival.moment)

    def check(self, entry: RuleTestInput) -> bool:
        """True; ValueError where an input makes no sense."""
        return next(self.arrivals(entry), None) is not None

    def arrivals(self, entry: RuleTestInput) -> Iterator[Arrival]:
        """The arrivals of one input; ValueError where it makes no sense."""
        times = _times(entry)
        make = self._maker(entry, times)
        arrives = 0 if entry.arrives is None else START + milliseconds(entry.arrives)
        for number, time in enumerate(times):
            yield Arrival(max(time, arrives), make(number, time))

    def _maker(self, entry: RuleTestInput, times: list[int]) -> Callable[[int, int], Table | Event | Alert | None]:
        """What makes the thing that comes at a time, from its number among the times, and the time."""
        if entry.event is not None:
            return self._event_maker(entry, entry.event, many=len(times) > 1)
        if entry.vary or entry.id is not None:
            raise ValueError("'vary' and 'id' belong to an 'event'")
        if entry.alert is not None:
            _refuse_others(entry, "alert")
            alert = entry.alert
            return lambda _, time: _alert(alert, time)
        if entry.restart:
            _refuse_others(entry, "restart")
            return _restart
        return self._table_maker(entry, times[0])

    # Readings

    def _table_maker(self, entry: RuleTestInput, first: int) -> Callable[[int, int], Table]:
        pattern = _read(entry)
        counters = {name: growth.bits for name, growth in pattern.series.items() if isinstance(growth, Growth)}
        layout = self._layout(entry.measurement or self._measurement, pattern, counters)

        def make(number: int, time: int) -> Table:
            columns = [(_value(series, number, time - first),) for series in pattern.series.values()]
            return Table(layout, time, () if entry.ended else columns, ended=entry.ended)

        return make

    def _layout(self, measurement: str, pattern: _Pattern, counters: dict[str, int]) -> Layout:
        key = (measurement, tuple(sorted(pattern.labels.items())), tuple(pattern.series), tuple(counters.items()))
        if key not in self._layouts:
            self._layouts[key] = Layout(measurement, pattern.labels, {}, tuple(pattern.series), counters)
        return self._layouts[key]

    # Events

    def _event_maker(self, entry: RuleTestInput, fields: Document, *, many: bool) -> Callable[[int, int], Event]:
        _refuse_others(entry, "event")
        varying = {name: _values(name, values) for name, values in entry.vary.items()}
        nest({**fields, **dict.fromkeys(varying)})

        def make(number: int, time: int) -> Event:
            self._events += 1
            id_ = f"e{self._events}" if entry.id is None else f"{entry.id}{number + 1}" if many else entry.id
            document = nest(fields)
            for name, values in varying.items():
                _put(document, name, values[number % len(values)])
            document.setdefault("@timestamp", iso(time))
            if self._dataset and isinstance(document.setdefault("event", {}), dict):
                document["event"].setdefault("dataset", self._dataset)
            return Event(id_, time, document)

        return make


def _restart(number: int, time: int) -> None:
    """Nothing comes: the engine is restarted."""
    del number, time


def nest(fields: Mapping[str, Any]) -> Document:
    """A document of objects within objects from one that may hold dotted keys; ValueError where two contradict."""
    document: Document = {}
    for name, value in fields.items():
        _put(document, name, value)
    return document


def _put(document: Document, name: str, value: Any) -> None:
    *way, last = name.split(".")
    for step in way:
        document = _object(document, step, name)
    if isinstance(value, Mapping):
        below = _object(document, last, name)
        for key, inner in cast("Mapping[str, Any]", value).items():
            _put(below, key, inner)
    elif isinstance(document.get(last), dict) and value is not None:
        raise ValueError(f"event: {name!r} has a value and fields below it")
    else:
        document[last] = value


def _object(document: Document, key: str, name: str) -> Document:
    """The object at a key, made where nothing is there."""
    found = document.setdefault(key, {})
    if isinstance(found, dict):
        return cast("Document", found)
    raise ValueError(f"event: {key!r} has a value, and {name!r} means fields below it")


def _values(name: str, values: list[Any] | Count) -> list[Any]:
    if isinstance(values, list):
        if not values:
            raise ValueError(f"vary: {name}: the list is empty")
        return values
    first, last = values.range
    if not 0 <= last - first < MAX_READINGS:
        raise ValueError(f"vary: {name}: a range goes from a number up to another, at most {MAX_READINGS} of them")
    numbers = range(first, last + 1)
    if not values.format:
        return list(numbers)
    if values.format.count("{}") != 1:
        raise ValueError(f"vary: {name}: the format has one {{}}, which stands for the number")
    return [values.format.replace("{}", str(number)) for number in numbers]


def _alert(told: ToldAlert, time: int) -> Alert:
    labels = {name.replace(".", "_"): str(value) for name, value in (told.model_extra or {}).items()}
    return Alert(
        fingerprint=" ".join([told.rule, *(f"{name}={value}" for name, value in sorted(labels.items()))]),
        rule_id="",
        rule_name=told.rule,
        title=told.rule,
        title_zh="",
        state=AlertState(told.state),
        level=told.level,
        labels=labels,
        time=time,
        starts_at=time,
        ends_at=time if told.state == "resolved" else None,
        value=told.value,
    )


def _refuse_others(entry: RuleTestInput, what: str) -> None:
    """Beside an event, an alert or a restart stands nothing but its times."""
    others = [name for name in ("event", "alert", "restart", "ended", "measurement") if getattr(entry, name)]
    strays = [*(name for name in others if name != what), *(entry.model_extra or {})]
    if strays:
        raise ValueError(f"{strays[0][:60]!r} cannot stand beside {what!r}")


def _read(entry: RuleTestInput) -> _Pattern:
    pattern = _Pattern()
    for name, value in (entry.model_extra or {}).items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a label or value; fields of an event stand in 'event'")
        if isinstance(value, str):
            pattern.labels[name] = value
        else:
            pattern.series[name] = _series(name, value)
    if not pattern.series:
        raise ValueError("no value is given; values are numbers, text is taken as a label")
    return pattern


def _times(entry: RuleTestInput) -> list[int]:
    if (entry.at is None) == (entry.every is None):
        raise ValueError("give either 'at' or 'every'")
    if entry.at is not None:
        return [START + milliseconds(moment) for moment in entry.at]
    if entry.until is None:
        raise ValueError("'every' needs 'until'")
    assert entry.every is not None
    first, last, step = milliseconds(entry.since), milliseconds(entry.until), max(1, milliseconds(entry.every))
    if (last - first) // step >= MAX_READINGS:
        raise ValueError(f"more than {MAX_READINGS} readings")
    if last < first:
        raise ValueError("'until' lies before 'since'")
    return [START + moment for moment in range(first, last + 1, step)]


def _is_value(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _series(name: str, value: Any) -> list[Value] | Growth:
    if _is_value(value):
        return [value]
    if isinstance(value, list) and value and all(_is_value(item) for item in cast("list[Any]", value)):
        return cast("list[Value]", value)
    if isinstance(value, dict):
        try:
            return Growth.model_validate(value)
        except ValidationError:
            raise ValueError(f"{name}: a counter is written {{start: 0, rate: 12.5, bits: 64}}") from None
    raise ValueError(f"{name}: expected a number, a list of numbers, or {{start: …, rate: …}}")


def _value(series: list[Value] | Growth, number: int, elapsed: int) -> Value:
    if isinstance(series, Growth):
        return (series.start + round(series.rate * elapsed / 1000)) % (1 << series.bits)
    return series[min(number, len(series) - 1)]
