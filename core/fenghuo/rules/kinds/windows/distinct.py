"""The different values of a window, each with its newest observation."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import Any, cast

from fenghuo.rules.runtime.observe import MAX_EVENTS

_NEAR = 32
_FEW = 256
"""In larger windows the next value to leave is not looked for exactly."""


class Distinct:
    """Value → moment and event id of its newest observation.

    `order` is in the order of arrival, which is that of time but for what came late; `late` is a heap of the moments of
    those, so that they leave when they are due although they stand too far back. `first`: no moment is before it.
    """

    __slots__ = ("first", "late", "newest", "order")

    def __init__(self) -> None:
        self.order: dict[str, tuple[int, str]] = {}
        self.late: list[tuple[int, str]] = []
        self.newest = 0
        self.first = 0

    def __len__(self) -> int:
        return len(self.order)

    def add(self, value: str, time: int, id_: str) -> None:
        order = self.order
        known = order.get(value)
        if known is not None:
            if known[0] > time or (known[0] == time and known[1] >= id_):
                return
            del order[value]
        order[value] = (time, id_)
        if time < self.first or len(order) == 1:
            self.first = time
        if time >= self.newest:
            self.newest = time
        else:
            heapq.heappush(self.late, (time, value))
            if len(self.late) > 2 * len(order) + 16:
                self._sort()

    def _sort(self) -> None:
        self.order = dict(sorted(self.order.items(), key=lambda item: (item[1], item[0])))
        self.late.clear()

    def leave(self, edge: int) -> None:
        """Let go of the values not observed since `edge`."""
        if edge < self.first:
            return
        order, late = self.order, self.late
        while late and late[0][0] <= edge:
            time, value = heapq.heappop(late)
            if order.get(value, (0, ""))[0] == time:
                del order[value]
        gone, first = 0, self.newest
        for time, _ in order.values():
            if time > edge:
                first = time
                break
            gone += 1
        if gone:
            for value in list(islice(order, gone)):
                del order[value]
        self.first = min(first, late[0][0]) if late else first

    def crop(self, most: int) -> int:
        """Let go of the values observed longest ago, beyond so many; how many they were."""
        over = len(self.order) - most
        if over <= 0:
            return 0
        if self.late:
            self._sort()
        for value in list(islice(self.order, over)):
            del self.order[value]
        return over

    def after(self, leaving: int) -> int:
        """A moment before which fewer than so many values leave, counted from their newest observations."""
        if self.late or len(self.order) > _FEW:
            return self.first
        return next(islice(self.order.values(), min(leaving, _NEAR) - 1, None))[0]

    def events(self) -> list[str]:
        """The newest event of each value, oldest first, the newest `MAX_EVENTS`."""
        newest = islice(reversed(self.order.values()), MAX_EVENTS) if not self.late else self.order.values()
        found = sorted({entry for entry in newest if entry[1]})
        return [id_ for _, id_ in found[-MAX_EVENTS:]]

    def some(self, count: int) -> list[str]:
        """The values observed last, newest first."""
        if self.late:
            self._sort()
        return list(islice(reversed(self.order), count))

    def save(self) -> Any:
        if self.late:
            self._sort()
        return [[value, time, id_] for value, (time, id_) in self.order.items()]

    @classmethod
    def load(cls, saved: Any) -> Distinct:
        """What `save` gave; ValueError or TypeError where it is none of it."""
        found = cls()
        for value, time, id_ in cast("list[Any]", saved):
            found.add(str(value), int(time), str(id_))
        return found
