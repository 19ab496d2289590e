"""What all cells with a sliding window share: when they are, what leaves, when they are forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from fenghuo.rules.language.expression import Node
from fenghuo.rules.runtime.observe import Measure, Observer, Seen

SHORT = 20
"""A pause shorter than this part of a window is overlooked."""


@dataclass(frozen=True)
class WindowBody(Observer):
    """`window` and `forget` in milliseconds. `levels`: the conditions of the levels. `most`: so much is kept of a group."""

    levels: tuple[Node, ...] = ()
    window: int = 60_000
    forget: int = 86_400_000
    most: int = 10_000

    counts_given_up = True

    @cached_property
    def asks_for_few(self) -> bool:
        """Whether nothing at all is an answer: the condition is true of an empty window."""
        raise NotImplementedError


B = TypeVar("B", bound=WindowBody)


class WindowCell(Generic[B]):
    """A window of one group; what is in it is added by subclasses.

    Where the condition is true of nothing at all (`value < 3`), a group that was seen is kept until it is forgotten,
    and it is not said that too little came before it was listened to for a whole window (`since`). Otherwise nothing is
    kept of what left the window. `now`: the newest moment that was told. `last`: the newest observation. `is_quiet`:
    what was said last was nothing to worry about. `given_up`: what was given up for want of room.
    """

    __slots__ = ("body", "due", "given_up", "is_quiet", "last", "now", "since")

    def __init__(self, body: B) -> None:
        self.body = body
        self.now = 0
        self.last = 0
        self.since = 0
        self.is_quiet = True
        self.due: int | None = None
        self.given_up = 0

    def see(self, seen: Seen, selection: int) -> Measure | None:
        time, now = seen.time, self.now
        if time > now:
            if not now:
                self.since = time
            self.now = self.last = now = time
        elif time <= now - self.reach():
            return None
        else:
            self.since = min(self.since, time)
            self.last = max(self.last, time)
        self.leave(now)
        self.add(seen, selection)
        return self.say()

    def lapse(self, now: int) -> Measure | None:
        self.now = max(self.now, now)
        self.leave(self.now)
        return self.say()

    def resume(self, now: int, away: int) -> None:
        """Nobody listened until `now`: that little came says nothing yet."""
        if self.body.asks_for_few and away * SHORT > self.body.window:
            self.since = max(self.since, now)
            self.wait()

    @property
    def is_empty(self) -> bool:
        if self.count():
            return False
        return not self.body.asks_for_few or self.now >= self.last + self.body.window + self.body.forget

    def next_moment(self, leaving: int | None) -> int | None:
        """When there may be something to say; `leaving`: when what is in the window makes a difference, if anything is."""
        body = self.body
        if not body.asks_for_few or not self.now:
            return leaving
        full = self.since + body.window
        if leaving is None:
            leaving = self.last + body.window + body.forget
            if self.now >= leaving:
                return None
        return full if self.now < full < leaving else leaving

    def save(self) -> Any:
        return [self.now, self.last, self.since, self.is_quiet, self.kept()]

    def restore(self, saved: Any) -> Any:
        """Take what `save` gave; what the subclass `kept` is handed back."""
        now, last, since, is_quiet, kept = saved
        self.now, self.last, self.since, self.is_quiet = int(now), int(last), int(since), bool(is_quiet)
        return kept

    # What is in the window

    def reach(self) -> int:
        """How far back an observation may lie, in milliseconds."""
        return self.body.window

    def count(self) -> int:
        """How much there is."""
        raise NotImplementedError

    def add(self, seen: Seen, selection: int) -> None:
        """Take in an observation."""
        raise NotImplementedError

    def leave(self, now: int) -> None:
        """Let go of what is in the window no more."""
        raise NotImplementedError

    def say(self) -> Measure | None:
        """What there is to say of it, and find out what is `due`."""
        raise NotImplementedError

    def wait(self) -> None:
        """Find out what is `due`."""
        raise NotImplementedError

    def kept(self) -> Any:
        """What is in it, as plain values."""
        raise NotImplementedError
