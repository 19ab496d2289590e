"""MIB objects as they are: which rows and columns of a metric's table a device has, and how its rows are labelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fenghuo_agent.profiles.profile import Metric
from fenghuo_agent.profiles.rows import Column, Rows, number_of
from fenghuo_agent.snmp.ber import Oid
from fenghuo_agent.snmp.objects import COUNTER_BITS


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of numbers: `columns` are the objects that the device has, `counters` the widths of those that only grow.

    `row_labels` is empty for scalars, else each label's values in the order of `indexes`. `oids` go row by row.
    """

    name: str
    columns: tuple[Column, ...]
    counters: Mapping[str, int]
    indexes: tuple[Oid, ...]
    row_labels: Mapping[str, Sequence[str]]
    interval: float | None

    @property
    def oids(self) -> tuple[Oid, ...]:
        """Every instance, row by row."""
        return tuple((*column.oid, *index) for index in self.indexes for column in self.columns)


def grids_of(metrics: Iterable[Metric], rows: Rows) -> list[Grid]:
    """The tables of these metrics that a device has something of."""
    return [grid for metric in metrics if (grid := _grid(metric, rows)) is not None]


def _grid(metric: Metric, rows: Rows) -> Grid | None:
    columns = tuple(
        column for column in metric.columns if any(number_of(each) is not None for each in rows.of(column).values())
    )
    if not columns:
        return None
    indexes = tuple(sorted({index for column in columns for index in rows.of(column)}))
    labels = {name: [template.render(rows, index) for index in indexes] for name, template in metric.labels.items()}
    return Grid(
        metric.name,
        columns,
        {column.name: bits for column in columns if (bits := _bits(column, rows))},
        indexes,
        {}
        if all(column.scalar for column in columns)
        else labels or {"index": [".".join(map(str, index)) for index in indexes]},
        metric.interval,
    )


def _bits(column: Column, rows: Rows) -> int:
    return max((COUNTER_BITS.get(varbind.tag, 0) for varbind in rows.of(column).values()), default=0)
