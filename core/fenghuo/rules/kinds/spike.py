"""`spike`: a sliding window against the one before, or against the same time of the day or week before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression
from fenghuo.rules.kinds.base import Kind, Reader, milliseconds
from fenghuo.rules.kinds.observed import FOREVER
from fenghuo.rules.kinds.windows.buckets import Buckets
from fenghuo.rules.kinds.windows.cell import SHORT
from fenghuo.rules.kinds.windows.measuring import MeasuringBody, MeasuringCell
from fenghuo.rules.kinds.windows.numbers import Numbers
from fenghuo.rules.kinds.windows.section import WindowSection, read_windowed
from fenghuo.rules.kinds.windows.texts import number_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Seen

DAY = 86_400_000
MAX_PAUSES = 16
_PERIODS = {"day": DAY, "week": 7 * DAY}
Least = Annotated[float, Field(ge=0, le=1e15)]


class SpikeSection(WindowSection):
    kind: Literal["spike"] = Field(
        description="The number of events (or, with `data`, the mean of readings) in a sliding window against another window."
    )
    condition: Expression = Field(
        description="When it is on, over `value`, `previous` (the other window's) and `factor` (`value / previous`), e.g. `factor > 3`.",
    )
    against: Literal["previous", "day", "week"] = Field(
        default="previous",
        description="The window just before, or the same time a day or a week ago (then in steps of a twelfth of the window).",
    )
    min_value: Least = Field(default=0, description="It speaks only if this window has so much.")
    min_previous: Least = Field(default=1, description="It speaks only if the window it is held against has so much.")
    learn: Duration = Field(
        default=0,
        description="It speaks of a group after so long; not before both windows were listened to in any case.",
    )


class SpikeCell(MeasuringCell["SpikeBody"]):
    """`near`: this window. `before`: the one before it; or `buckets`, of the whole time. `pauses`: nobody listened."""

    __slots__ = ("before", "buckets", "near", "pauses")

    def __init__(self, body: SpikeBody) -> None:
        super().__init__(body)
        self.near = Numbers()
        self.before = Numbers() if body.width is None else None
        self.buckets = None if body.width is None else Buckets(body.width)
        self.pauses: list[tuple[int, int]] = []

    def reach(self) -> int:
        return self.body.window + self.body.period

    def count(self) -> int:
        far = self.before if self.before is not None else self.buckets
        assert far is not None
        return len(self.near) + len(far)

    def add(self, seen: Seen, selection: int) -> None:
        del selection
        number = 1.0 if self.body.data is None else number_of(seen.number)
        if number is None:
            return
        is_near = seen.time > self.now - self.body.window
        if self.buckets is not None:
            self.buckets.add(seen.time, float(number))
        elif not is_near:
            self._put(self.before, seen.time, "", number)
        if is_near:
            self._put(self.near, seen.time, seen.id, number)

    def _put(self, store: Numbers | None, time: int, id_: str, number: float) -> None:
        """Add to a window; one that grows too large counts neighbours as one (events) or loses its oldest (readings)."""
        assert store is not None
        store.put(time, id_, float(number))
        if len(store) > self.body.most:
            self.given_up += store.merge() if self.body.data is None else store.crop(self.body.most)

    def leave(self, now: int) -> None:
        near, edge = self.near, now - self.body.window
        if self.before is not None:
            if len(near) and near.oldest <= edge:
                for time, number in near.until(edge):
                    self._put(self.before, time, "", number)
            self.before.leave(edge - self.body.period)
        elif self.buckets is not None:
            self.buckets.leave(edge - self.body.period)
        near.leave(edge)

    def wait(self) -> None:
        window, now = self.body.window, self.now
        due = self.near.oldest + window if len(self.near) else FOREVER
        if self.before:
            due = min(due, self.before.oldest + window + self.body.period)
        if self.buckets:
            due = min(due, (now // self.buckets.width + 1) * self.buckets.width)
        if due == FOREVER:
            self.due = None
            return
        if now < self.since + self.body.opening or self.pauses:
            due = min([due, *(moment for moment in self._openings() if moment > now)])
        self.due = due

    def _openings(self) -> list[int]:
        """When it may speak again that could not."""
        body = self.body
        pauses = [end + far for _, end in self.pauses for far in (body.window, body.window + body.period)]
        return [self.since + body.opening, *pauses]

    def _may_speak(self) -> bool:
        """Whether both windows were listened to from end to end, and the group was learnt."""
        body, now = self.body, self.now
        if now < self.since + body.opening:
            return False
        if not self.pauses:
            return True
        ends = (now, now - body.period)
        return not any(begin < end and until > end - body.window for begin, until in self.pauses for end in ends)

    def values(self) -> Mapping[str, float] | None:
        body = self.body
        if not self._may_speak():
            return None
        value, previous = self._value(), self._previous()
        if value is None or previous is None or value < body.min_value or previous < body.min_previous:
            return None
        found = {"value": value, "previous": previous}
        if previous:
            found["factor"] = value / previous
        return found

    def _value(self) -> float | None:
        if self.body.data is None:
            return self.near.total.value
        return self.near.mean if len(self.near) else None

    def _previous(self) -> float | None:
        if self.before is not None:
            total, count = self.before.total.value, len(self.before)
        else:
            assert self.buckets is not None
            end = self.now - self.body.period
            total, count = self.buckets.between(end - self.body.window, end)
        if self.body.data is None:
            return total
        return total / count if count else None

    def events(self) -> Sequence[str]:
        return tuple(self.near.ids)

    def resume(self, now: int, away: int) -> None:
        if away * SHORT > self.body.window:
            edge = self.now - self.reach()
            kept = [pause for pause in self.pauses if pause[1] > edge]
            self.pauses = [*kept, (now - away, now)][-MAX_PAUSES:]
            self.wait()

    def kept(self) -> Any:
        far = self.before if self.before is not None else self.buckets
        assert far is not None
        return [self.near.save(), far.save(), [list(pause) for pause in self.pauses]]


@dataclass(frozen=True)
class SpikeBody(MeasuringBody):
    """Milliseconds. `period`: how far back the other window lies; `width`: of its buckets, None where none are needed."""

    period: int = 60_000
    width: int | None = None
    min_value: float = 0
    min_previous: float = 1
    learn: int = 0

    @cached_property
    def opening(self) -> int:
        """How long after a group was first seen it may be spoken of."""
        return max(self.window + self.period, self.learn)

    def start(self) -> Cell:
        return SpikeCell(self)

    def load(self, saved: Any) -> Cell:
        cell = SpikeCell(self)
        near, far, pauses = cell.restore(saved)
        cell.near.take(near)
        store = cell.before if cell.before is not None else cell.buckets
        assert store is not None
        store.take(far)
        cell.pauses = [(int(begin), int(end)) for begin, end in pauses]
        cell.wait()
        return cell


def width_of(window: int, period: int) -> int:
    """Of the buckets: a twelfth of the window, but never more than 2,016 to a period."""
    return max(1_000, window // 12, period // 2_016)


def _read(section: SpikeSection, reader: Reader) -> tuple[SpikeBody, Holds] | None:
    read = read_windowed(section, reader, names=("factor",), variables=("previous",))
    if read is None:
        return None
    period = _PERIODS.get(section.against, read.window)
    body = SpikeBody(
        **read.common,
        most=section.limits.events,
        period=period,
        width=None if section.against == "previous" else width_of(read.window, period),
        min_value=section.min_value,
        min_previous=section.min_previous,
        learn=milliseconds(section.learn),
    )
    return body, read.holds


SPIKE = Kind("spike", SpikeSection, _read)
