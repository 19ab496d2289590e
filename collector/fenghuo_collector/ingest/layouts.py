"""Layouts by their bytes: the same labels give the same object in every batch, so that sinks may cache by identity."""

from __future__ import annotations

from collections import OrderedDict

from fenghuo.model import Layout
from fenghuo.wire.body import decode_layout

RESERVED = frozenset({"site", "agent"})
"""Labels that only the collector may give, from the topic."""


class LayoutCache:
    """One agent's layouts, the least recently used forgotten beyond `entries` or `size` bytes of wire form."""

    def __init__(self, entries: int, size: int) -> None:
        self._entries = entries
        self._size = size
        self._held = 0
        self._layouts: OrderedDict[bytes, Layout] = OrderedDict()
        self.faults: dict[Layout, str] = {}
        """The layouts among them whose tables are not taken, and why."""

    def __len__(self) -> int:
        return len(self._layouts)

    def __call__(self, raw: bytes) -> Layout:
        """The layout of these bytes; `WireError` where they are none."""
        layout = self._layouts.get(raw)
        if layout is not None:
            self._layouts.move_to_end(raw)
            return layout
        layout = decode_layout(raw)
        self._layouts[raw] = layout
        self._held += len(raw)
        fault = fault_of(layout)
        if fault:
            self.faults[layout] = fault
        while len(self._layouts) > self._entries or (self._held > self._size and len(self._layouts) > 1):
            forgotten, old = self._layouts.popitem(last=False)
            self._held -= len(forgotten)
            self.faults.pop(old, None)
        return layout


def fault_of(layout: Layout) -> str | None:
    """Why tables of this layout are not taken; None where they are.

    `site` and `agent` would let a payload speak in another agent's name; names with two leading underscores are
    Prometheus's own.
    """
    own, rows = layout.labels.keys(), layout.row_labels.keys()
    for name in (*own, *rows):
        if name in RESERVED or name.startswith("__"):
            return f"table {layout.name} has the label {name}, which only the collector gives"
    twice = own & rows
    if twice:
        return f"table {layout.name} has the label {min(twice)} both for all rows and for each"
    return None
