"""Own metrics → tables: one for each set of label names, one row for each set of label values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric

from fenghuo.model import Layout, Table, Value

NAME = "fenghuo_agent"
PREFIXES = ("fenghuo_agent_", "fenghuo_rule_", "fenghuo_rules_")
COUNTER_BITS = 64
_CUMULATIVE = {"counter", "histogram", "summary"}


@dataclass(slots=True)
class _Grid:
    """The samples of one set of label names."""

    rows: dict[tuple[str, ...], dict[str, Value]] = field(default_factory=dict[tuple[str, ...], dict[str, Value]])
    fields: dict[str, bool] = field(default_factory=dict[str, bool])
    """Value name → whether it only ever grows."""


def _grids(families: Iterable[Metric]) -> dict[tuple[str, ...], _Grid]:
    grids: dict[tuple[str, ...], _Grid] = {}
    for family in families:
        if not family.name.startswith(PREFIXES):
            continue
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            keys = tuple(sorted(sample.labels))
            grid = grids.setdefault(keys, _Grid())
            row = tuple(sample.labels[key] for key in keys)
            grid.rows.setdefault(row, {})[sample.name] = sample.value
            grid.fields[sample.name] = family.type in _CUMULATIVE and "quantile" not in sample.labels
    return grids


class Collector:
    """Turns metric families into tables; layouts are made anew only when series come or go."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._layouts: dict[tuple[str, ...], tuple[tuple[object, ...], Layout]] = {}

    def tables(self, families: Iterable[Metric], time: int) -> list[Table]:
        """The tables of all families with one of `PREFIXES` at `time` (Unix milliseconds)."""
        return [self._table(keys, grid, time) for keys, grid in _grids(families).items()]

    def _table(self, keys: tuple[str, ...], grid: _Grid, time: int) -> Table:
        layout = self._layout(keys, grid)
        rows = list(grid.rows.values())
        return Table(layout, time, [[row.get(name) for row in rows] for name in layout.fields])

    def _layout(self, keys: tuple[str, ...], grid: _Grid) -> Layout:
        shape = (tuple(grid.rows), tuple(grid.fields))
        known = self._layouts.get(keys)
        if known is not None and known[0] == shape:
            return known[1]
        columns = list(zip(*grid.rows, strict=True))
        rows = {self._own(key): column for key, column in zip(keys, columns, strict=True)}
        counters = {name: COUNTER_BITS for name, grows in grid.fields.items() if grows}
        layout = Layout(NAME, self._labels, rows, tuple(grid.fields), counters)
        self._layouts[keys] = (shape, layout)
        return layout

    def _own(self, key: str) -> str:
        """A label's name, out of the way of the labels that every series has (as Prometheus does on a clash)."""
        return f"exported_{key}" if key in self._labels else key
