"""`value_percentile` without a percentile, as the specification's own example has it: what share of a window a value has.

"A process name that is less than one percent of all": the number is the percentage of the observations in the window,
this one counted in, that have the value of this one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, cast

from fenghuo.rules.kinds.windows.texts import text_of
from fenghuo.rules.language.scalar import Scalar, compile_scalar
from fenghuo.rules.runtime.observe import MAX_EVENTS, Cell, Measure, Observer, Seen

_Moment = tuple[int, str, str]
"""Time, event id, value."""


@dataclass(frozen=True)
class ShareBody(Observer):
    """`window` in milliseconds; `most`: so many observations are kept of a group; `label`: what alerts call the field."""

    tells_each: bool = True
    field: str = ""
    label: str = ""
    window: int = 60_000
    most: int = 10_000

    counts_given_up = True

    @cached_property
    def is_on(self) -> Scalar:
        assert self.condition is not None
        return compile_scalar(self.condition)

    def start(self) -> Cell:
        return ShareCell(self)

    def load(self, saved: Any) -> Cell:
        newest, moments = saved
        cell = ShareCell(self)
        cell.newest = int(newest)
        for time, id_, value in cast("list[tuple[Any, Any, Any]]", moments):
            cell.add((int(time), str(id_), str(value)))
        return cell


class ShareCell:
    """The observations of one group, in order of time; the first `_start` of them have left the window already."""

    __slots__ = ("_counts", "_moments", "_start", "body", "given_up", "newest")

    def __init__(self, body: ShareBody) -> None:
        self.body = body
        self.newest = 0
        self.given_up = 0
        self._moments: list[_Moment] = []
        self._start = 0
        self._counts: Counter[str] = Counter()

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        found: Any = seen.get(self.body.field)
        if isinstance(found, list):
            found = next(iter(cast("list[Any]", found)), None)
        if found is None or seen.time <= self.newest - self.body.window:
            return None
        value = text_of(found)
        self.newest = max(self.newest, seen.time)
        self._leave(self.newest - self.body.window)
        self.add((seen.time, seen.id, value))
        share = 100 * self._counts[value] / (len(self._moments) - self._start)
        if self.body.is_on({"value": share}) is not True:
            return None
        ids = [id_ for _, id_, each in islice(self._moments, self._start, None) if each == value]
        return Measure(share, on=True, events=ids[-MAX_EVENTS:], since=seen.time, more=((self.body.label, value),))

    def add(self, moment: _Moment) -> None:
        """Put an observation where it belongs; the oldest goes where there is no room."""
        if not self._moments or moment >= self._moments[-1]:
            self._moments.append(moment)
        else:
            insort(self._moments, moment, lo=self._start)
        self._counts[moment[2]] += 1
        if len(self._moments) - self._start > self.body.most:
            self._give_up(self._start + 1)
            self.given_up += 1

    def _leave(self, edge: int) -> None:
        self._give_up(bisect_right(self._moments, (edge, "\U0010ffff"), lo=self._start))

    def _give_up(self, end: int) -> None:
        for _, _, value in islice(self._moments, self._start, end):
            self._counts[value] -= 1
            if not self._counts[value]:
                del self._counts[value]
        self._start = end
        if self._start * 2 > len(self._moments):
            del self._moments[: self._start]
            self._start = 0

    @property
    def due(self) -> int | None:
        return self.newest + self.body.window if self._moments else None

    def lapse(self, now: int) -> None:
        self._leave(now - self.body.window)

    @property
    def is_empty(self) -> bool:
        return len(self._moments) == self._start

    def save(self) -> Any:
        return [self.newest, [list(moment) for moment in self._moments[self._start :]]]
