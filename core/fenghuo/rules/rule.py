"""A rule as the engine takes it: checked, its expressions parsed, its templates compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fenghuo.errors import Place
from fenghuo.model import Level
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.language.expression import Node
from fenghuo.rules.language.template import Template
from fenghuo.rules.language.where import Where
from fenghuo.rules.runtime.lifecycle import Group, Holds
from fenghuo.rules.runtime.observe import Observer
from fenghuo.rules.runtime.schedule import Schedule

if TYPE_CHECKING:
    from fenghuo.rules.files.section import RuleSection, RuleTest
    from fenghuo.rules.language.columns import Frame

Verdict = tuple[int, bool, bool]
"""A row, whether its condition is true, whether its clear condition is."""


class Judge(Protocol):
    """A kind's behaviour, bound to where the fields stand in a table."""

    def __call__(self, frame: Frame, time: int, active: Mapping[int, Group]) -> Sequence[Verdict]:
        """The rows about which there is something to say.

        `frame.watch` is told of the rule's data here. `active` are the rows that are pending or fire; a row of which nothing can be told
        (absent values) is left out.
        """
        ...


class Body(Protocol):
    """What a kind made of its keys."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields that a reading must have."""
        ...

    @property
    def remembers(self) -> tuple[str, ...]:
        """The fields whose values before it looks at, over restarts too."""
        ...

    @property
    def silence(self) -> int | None:
        """Milliseconds of silence after which a series is on (kind `absence`)."""
        ...

    @property
    def latches(self) -> bool:
        """Whether a row that was switched on stays so until it is switched off (kind `change`)."""
        ...

    @property
    def expressions(self) -> tuple[Node, ...]:
        """All its expressions."""
        ...

    def bind(self, positions: Mapping[str, int]) -> Judge:
        """Its behaviour for tables whose fields stand at `positions`; it keeps nothing of any of them."""
        ...


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule. `levels`: from the lowest up, each with its condition (None: always)."""

    section: RuleSection
    kind: str
    body: Body | Observer
    place: Place
    where: Where
    exceptions: tuple[Where, ...]
    levels: tuple[tuple[Level, Node | None], ...]
    holds: Holds
    message: Template
    message_zh: Template
    message_resolved: Template | None = None
    message_resolved_zh: Template | None = None
    """What is said when it is over; None: the title, and that it is."""
    schedule: Schedule | None = None
    """When it may begin to fire; None: always."""
    lateness: int = 0
    wanted: tuple[str, ...] = ()
    """Fields of events that messages and parties name."""
    silent: bool = False
    """Other rules look at its alerts, nobody else does (a Sigma rule that only correlations use)."""

    @property
    def observer(self) -> Observer | None:
        """The body of a rule that observes one thing at a time; None for rules over whole tables."""
        return self.body if isinstance(self.body, Observer) else None

    @property
    def id(self) -> str:
        return self.section.id

    @property
    def name(self) -> str:
        return self.section.name

    @property
    def title(self) -> str:
        return self.section.title

    @cached_property
    def condition(self) -> str | None:
        """What must be true, as it is written; None where the kind decides."""
        return getattr(self.section, "condition", None)

    @property
    def tests(self) -> Sequence[RuleTest]:
        return self.section.tests

    def without_tests(self) -> Rule:
        """The same rule, for those who only judge by it."""
        return replace(self, section=self.section.model_copy(update={"tests": []}))


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A document that is no rule to run: of no kind that this version knows, or wrong; `reason` says why."""

    id: str
    title: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """A change of a rule by its site. `changes`: what is otherwise, one text a key; `base`: the rule as it was."""

    rule: str
    place: Place
    reason: str
    changes: tuple[str, ...]
    base: Rule


@dataclass(frozen=True)
class RuleSet:
    """The rules of some files; those that are `inapplicable` here or were `refused` are told, never silently dead."""

    rules: tuple[Rule, ...] = ()
    inapplicable: tuple[Unloaded, ...] = ()
    refused: tuple[Unloaded, ...] = ()
    files: tuple[Path, ...] = ()
    lists: Lists | None = None
    """The lists from files that the rules name; its `refresh` takes up what has changed."""
    overlays: tuple[Overlay, ...] = ()
    asleep: tuple[Unloaded, ...] = ()
    """Rules that were passed over because they are not needed here, each with the reason."""

    def running_at(self, side: str) -> RuleSet:
        """The rules that run at the `agent` or the `collector`: those that are enabled and say so."""
        here = (rule for rule in self.rules if rule.section.enabled and rule.section.runs == side)
        return replace(self, rules=tuple(here))
