"""Steps that follow one another: which observations of a group make a whole (kind `sequence`).

A cell keeps a *log*: the newest observations of each step, in order of time, bounded. Of the log a match is made, and a
match takes its observations out of it: none counts twice. In order means in order of event time, then of arrival.

Ordered steps run through a non-deterministic automaton that keeps one partial match for each number of steps done, the one
that began last: it has the most time left, so whenever there is a match within the span, one is found, and the one that
is told is the shortest. (Elastic's EQL keeps the same.) Observations that come late are put where they belong and the
automaton runs over the log anew, so the order of arrival does not matter as long as nothing was told in between.

"And then no B" cannot be seen but only be waited for: what is done but for that waits until its time is over; of several
the one that is over first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from fenghuo.rules.kinds.steps import Pattern, Stage, Step
from fenghuo.rules.runtime.observe import MAX_EVENTS, Measure, Seen

SLACK_MS = 60_000
"""Observations are kept for so long beyond their use: a timer that waits for late ones may still need them."""
MAX_TEXT = 200
LATE_START_MS = 10_000
"""Where no first step was seen, the others are kept for so long: the first may be late. Most groups never see one."""


def start_cell(pattern: Pattern) -> StepsCell:
    """A cell for a new group."""
    return OrderedCell(pattern) if pattern.ordered else AnyOrderCell(pattern)


def load_cell(pattern: Pattern, saved: Any) -> StepsCell:
    """A cell from what it saved; ValueError, TypeError or KeyError where it is of other steps."""
    cell = start_cell(pattern)
    cell.restore(saved)
    return cell


@dataclass(order=True, slots=True)
class Entry:
    """One observation in the log. `steps`: which it is of, as bits; `values`: what is remembered of it."""

    time: int
    serial: int
    id: str = field(compare=False)
    steps: int = field(compare=False)
    values: Mapping[str, str] | None = field(default=None, compare=False)


class StepsCell:
    """The log of a group. `late`: observations that came too late to count; `given_up`: those without room.

    Subclasses find matches in it.
    """

    __slots__ = (
        "_counts",
        "_entry",
        "_is_used",
        "_log",
        "_pattern",
        "_seen",
        "_serial",
        "given_up",
        "late",
        "newest",
    )

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._log: list[Entry] = []
        self._counts = [0] * len(pattern.steps)
        self._serial = 0
        self._seen = ""
        self._entry: Entry | None = None
        self._is_used = False
        self.newest = 0
        self.late = 0
        self.given_up = 0

    def see(self, seen: Seen, selection: int) -> Measure | None:
        step = self._pattern.steps[selection]
        if step.of_alerts and seen.get("alert.state") != "firing":
            return None
        entry = self._entry
        if seen.id and seen.id == self._seen:
            if entry is not None and step.remembers:
                entry.values = {**(entry.values or {}), **_values_of(seen, step)}
            return None if entry is None else self._see_again(entry, selection)
        if seen.time < self.newest - self._pattern.horizon:
            self.late += 1
            return None
        is_late = seen.time < self.newest
        self._seen = seen.id
        self._is_used = False
        entry = self._entry = Entry(seen.time, self._serial, seen.id or _ids_of(seen), 1 << selection)
        if step.remembers:
            entry.values = _values_of(seen, step)
        self._serial += 1
        self._forget(max(self.newest, seen.time))
        if is_late:
            insort(self._log, entry)
            self._make_room(selection)
            return self._tell(self._anew(entry))
        self.newest = seen.time
        self._log.append(entry)
        self._make_room(selection)
        return self._tell(self._next(entry))

    def _see_again(self, entry: Entry, selection: int) -> Measure | None:
        """The newest observation is of another step too (or comes twice)."""
        bit = 1 << selection
        if entry.steps & bit or (self._is_used and not bit & self._pattern.breaks):
            return None
        if not entry.steps:
            insort(self._log, entry)
        entry.steps |= bit
        self._make_room(selection)
        return self._tell(self._anew(entry))

    def _tell(self, match: Sequence[Entry] | None) -> Measure | None:
        """The measure of a match; what it is made of is used up."""
        if match is None:
            return None
        used = {entry.serial for entry in match}
        self._is_used = self._entry is not None and self._entry.serial in used
        for entry in match:
            # What forbids others to match goes on doing so.
            entry.steps &= self._pattern.breaks
        self._log = [entry for entry in self._log if entry.steps]
        self._count()
        self._anew(None)
        first, last = match[0].time, match[-1].time
        ids = [each for entry in match if entry.id for each in entry.id.split("\n")]
        values: dict[str, float | str] = {"span": (last - first) / 1000}
        for entry in match:
            values.update(entry.values or {})
        return Measure(value=len(match), on=True, values=values, events=_bounded(ids), since=first)

    def _make_room(self, selection: int) -> None:
        """Give up the oldest observation of a step of which too many are kept."""
        self._counts[selection] += 1
        if self._counts[selection] <= self._pattern.kept[selection]:
            return
        bit = 1 << selection
        index, entry = next((index, entry) for index, entry in enumerate(self._log) if entry.steps & bit)
        entry.steps &= ~bit
        self._counts[selection] -= 1
        self.given_up += 1
        if not entry.steps:
            del self._log[index]

    def _forget(self, now: int) -> None:
        """Let go what is too old to be of use."""
        since = now - self._pattern.horizon - SLACK_MS
        if self._log and self._log[0].time < since:
            self._log = [entry for entry in self._log if entry.time >= since]
            self._count()

    def _count(self) -> None:
        steps = range(len(self._counts))
        self._counts = [sum(1 for entry in self._log if entry.steps >> step & 1) for step in steps]

    # What subclasses know

    def _next(self, entry: Entry) -> Sequence[Entry] | None:
        """The match that an observation completes that is the newest."""
        raise NotImplementedError

    def _anew(self, entry: Entry | None) -> Sequence[Entry] | None:
        """The match in the log, which changed otherwise than at its end; `entry` is what is new in it, if anything is."""
        raise NotImplementedError

    @property
    def due(self) -> int | None:
        return self._due_of_log()

    def _due_of_log(self) -> int | None:
        if not self._log:
            return None
        return self.newest + (self._pattern.horizon + SLACK_MS if self._may_match else LATE_START_MS) + 1

    def lapse(self, now: int) -> Measure | None:
        if self._may_match:
            self._forget(now)
        elif now > self.newest + LATE_START_MS:
            self._log.clear()
            self._count()
        return None

    @property
    def _may_match(self) -> bool:
        """Whether observations that come in order may make a match with what is in the log."""
        return True

    @property
    def is_empty(self) -> bool:
        return not self._log

    def save(self) -> Any:
        return {
            "steps": len(self._pattern.steps),
            "newest": self.newest,
            "late": self.late,
            "given_up": self.given_up,
            "log": [(entry.time, entry.id, entry.steps, entry.values) for entry in self._log],
        }

    def restore(self, saved: Any) -> None:
        """Go on from what `save` gave."""
        if saved["steps"] != len(self._pattern.steps):
            raise ValueError("other steps")
        self.newest, self.late, self.given_up = int(saved["newest"]), int(saved["late"]), int(saved["given_up"])
        every = (1 << len(self._counts)) - 1
        for time, id_, steps, values in cast("list[tuple[Any, Any, Any, Any]]", saved["log"]):
            kept = None if values is None else {str(name): str(value) for name, value in dict(values).items()}
            self._log.append(Entry(int(time), self._serial, str(id_), int(steps) & every, kept))
            self._serial += 1
        self._log.sort()
        self._count()
        self._anew(None)


@dataclass(slots=True)
class _Partial:
    """A match so far, as a chain from its last observation to its first. `start`: when it began."""

    entry: Entry
    before: _Partial | None
    start: int

    def entries(self) -> list[Entry]:
        found: list[Entry] = []
        node: _Partial | None = self
        while node is not None:
            found.append(node.entry)
            node = node.before
        return found[::-1]


class OrderedCell(StepsCell):
    """Steps in order."""

    __slots__ = ("_done",)

    def __init__(self, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._done: list[_Partial | None] = [None] * len(pattern.stages)

    def _next(self, entry: Entry) -> Sequence[Entry] | None:
        done, pattern = self._done, self._pattern
        if pattern.is_guarded:
            self._break(entry)
        stages, steps = pattern.stages, entry.steps
        last = len(stages) - 1
        for number in range(last, -1, -1):
            if not steps & stages[number].bit or (number and done[number - 1] is None):
                continue
            partial = self._extended(entry, stages[number], number)
            if partial is None:
                continue
            if number < last:
                done[number] = partial
            elif not pattern.waits:
                return partial.entries()
            elif done[last] is None:
                done[last] = partial
        return None

    def _extended(self, entry: Entry, stage: Stage, number: int) -> _Partial | None:
        if number == 0:
            return _Partial(entry, None, entry.time)
        before = self._done[number - 1]
        if before is None or entry.time - before.start > self._pattern.within:
            return None
        if stage.within is not None and entry.time - before.entry.time > stage.within:
            return None
        return _Partial(entry, before, before.start)

    def _break(self, entry: Entry) -> None:
        """End the partial matches that must not meet this observation."""
        pattern, done = self._pattern, self._done
        last = len(done) - 1
        for number, guard in enumerate(pattern.guards):
            partial = done[number]
            if partial is None or not entry.steps & (guard | pattern.resets):
                continue
            if number < last or not pattern.waits or entry.time <= self._end(partial):
                done[number] = None

    def _anew(self, entry: Entry | None) -> Sequence[Entry] | None:
        del entry
        self._done = [None] * len(self._pattern.stages)
        for each in self._log:
            match = self._next(each)
            if match is not None:
                return match
        return None

    def _end(self, partial: _Partial) -> int:
        """When the time is over in which something must not come."""
        wait = self._pattern.wait
        return partial.start + self._pattern.within if wait is None else partial.entry.time + wait

    @property
    def _may_match(self) -> bool:
        return self._counts[self._pattern.first] > 0

    @property
    def _waiting(self) -> _Partial | None:
        return self._done[-1] if self._pattern.waits else None

    @property
    def due(self) -> int | None:
        if self._pattern.waits and (waiting := self._done[-1]) is not None:
            return self._end(waiting)
        return self._due_of_log()

    def lapse(self, now: int) -> Measure | None:
        waiting = self._waiting
        if waiting is not None and self._end(waiting) <= now:
            return self._tell(waiting.entries())
        return super().lapse(now)


class AnyOrderCell(StepsCell):
    """Steps in any order; one observation may be several of them."""

    __slots__ = ()

    def _next(self, entry: Entry) -> Sequence[Entry] | None:
        if entry.steps & self._pattern.breaks:
            return None
        return self._match(len(self._log) - 1)

    def _anew(self, entry: Entry | None) -> Sequence[Entry] | None:
        """The first match that an observation in the midst of the log completes."""
        if entry is None:
            return None
        for index, each in enumerate(self._log):
            if each >= entry and each.time - entry.time <= self._pattern.within:
                match = self._match(index)
                if match is not None:
                    return match
        return None

    def _match(self, index: int) -> Sequence[Entry] | None:
        """The match whose last observation is this one."""
        pattern = self._pattern
        since = self._log[index].time - pattern.within
        found: list[list[Entry]] = [[] for _ in pattern.steps]
        for entry in reversed(self._log[: index + 1]):
            if entry.time < since or entry.steps & pattern.breaks:
                break
            for number, step in enumerate(pattern.steps):
                if entry.steps >> number & 1 and len(found[number]) < step.count:
                    found[number].append(entry)
        whole = [len(entries) >= step.count for step, entries in zip(pattern.steps, found, strict=True)]
        if not self._is_met(whole):
            return None
        used = {
            entry.serial: entry for is_whole, entries in zip(whole, found, strict=True) if is_whole for entry in entries
        }
        return sorted(used.values()) or None

    def _is_met(self, whole: Sequence[bool]) -> bool:
        pattern = self._pattern
        if pattern.meets is None:
            skipped = pattern.breaks
            return all(is_whole for number, is_whole in enumerate(whole) if not skipped >> number & 1)
        names = {step.name: int(is_whole) for step, is_whole in zip(pattern.steps, whole, strict=True)}
        return pattern.meets(names) is True


def _ids_of(seen: Seen) -> str:
    """The ids of an alert's events, a line each."""
    found = seen.get("alert.event_ids")
    return "\n".join(cast("Sequence[str]", found)[-MAX_EVENTS:]) if isinstance(found, list | tuple) else ""


def _values_of(seen: Seen, step: Step) -> dict[str, str]:
    """What is to be remembered of an observation, as texts of a bounded length."""
    found = ((name, seen.get(field)) for name, field in step.remembers)
    return {name: str(value)[:MAX_TEXT] for name, value in found if value is not None}


def _bounded(ids: Sequence[str]) -> list[str]:
    """At most `MAX_EVENTS` of them, the newest."""
    return list(dict.fromkeys(ids))[-MAX_EVENTS:]
