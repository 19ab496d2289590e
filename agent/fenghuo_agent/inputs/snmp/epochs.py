"""Epochs of interfaces' counters: a number for each that changes where its counters may have begun anew."""

from __future__ import annotations

from collections.abc import Sequence

from fenghuo.model import Value
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.plan import Shape


class Epochs:
    """Those of one device, by row of its shape; a table takes `values` as they are then."""

    __slots__ = ("_discontinuities", "_rows", "values")

    def __init__(self) -> None:
        self.values: list[int] = []
        self._rows: tuple[int, ...] = ()
        self._discontinuities: Sequence[Value] = ()

    def adopt(self, rows: tuple[int, ...]) -> None:
        """The rows are these from now on; those that were there keep their epoch."""
        if rows == self._rows:
            return
        known, fresh = dict(zip(self._rows, self.values, strict=True)), max(self.values, default=0)
        self.values = [known.get(row, fresh) for row in rows]
        self._rows = rows
        self._discontinuities = ()

    def restart(self) -> None:
        """The device restarted."""
        self.values = [epoch + 1 for epoch in self.values]

    def note(self, shape: Shape, values: Sequence[Value]) -> None:
        """Begin a new epoch for rows whose ifCounterDiscontinuityTime is another than at the poll before."""
        width = len(shape.columns)
        if shape.columns[-1] is not mibs.IF_DISCONTINUITY:
            return
        stop = shape.grid + width * len(shape.rows)
        before, now = self._discontinuities, values[shape.grid + width - 1 : stop : width]
        self._discontinuities = now
        if now != before and len(now) == len(before):
            self.values = [
                epoch + (old is not None and new is not None and old != new)
                for epoch, old, new in zip(self.values, before, now, strict=True)
            ]
