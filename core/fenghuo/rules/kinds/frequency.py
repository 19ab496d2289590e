"""`frequency`: how many observations lie in a sliding window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from fenghuo.rules.expression import Node
from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.lifecycle import Holds
from fenghuo.rules.observe import Cell, Measure, Observer, Seen
from fenghuo.rules.windows.regions import Regions, regions_of
from fenghuo.rules.windows.section import WindowSection, fits, read_windowed
from fenghuo.rules.windows.times import Times


class FrequencySection(WindowSection):
    kind: Literal["frequency"] = Field(
        description="How many events (or, with `data`, readings) lie in a sliding window; with `value < …`: too few."
    )


class FrequencyCell:
    """The moments of one group.

    Where the condition is true of 0 (`value < 3`), a group that was seen is kept until it is forgotten, and it is not
    said that too few came before it was listened to for a whole window (`since`). Otherwise nothing is kept of what
    left the window. `is_quiet`: what was said last was nothing to worry about.
    """

    __slots__ = ("body", "due", "given_up", "is_quiet", "last", "now", "since", "times")

    def __init__(self, body: FrequencyBody) -> None:
        self.body = body
        self.times = Times()
        self.now = 0
        self.last = 0
        self.since = 0
        self.is_quiet = True
        self.due: int | None = None
        self.given_up = 0

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        body, time, now = self.body, seen.time, self.now
        if time > now:
            if not now:
                self.since = time
            self.now = self.last = now = time
        elif time <= now - body.window:
            return None
        elif time < self.since:
            self.since = time
        times = self.times
        times.leave(now - body.window)
        times.add(time, seen.id)
        if len(times) > body.most:
            self.given_up += times.crop(body.most)
        return self._say()

    def lapse(self, now: int) -> Measure | None:
        self.now = max(self.now, now)
        self.times.leave(self.now - self.body.window)
        return self._say()

    def _say(self) -> Measure | None:
        body, times = self.body, self.times
        regions, count = body.regions, len(times)
        region = regions.of(count)
        self.due = self._next(count, region)
        if regions.asks_for_few and self.now < self.since + body.window and not regions.sure[region]:
            return None
        was_quiet, self.is_quiet = self.is_quiet, regions.quiet[region]
        if self.is_quiet and was_quiet:
            return None
        ids = tuple(times.ids) if regions.on[region] else ()
        return Measure(count, None, {}, ids, times.oldest if count else None)

    def _next(self, count: int, region: int) -> int | None:
        """The next moment at which the answer may change."""
        body, regions = self.body, self.body.regions
        window = body.window
        if not count:
            if not regions.asks_for_few:
                return None
            due = self.last + window + body.forget
            if self.now >= due:
                return None
        elif regions.is_exact:
            due = self.times.from_end(regions.starts[region - 1]) + window
        else:
            due = self.times.oldest + window
        if regions.asks_for_few and self.now < self.since + window < due:
            due = self.since + window
        return due

    def wait(self) -> None:
        """Set `due` anew."""
        count = len(self.times)
        self.due = self._next(count, self.body.regions.of(count))

    def resume(self, now: int) -> None:
        """Nobody listened until `now`: that little came says nothing yet."""
        if self.body.regions.asks_for_few:
            self.since = max(self.since, now)
            self.wait()

    @property
    def is_empty(self) -> bool:
        if len(self.times):
            return False
        return not self.body.regions.asks_for_few or self.now >= self.last + self.body.window + self.body.forget

    def save(self) -> Any:
        return [*self.times.save(), self.now, self.last, self.since, self.is_quiet]


@dataclass(frozen=True)
class FrequencyBody(Observer):
    """`window` and `forget` in milliseconds. `levels`: the conditions of the levels. `most`: so many moments are kept."""

    levels: tuple[Node, ...] = ()
    window: int = 60_000
    forget: int = 86_400_000
    most: int = 10_000

    counts_given_up = True

    @cached_property
    def regions(self) -> Regions:
        """The counts between which the answer does not change."""
        assert self.condition is not None
        return regions_of(self.condition, self.clear, self.levels)

    def start(self) -> Cell:
        return FrequencyCell(self)

    def load(self, saved: Any) -> Cell:
        packed, ids, now, last, since, is_quiet = saved
        cell = FrequencyCell(self)
        cell.times = Times.load((packed, ids))
        cell.now, cell.last, cell.since, cell.is_quiet = int(now), int(last), int(since), bool(is_quiet)
        cell.wait()
        return cell


def _read(section: FrequencySection, reader: Reader) -> tuple[FrequencyBody, Holds] | None:
    read = read_windowed(section, reader)
    if read is None:
        return None
    observed = read.observed
    body = FrequencyBody(
        observed.selections,
        observed.data,
        observed.condition,
        observed.clear,
        levels=read.levels,
        window=read.window,
        forget=read.forget,
        most=section.limits.events,
    )
    return (body, observed.holds) if fits(body.regions, section, reader, "events") else None


FREQUENCY = Kind("frequency", FrequencySection, _read)
