"""Printing what one round of the inputs read, for `fenghuo agent once`: lines of JSON, or pages for people."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TextIO

import msgspec

from fenghuo.model import AgentId, Asset, Event, Table, Value
from fenghuo_agent.inputs.base import Accumulator

_OWN_JOB = "fenghuo_agent"
_SHARED = ("job", "instance", "device")
"""Labels that head a device's part and need not stand in each of its rows."""
_MAX_CELL = 60


class Printer(Accumulator, Protocol):
    """Takes what is read and prints it, at once or when the round is over."""

    def finish(self) -> None:
        """Print what was kept until all is there."""
        ...


def printer_for(agent: AgentId, out: TextIO, *, as_json: bool) -> Printer:
    """The printer that writes to `out`."""
    return JsonLines(agent, out) if as_json else Pages(out)


def failed(name: str, error: Exception) -> None:
    """Say on standard error that an input failed."""
    print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 — this is what the command prints


class JsonLines:
    """One JSON document a line, as soon as it is read: a row of readings, an event, an asset."""

    def __init__(self, agent: AgentId, out: TextIO) -> None:
        self._place = {"site": str(agent.site), "agent": agent.name}
        self._out = out

    def table(self, table: Table) -> None:
        if table.ended:
            return
        for labels, values in _rows(table):
            self._write(
                {"name": table.layout.name, "time": table.time, "labels": {**self._place, **labels}, "values": values}
            )

    def event(self, event: Event) -> None:
        self._write({"name": "event", "time": event.time, "id": event.id, "document": event.document})

    def asset(self, asset: Asset) -> None:
        self._write({"name": "asset", "time": asset.time, "id": asset.id, "attributes": asset.attributes})

    def finish(self) -> None:
        self._out.flush()

    def _write(self, item: dict[str, Any]) -> None:
        self._out.write(msgspec.json.encode(item).decode() + "\n")


class Pages:
    """A part for each device, its readings aligned; what the agent says of itself comes last, without what is zero."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tables: dict[tuple[str, ...], list[Table]] = {}
        self._said: list[str] = []

    def table(self, table: Table) -> None:
        if not table.ended:
            key = tuple(table.layout.labels.get(name, "") for name in _SHARED)
            self._tables.setdefault(key, []).append(table)

    def event(self, event: Event) -> None:
        self._said.append(f"event  {event.document.get('message') or event.id}")

    def asset(self, asset: Asset) -> None:
        self._said.append(f"asset  {asset.attributes.get('message') or asset.id}")

    def finish(self) -> None:
        for line in self._said:
            self._out.write(f"{line}\n")
        for (job, instance, device), tables in sorted(self._tables.items(), key=_own_last):
            self._out.write(f"\n{'  '.join(dict.fromkeys(part for part in (device, instance, job) if part))}\n")
            for table in tables:
                for line in _own(table) if job == _OWN_JOB else _page(table):
                    self._out.write(f"  {line}\n")
        self._out.flush()


def _own_last(part: tuple[tuple[str, ...], list[Table]]) -> tuple[bool, str]:
    (job, _, device), _ = part
    return job == _OWN_JOB, device


def _rows(table: Table) -> Iterator[tuple[Mapping[str, str], dict[str, int | float]]]:
    """Labels and values of each row; values that were not read are left out."""
    for position, labels in enumerate(table.layout.rows):
        columns = zip(table.layout.fields, table.columns, strict=True)
        yield labels, {name: value for name, column in columns if (value := column[position]) is not None}


def _own(table: Table) -> Iterator[str]:
    """The agent's own metrics that are not zero, histograms by count and sum."""
    found = [
        (name + (f"{{{_labels(labels)}}}" if _labels(labels) else ""), _cell(value))
        for labels, values in _rows(table)
        if "le" not in labels
        for name, value in values.items()
        if value
    ]
    yield from aligned(found, numbers=(1,))


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items() if name not in _SHARED)


def _page(table: Table) -> Iterator[str]:
    """A table of one row as names and values, of several as a table with a heading."""
    rows = list(_rows(table))
    yield f"{table.layout.name}{f' ({len(rows)} rows)' if len(rows) > 1 else ''}"
    if len(rows) == 1:
        labels, values = rows[0]
        own = [(name, value) for name, value in labels.items() if name not in _SHARED and value]
        lines = aligned([*own, *((name, _cell(value)) for name, value in values.items())])
    else:
        lines = _grid(rows, table.layout.fields)
    yield from (f"  {line}" for line in lines)


def _grid(rows: Sequence[tuple[Mapping[str, str], Mapping[str, int | float]]], fields: Sequence[str]) -> Iterator[str]:
    names = dict.fromkeys(name for labels, _ in rows for name, value in labels.items() if value)
    own = [name for name in names if name not in _SHARED]
    read = [field for field in fields if any(field in values for _, values in rows)]
    cells = [
        (*(labels.get(name, "") for name in own), *(_cell(values.get(field)) for field in read))
        for labels, values in rows
    ]
    return aligned([(*own, *read), *cells], numbers=range(len(own), len(own) + len(read)))


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else f"{value:.0f}"


def aligned(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> Iterator[str]:
    """Rows of cells in columns as wide as their widest; those in `numbers` end flush."""
    short = [[cell if len(cell) <= _MAX_CELL else cell[: _MAX_CELL - 1] + "…" for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*short, strict=True)]
    for row in short:
        filled = [
            " " * (width - _width(cell)) + cell if place in numbers else cell + " " * (width - _width(cell))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(filled).rstrip()


def _width(text: str) -> int:
    """Columns that a text takes on a terminal: Han characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
