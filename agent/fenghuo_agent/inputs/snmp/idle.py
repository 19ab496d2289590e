"""Ports with nothing new: while they are down and their counters stand still, only their status is asked at each poll.

What was read of them last is handed on for a while, so that no series looks ended and every rate is 0. It is read again
as soon as one of them is no longer down, and in any case after that while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fenghuo.model import Value
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.plan import Plan, Plans, Shape
from fenghuo_agent.inputs.snmp.poll import Reading

DOWN = frozenset((2, 6, 7))
"""ifOperStatus of ports that pass nothing: down, notPresent, lowerLayerDown."""


class Idle:
    """What one device's requests for ports that are down said last."""

    __slots__ = ("_asked", "_full_at", "_kept", "_plan", "_statuses", "_still")

    def __init__(self, statuses: Reading) -> None:
        self._statuses = statuses
        self._asked: Plan | None = None
        self._plan: Plan | None = None
        self._kept: dict[int, list[Value]] = {}
        self._still: set[int] = set()
        self._full_at = 0.0

    def noted(self, plan: Plan, values: Sequence[Value], now: float) -> None:
        """Take in a whole reading at `now` (seconds): which requests had only ports that are down, and nothing new."""
        if plan is not self._plan:
            self._plan, self._asked, self._kept = plan, None, {}
        self._full_at = now
        shape = plan.shape
        before, self._kept, self._still = self._kept, {}, set()
        status = _place(shape, mibs.IF_OPER_STATUS)
        if status is None:
            return
        states = values[shape.grid + status :: len(shape.columns)]
        for number, span in enumerate(plan.spans):
            if span is None or any(states[line] not in DOWN for line in range(*span)):
                continue
            kept = [values[place] for place in plan.places_of(number)]
            self._kept[number] = kept
            if before.get(number) == kept:
                self._still.add(number)

    def status_plan(self, plan: Plan, plans: Plans, size: int, now: float, most: float) -> Plan | None:
        """What to ask first in place of everything, None where everything is to be asked; `most` is the while in seconds."""
        if plan is not self._plan or now - self._full_at > most:
            return None
        if not self._still:
            return None
        if self._asked is None:
            columns = [item for item in mibs.IF_STATUS if item in plan.shape.columns]
            self._asked = plans.get(_statuses(plan.shape, columns), size)
        return self._asked if len(self._still) > len(self._asked.chunks) else None

    async def read(
        self, plan: Plan, asked: Plan, reading: Reading, check: Callable[[Sequence[Value]], None]
    ) -> list[Value]:
        """All values of the plan: those of ports that are down still as they were, the others read now."""
        shape = plan.shape
        found = await self._statuses.read(asked, check)
        width = len(asked.shape.columns)
        states = found[shape.grid + asked.shape.columns.index(mibs.IF_OPER_STATUS) :: width]
        skipped = {
            number
            for number in self._still
            if (span := plan.spans[number]) is not None and all(states[line] in DOWN for line in range(*span))
        }
        values = await reading.read(plan, check, skipped)
        for number in skipped:
            for place, value in zip(plan.places_of(number), self._kept[number], strict=True):
                values[place] = value
        for place, column in enumerate(asked.shape.columns):
            at = shape.grid + shape.columns.index(column)
            values[at :: len(shape.columns)] = found[shape.grid + place :: width]
        return values


def _statuses(shape: Shape, columns: Sequence[mibs.Object]) -> Shape:
    """The same rows with these columns alone."""
    places = [shape.columns.index(column) for column in columns]
    width = len(shape.columns)
    missing = frozenset(
        line * len(columns) + at
        for line in range(len(shape.rows))
        for at, place in enumerate(places)
        if line * width + place in shape.missing
    )
    return Shape(shape.scalars, tuple(columns), shape.rows, missing)


def _place(shape: Shape, item: mibs.Object) -> int | None:
    return shape.columns.index(item) if item in shape.columns else None
