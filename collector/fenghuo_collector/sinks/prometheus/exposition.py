"""The latest values in Prometheus's text format, version 0.0.4, for servers that would rather scrape.

https://prometheus.io/docs/instrumenting/exposition_formats/. Values carry the time at which they were read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from fenghuo.model import AgentId, Layout, Value
from fenghuo_collector.latest import Entry, Latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exposition:
    """Writes the latest values; keeps each layout's label texts, which hardly ever change."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._labels: WeakKeyDictionary[Layout, tuple[AgentId, list[str]]] = WeakKeyDictionary()

    def scrape(self) -> bytes:
        """The whole text; may be called from another thread."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The text in pieces of one metric each, by name."""
        by_name: dict[str, list[tuple[Entry, set[int]]]] = defaultdict(list)
        for entry, rows in self._latest.forms():
            for name in entry.layout.fields:
                by_name[name].append((entry, rows))
        for name in sorted(by_name):
            lines = [line for entry, rows in by_name[name] for line in self._lines(name, entry, rows)]
            if lines:
                kind = _kind(name, (entry.layout for entry, _ in by_name[name]))
                yield f"# TYPE {name} {kind}\n{''.join(lines)}".encode()

    def _lines(self, name: str, entry: Entry, rows: set[int]) -> Iterator[str]:
        labels = self._label_texts(entry)
        table = entry.table
        column = table.columns[table.layout.positions[name]]
        for row, (text, value) in enumerate(zip(labels, column, strict=True)):
            if value is not None and row in rows:
                yield f"{name}{{{text}}} {number(value)} {table.time}\n"

    def _label_texts(self, entry: Entry) -> list[str]:
        known = self._labels.get(entry.layout)
        if known is None or known[0] != entry.agent:
            own = {"site": entry.agent.site.path, "agent": entry.agent.name}
            known = self._labels[entry.layout] = (
                entry.agent,
                [label_text({**row, **own}) for row in entry.layout.rows],
            )
        return known[1]


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as they stand between the braces, by name."""
    return ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sorted(labels.items()) if value)


def number(value: Value) -> str:
    """A value as the format writes it; whole numbers of any size in full."""
    if value is None or isinstance(value, int):
        return "NaN" if value is None else str(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _kind(name: str, layouts: Iterable[Layout]) -> str:
    """A name is a counter where every layout says so, untyped where they disagree."""
    kinds = {name in layout.counters for layout in layouts}
    if len(kinds) > 1:
        return "untyped"
    return "counter" if kinds.pop() else "gauge"
