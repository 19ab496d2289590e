"""What kinds that are fed one observation at a time are made of: observations, cells, measures.

An observation is an event that one of the rule's selections matched, one row of a table (for rules with `data`), or an
alert of another rule. The engine keeps one cell a group and asks it for a measure; whether that is an alert is decided by
what all kinds share: `condition`, `clear`, `level`, hold times (`fenghuo.rules.runtime.cells`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fenghuo.rules.language.expression import Node, fields_of

if TYPE_CHECKING:
    from fenghuo.rules.detection import Node as Detection

MAX_EVENTS = 100
"""The most event ids that an alert names."""


class Seen:
    """One observation.

    `time`    when it happened, Unix milliseconds
    `id`      the event's id; empty for a reading
    `number`  what `data` says; None for an event. `of`: what the rule's `of` says
    `get`     an ECS field by its dotted name, or a label or field of the reading; None where absent, a list where it has several values
    """

    __slots__ = ("get", "id", "number", "of", "time")

    def __init__(
        self, time: int, id_: str, number: float | None, get: Callable[[str], Any], of: float | None = None
    ) -> None:
        self.time = time
        self.id = id_
        self.number = number
        self.get = get
        self.of = of


@dataclass(slots=True)
class Measure:
    """What a cell says after an observation or a lapse of time.

    `value`   what `condition`, `clear` and `level` speak of
    `on`      True or False where the kind itself decides; None: the rule's `condition` does
    `values`  more for conditions, templates and evidence
    `events`  the ids of the events that made it, oldest first, at most MAX_EVENTS
    `since`   the first moment of what was seen, Unix milliseconds
    `more`    labels beside those of the group, sorted: each set of them is an alert of its own, which `lasts`
    """

    value: float | None = None
    on: bool | None = None
    values: Mapping[str, float | str] = field(default_factory=dict[str, "float | str"])
    events: Sequence[str] = ()
    since: int | None = None
    more: tuple[tuple[str, str], ...] = ()


class Cell(Protocol):
    """What a kind keeps of one group."""

    def see(self, seen: Seen, selection: int) -> Measure | None:
        """Take an observation; `selection` is the number of the selection that matched. None: nothing to say."""
        ...

    @property
    def due(self) -> int | None:
        """When `lapse` has something to say, in event time; None while nothing waits."""
        ...

    def lapse(self, now: int) -> Measure | None:
        """Let time pass up to `now`, in event time."""
        ...

    @property
    def is_empty(self) -> bool:
        """Nothing is left that is worth keeping."""
        ...

    def save(self) -> Any:
        """Its state as plain values for MessagePack."""
        ...


@runtime_checkable
class Resuming(Protocol):
    """A cell that wants to know that nobody listened for a while, for silence then means nothing."""

    def resume(self, now: int, away: int) -> None:
        """The engine was started again at `now`, after a pause of `away` milliseconds."""
        ...


@dataclass(frozen=True)
class Selection:
    """Which observations a cell is given.

    `when`    the detection that an event must meet; None for readings and alerts
    `rules`   names of rules whose alerts are observed
    `fields`  where a name of `group_by` is another field in these events (Sigma's aliases), or the first of several
    """

    when: Detection | None = None
    rules: tuple[str, ...] = ()
    fields: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, "str | tuple[str, ...]"])


@dataclass(frozen=True)
class Observer:
    """What a kind makes of its keys: the base of all bodies that observe.

    `selections`   in the order in which cells are told their numbers; empty for rules over readings
    `data`         the expression over a reading, for rules over readings
    `condition`, `clear`  over the measure's `value` and `values`; None: the kind decides by `Measure.on`
    `of`           a second expression over a reading, for kinds that compare two sums: `Seen.of`
    `counts_given_up`  its cells have an attribute `given_up`: what they gave up for want of room since it was last read
    `keeps_nothing`  its cells are always empty and never due: there is nothing to keep of a group
    `tells_each`   an observation that is on again is told again, although the group fires already (`match`)
    """

    selections: tuple[Selection, ...] = ()
    data: Node | None = None
    condition: Node | None = None
    clear: Node | None = None
    tells_each: bool = False
    of: Node | None = None

    counts_given_up = False
    keeps_nothing = False
    silence = None
    latches = False
    remembers: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields that a reading must have."""
        return tuple(dict.fromkeys(name for node in self.expressions for name in fields_of(node)))

    @property
    def expressions(self) -> tuple[Node, ...]:
        """Its expressions over readings."""
        return tuple(node for node in (self.data, self.of) if node is not None)

    def start(self) -> Cell:
        """A cell for a new group."""
        raise NotImplementedError

    def load(self, saved: Any) -> Cell:
        """A cell from what `Cell.save` gave; ValueError (or TypeError, KeyError) where it is none of its own."""
        raise NotImplementedError
