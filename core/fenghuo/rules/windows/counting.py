"""Cells that count what lies in a sliding window: observations or different values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fenghuo.rules.expression import Node
from fenghuo.rules.observe import Measure, Observer, Seen
from fenghuo.rules.windows.regions import Regions, regions_of


@dataclass(frozen=True)
class CountingBody(Observer):
    """`window` and `forget` in milliseconds. `levels`: the conditions of the levels. `most`: so much is kept of a group."""

    levels: tuple[Node, ...] = ()
    window: int = 60_000
    forget: int = 86_400_000
    most: int = 10_000

    counts_given_up = True

    @cached_property
    def regions(self) -> Regions:
        """The counts between which the answer does not change."""
        assert self.condition is not None
        return regions_of(self.condition, self.clear, self.levels, self.most)


class CountingCell:
    """What is common to counts of one group; what is counted is added by its subclasses.

    Where the condition is true of 0 (`value < 3`), a group that was seen is kept until it is forgotten, and it is not
    said that too little came before it was listened to for a whole window (`since`). Otherwise nothing is kept of what
    left the window. `is_quiet`: what was said last was nothing to worry about.
    """

    __slots__ = ("body", "due", "given_up", "is_quiet", "last", "now", "since")

    def __init__(self, body: CountingBody) -> None:
        self.body = body
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
        else:
            self._note(time)
        self.leave(now - body.window)
        self.add(seen)
        return self._say()

    def _note(self, time: int) -> None:
        """Take note of the moment of an observation that is not the newest, or follows a lapse."""
        self.since = min(self.since, time)
        self.last = max(self.last, time)

    def lapse(self, now: int) -> Measure | None:
        self.now = max(self.now, now)
        self.leave(self.now - self.body.window)
        return self._say()

    def _say(self) -> Measure | None:
        body = self.body
        regions, count = body.regions, self.count()
        region = regions.of(count)
        self.due = self._next(count, region)
        if regions.asks_for_few:
            if self.now < self.since + body.window and not regions.sure[region]:
                return None
            if not count and self.due is None:
                return None
        was_quiet, self.is_quiet = self.is_quiet, regions.quiet[region]
        if was_quiet and self.is_quiet:
            return None
        if not regions.on[region]:
            return Measure(count)
        return Measure(count, None, self.values(), self.events())

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
        else:
            due = self.leaving(regions.starts[region - 1]) + window
        if regions.asks_for_few and self.now < self.since + window < due:
            due = self.since + window
        return due

    def resume(self, now: int) -> None:
        """Nobody listened until `now`: that little came says nothing yet."""
        if self.body.regions.asks_for_few:
            self.since = max(self.since, now)
            self.wait()

    def wait(self) -> None:
        """Find out anew what is `due`."""
        count = self.count()
        self.due = self._next(count, self.body.regions.of(count))

    @property
    def is_empty(self) -> bool:
        if self.count():
            return False
        return not self.body.regions.asks_for_few or self.now >= self.last + self.body.window + self.body.forget

    def save(self) -> Any:
        return [self.now, self.last, self.since, self.is_quiet, self.kept()]

    def restore(self, saved: Any) -> Any:
        """Take what `save` gave; what the subclass `kept` is handed back."""
        now, last, since, is_quiet, kept = saved
        self.now, self.last, self.since, self.is_quiet = int(now), int(last), int(since), bool(is_quiet)
        return kept

    # What is counted

    def count(self) -> int:
        """How much lies in the window."""
        raise NotImplementedError

    def add(self, seen: Seen) -> None:
        """Count an observation."""
        raise NotImplementedError

    def leave(self, edge: int) -> None:
        """Let go of what is not newer than `edge`."""
        raise NotImplementedError

    def leaving(self, staying: int) -> int:
        """A moment: so many are counted until it is a window ago, and what leaves before does not make them fewer."""
        raise NotImplementedError

    def events(self) -> Sequence[str]:
        """The ids of the events that made the count."""
        raise NotImplementedError

    def values(self) -> Mapping[str, float | str]:
        """What else may be told of what was counted."""
        return {}

    def kept(self) -> Any:
        """What is counted, as plain values."""
        raise NotImplementedError
