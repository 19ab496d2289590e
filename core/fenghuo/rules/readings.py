"""The `input` of rule tests → tables with their times of arrival."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from fenghuo.model import Layout, Table, Value
from fenghuo.rules.kinds.base import milliseconds
from fenghuo.rules.section import Growth, RuleTest, RuleTestInput

START = 1_767_225_600_000
"""When every test starts: 2026-01-01T00:00:00Z."""
MAX_READINGS = 100_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_DEFAULT_MEASUREMENT = "test"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A table when it arrives; `table` None: the engine is restarted."""

    moment: int
    table: Table | None


@dataclass(slots=True)
class _Pattern:
    """One `input`, taken apart."""

    times: list[int]
    labels: dict[str, str] = field(default_factory=dict[str, str])
    series: dict[str, list[Value] | Growth] = field(default_factory=dict[str, "list[Value] | Growth"])


class Readings:
    """Turns inputs into tables, with one layout for each set of labels and fields."""

    def __init__(self, measurement: str | None) -> None:
        self._measurement = measurement or _DEFAULT_MEASUREMENT
        self._layouts: dict[Any, Layout] = {}

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
        pattern = _read(entry)
        if entry.restart:
            yield from (Arrival(time, None) for time in pattern.times)
            return
        counters = {name: growth.bits for name, growth in pattern.series.items() if isinstance(growth, Growth)}
        layout = self._layout(entry.measurement or self._measurement, pattern, counters)
        arrives = None if entry.arrives is None else START + milliseconds(entry.arrives)
        for number, time in enumerate(pattern.times):
            columns = [(_value(series, number, time - pattern.times[0]),) for series in pattern.series.values()]
            table = Table(layout, time, () if entry.ended else columns, ended=entry.ended)
            yield Arrival(time if arrives is None else max(time, arrives), table)

    def _layout(self, measurement: str, pattern: _Pattern, counters: dict[str, int]) -> Layout:
        key = (measurement, tuple(sorted(pattern.labels.items())), tuple(pattern.series), tuple(counters.items()))
        if key not in self._layouts:
            self._layouts[key] = Layout(measurement, pattern.labels, {}, tuple(pattern.series), counters)
        return self._layouts[key]


def _read(entry: RuleTestInput) -> _Pattern:
    pattern = _Pattern(_times(entry))
    for name, value in (entry.model_extra or {}).items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a label or value")
        if isinstance(value, str):
            pattern.labels[name] = value
        else:
            pattern.series[name] = _series(name, value)
    if not pattern.series and not entry.restart:
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
