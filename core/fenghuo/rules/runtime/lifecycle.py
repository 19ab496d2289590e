"""The life of an alert: pending → firing → resolved, with hold times, levels and damping.

A `Group` is what a rule keeps of one entity while it is not simply quiet. All functions here are pure but for the group
they are given: they are told the time and answer with the step that is to be told, if any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fenghuo.model import LEVELS, Alert, Level
from fenghuo.rules.runtime.throttle import Spacing

SETTLE_MS = 10_000
"""How long a timer waits beyond its moment for a reading that is on its way."""
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


Key = tuple[tuple[str, str], ...]
"""The labels that tell an entity from the others of its rule and source."""


class Step(StrEnum):
    """What is to be told."""

    FIRE = "fire"
    RAISE = "raise"
    """At a higher level."""
    LOWER = "lower"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Holds:
    """A rule's spans of time, in milliseconds. `flap_changes` 0: no damping. `lasts` None: on until cleared.

    `throttle`: between two tellings of one group; `repeat`: after which what goes on firing is told again.
    """

    fire: int = 0
    clear: int = 0
    stale: int = 900_000
    forget: int = 86_400_000
    flap_changes: int = 6
    flap_window: int = 1_800_000
    flap_hold: int = 900_000
    lasts: int | None = None
    settle: int = SETTLE_MS
    throttle: Spacing | None = None
    repeat: Spacing | None = None


@dataclass(slots=True, eq=False)
class Group:
    """One entity of a rule.

    `since`    when the condition became true; None while it is not
    `heard`    the newest reading
    `kept`     when the engine was started with it from a snapshot: it is not forgotten for what was not heard before
    `clear`    when the clear condition became true, while firing; None while it is not
    `lower`    when a lower level became right, while firing
    `latched`  when a change switched it on; None when it is off (kind `change`)
    `changes`  when it fired or was cleared lately, for damping
    `alert`    the step told last, while firing; None while nothing of it was; `packed`: the same as a snapshot keeps it
    `untold`   when a step that was withheld may be told, while firing
    `again`    when it is to be told again, while firing; `gap`: how long after the telling before
    `value`, `values`  the rule's data and the fields behind it, at the newest reading that said something
    `events`   ids of the events that made it, the newest `MAX_EVENTS`; `seen`: how many they were
    `held`     a timer alone may not fire it on old readings: it was suppressed, or the agent was down
    """

    labels: dict[str, str]
    key: Key
    fingerprint: str
    heard: int
    kept: int = 0
    since: int | None = None
    firing: bool = False
    level: Level = "medium"
    clear: int | None = None
    lower: int | None = None
    latched: int | None = None
    flapping: bool = False
    changes: list[int] = field(default_factory=list[int])
    alert: Alert | None = None
    untold: int | None = None
    again: int | None = None
    gap: int | None = None
    packed: bytes | None = None
    value: float | None = None
    values: dict[str, int | float | str] = field(default_factory=dict[str, int | float | str])
    events: list[str] = field(default_factory=list[str])
    seen: int = 0
    held: bool = False
    counted: bool = False
    queued: int | None = None
    dead: bool = False

    @property
    def is_quiet(self) -> bool:
        """Nothing is left that is worth keeping."""
        return not self.firing and self.since is None and not self.changes


def hear(group: Group, holds: Holds, time: int, *, on: bool, clear: bool, level: Level) -> Step | None:
    """Take a reading: whether the condition is true, whether the clear condition is, and the level it asks for.

    The caller lets time pass first (`expire`), and passes over readings that are not newer than the last.
    """
    gap = time - group.heard > holds.stale
    group.heard = time
    if not group.firing:
        return _hear_quiet(group, holds, time, on=on, gap=gap, level=level)
    if on:
        group.clear = None
        return _hear_level(group, holds, time, level, gap=gap)
    group.lower = None
    if not clear:
        group.clear = None
        return None
    if group.clear is None or gap:
        group.clear = time
    return _try_resolve(group, holds, time)


def _hear_quiet(group: Group, holds: Holds, time: int, *, on: bool, gap: bool, level: Level) -> Step | None:
    if not on:
        group.since = None
        return None
    if group.since is None or gap:
        group.since = time
    group.level = level
    return Step.FIRE if time - group.since >= holds.fire else None


def _hear_level(group: Group, holds: Holds, time: int, level: Level, *, gap: bool) -> Step | None:
    if _RANK[level] == _RANK[group.level]:
        group.lower = None
        return None
    if _RANK[level] < _RANK[group.level]:
        if group.lower is None or gap:
            group.lower = time
        if time - group.lower < holds.clear:
            return None
    step = Step.RAISE if is_above(level, group.level) else Step.LOWER
    group.lower = None
    group.level = level
    return step


def is_above(level: Level, other: Level) -> bool:
    """Whether a level is the graver one."""
    return _RANK[level] > _RANK[other]


def dated(group: Group, holds: Holds, step: Step | None, time: int) -> int:
    """When a step that a reading at `time` brought about became due: the end of its hold time, as a timer dates it."""
    if step is Step.FIRE and group.since is not None:
        return group.since + holds.fire
    if step is Step.RESOLVE and group.clear is not None:
        return group.clear + (holds.flap_hold if group.flapping else holds.clear)
    return time


def fired(group: Group, holds: Holds, time: int) -> None:
    """Note that the step `FIRE` was told."""
    group.firing = True
    group.clear = None
    group.lower = None
    _note_change(group, holds, time)


def _try_resolve(group: Group, holds: Holds, time: int) -> Step | None:
    assert group.clear is not None
    if group.flapping:
        return Step.RESOLVE if time - group.clear >= holds.flap_hold else None
    if time - group.clear < holds.clear:
        return None
    if holds.flap_changes:
        recent = [change for change in group.changes if change > time - holds.flap_window]
        if len(recent) + 1 >= holds.flap_changes:
            group.flapping = True
            return Step.RESOLVE if time - group.clear >= holds.flap_hold else None
    return Step.RESOLVE


def resolved(group: Group, holds: Holds, time: int) -> None:
    """Note that the step `RESOLVE` was told."""
    was_flapping = group.flapping
    group.firing = group.flapping = False
    group.since = group.clear = group.lower = group.latched = group.alert = group.packed = None
    group.untold = group.again = group.gap = None
    if was_flapping:
        group.changes.clear()
    else:
        _note_change(group, holds, time)


def _note_change(group: Group, holds: Holds, time: int) -> None:
    if holds.flap_changes:
        group.changes = [change for change in group.changes if change > time - holds.flap_window]
        group.changes.append(time)


def deadline(group: Group, holds: Holds) -> int | None:
    """The moment, in event time, at which something happens to the group without a reading."""
    moments: list[int] = []
    speaks_until = group.heard + holds.stale
    if group.firing:
        moments.append(max(group.heard, group.kept) + holds.forget)
        moments += [moment for moment in (group.untold, group.again) if moment is not None]
        if group.clear is not None:
            due = group.clear + (holds.flap_hold if group.flapping else holds.clear)
            if due <= speaks_until:
                moments.append(due)
        elif group.latched is not None and holds.lasts is not None:
            moments.append(group.latched + holds.lasts)
    elif group.since is not None:
        moments.append(min(group.since + holds.fire, speaks_until))
    elif group.changes:
        moments.append(group.changes[-1] + holds.flap_window)
    return min(moments) if moments else None


class Lapse(StrEnum):
    """What the passing of time alone does to a group."""

    FIRE = "fire"
    RESOLVE = "resolve"
    TELL = "tell"
    """What was withheld may be told."""
    AGAIN = "again"
    """It is to be told again that it fires."""
    FORGET = "forget"
    """Firing, and not heard of for very long."""
    QUIET = "quiet"
    """Nothing is left to be kept."""


def lapse(group: Group, holds: Holds, moment: int) -> Lapse | None:
    """What happens at `moment`, a deadline of the group that has passed without a newer reading."""
    if group.firing:
        return _lapse_firing(group, holds, moment)
    if group.since is not None:
        if group.since + holds.fire <= group.heard + holds.stale:
            return Lapse.FIRE
        group.since = None
    group.changes = [change for change in group.changes if change > moment - holds.flap_window]
    return Lapse.QUIET if group.is_quiet else None


def _lapse_firing(group: Group, holds: Holds, moment: int) -> Lapse | None:
    if moment >= max(group.heard, group.kept) + holds.forget:
        return Lapse.FORGET
    ends = None if group.latched is None or holds.lasts is None else group.latched + holds.lasts
    if group.clear is not None:
        is_due = group.clear + (holds.flap_hold if group.flapping else holds.clear) <= group.heard + holds.stale
        if is_due and _try_resolve(group, holds, moment):
            return Lapse.RESOLVE
    elif ends is not None and moment >= ends:
        group.clear, group.latched = ends, None
        if _try_resolve(group, holds, moment):
            return Lapse.RESOLVE
    if group.untold is not None and moment >= group.untold:
        return Lapse.TELL
    return Lapse.AGAIN if group.again is not None and moment >= group.again else None
