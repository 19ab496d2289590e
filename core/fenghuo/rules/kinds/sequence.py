"""`sequence`: steps that follow one another within a span, joined by fields; steps that must not happen among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from fenghuo.config import Duration, Section
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.section import Expression, FieldName, Label, Matches, RuleName, RuleSection
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.observed import FOREVER, EventSection, LogSource, Name, selection_of
from fenghuo.rules.kinds.stepping import load_cell, start_cell
from fenghuo.rules.kinds.steps import Pattern, Step
from fenghuo.rules.language.boolean import holds, names_of, parse_boolean
from fenghuo.rules.language.expression import Node
from fenghuo.rules.runtime.lifecycle import SETTLE_MS, Holds
from fenghuo.rules.runtime.observe import Cell, Observer, Selection

if TYPE_CHECKING:
    from fenghuo.rules.detection import Node as Detection

MAX_STEPS = 16
MAX_STAGES = 200
StepName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*([.-][A-Za-z0-9_]+)*$", max_length=100)]


class EventsSection(Section):
    """Which events, or alerts of which rules, are meant."""

    dataset: Annotated[list[Name], BeforeValidator(as_list), Field(max_length=32), OneOrMany()] = Field(
        default=[], description="Only events of these datasets (`event.dataset`)."
    )
    logsource: LogSource | None = Field(default=None, description="Only events of this source, as Sigma names it.")
    where: Matches = Field(default={}, description="Only events that match, as in the rule's own `where`.")
    detection: dict[Name, Any] | None = Field(default=None, description="Sigma's detection.")
    exceptions: list[Matches] = Field(
        default=[], description="But nothing that matches one of these.", max_length=1_000
    )
    rules: Annotated[list[RuleName], BeforeValidator(as_list), Field(max_length=32), OneOrMany()] = Field(
        default=[], description="Instead of events: that one of these rules fires."
    )
    by: dict[FieldName, FieldName] = Field(
        default={},
        description="Where a field of `group_by` has another name here: `{source.ip: destination.ip}`.",
        max_length=16,
    )


class StepSection(EventsSection):
    """One step."""

    name: StepName | None = Field(default=None, description="What it is called; `step1`, `step2`, … if not said.")
    forbidden: bool = Field(
        default=False, alias="not", description="It must not happen: between its neighbours, or after the last."
    )
    count: int = Field(default=1, ge=1, le=100, description="It must happen so often at least.")
    within: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="The longest time since the step before; of a last step with `not`, how long it must stay away.",
    )
    remember: dict[Label, FieldName] = Field(
        default={},
        description="Fields of its event that messages name: `{first_user: user.name}` makes `{first_user}`.",
        max_length=8,
    )


class SequenceSection(EventSection):
    """`dataset`, `logsource`, `where`, `detection` and `exceptions` of the rule itself hold for every step."""

    kind: Literal["sequence"] = Field(description="Steps that follow one another.")
    steps: Annotated[list[StepSection], Field(min_length=1, max_length=MAX_STEPS)] = Field(
        description="What must happen, in this order."
    )
    within: Annotated[Duration, Field(gt=0, le=604_800)] = Field(
        description="The longest time from the first step to the last, both counted in."
    )
    ordered: bool = Field(default=True, description="False: the steps may come in any order.")
    condition: Expression | None = Field(
        default=None,
        description="With `ordered: false`: which steps must have happened, e.g. `scan and (login or 2 of (a, b, c))`; all if not said.",
    )
    until: EventsSection | None = Field(default=None, description="At such an event all steps begin anew.")
    lasts: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None, description="How long an alert stays after the last step; as long as `within` if not said."
    )


@dataclass(frozen=True)
class SequenceBody(Observer):
    """On when the steps are complete; off when they were not so again for as long as it `lasts`."""

    tells_each: bool = True
    pattern: Pattern = field(kw_only=True)

    counts_given_up = True

    def start(self) -> Cell:
        return start_cell(self.pattern)

    def load(self, saved: Any) -> Cell:
        return load_cell(self.pattern, saved)


def _read(section: SequenceSection, reader: Reader) -> tuple[SequenceBody, Holds] | None:
    condition = None
    if section.condition is not None:
        condition = reader.read("condition", section.condition, lambda text: _condition(text, section))
        if condition is None:
            return None
    if reader.read("steps", "", lambda _: _check(section)) is None:
        return None
    selections = _selections(section, reader)
    if selections is None:
        return None
    steps = [_step(step, number) for number, step in enumerate(section.steps, 1)]
    if section.until is not None:
        steps.append(Step("until", resets=True, of_alerts=bool(section.until.rules)))
    pattern = Pattern(tuple(steps), milliseconds(section.within), section.ordered, condition)
    lasts = milliseconds(section.lasts if section.lasts is not None else section.within)
    spans = {"stale": FOREVER, "lasts": lasts, "settle": SETTLE_MS if pattern.waits else 0}
    return SequenceBody(selections, pattern=pattern), holds_of(section, **spans)


def _step(section: StepSection, number: int) -> Step:
    within = None if section.within is None else milliseconds(section.within)
    name = section.name or f"step{number}"
    return Step(
        name,
        section.count,
        section.forbidden,
        within,
        of_alerts=bool(section.rules),
        remembers=tuple(section.remember.items()),
    )


def _check(section: SequenceSection) -> bool:
    """True; ValueError where the steps together make no sense."""
    steps = section.steps
    names = Counter(_step(step, number).name for number, step in enumerate(steps, 1))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValueError(f"two steps are called {twice[0]!r}")
    if all(step.forbidden for step in steps):
        raise ValueError("every step is one that must not happen; what does not come at all is for kind 'absence'")
    if section.ordered and steps[0].forbidden:
        raise ValueError("the first step must be one that happens; one with 'not' stands between two, or last")
    if not section.ordered and any(step.within is not None for step in steps):
        raise ValueError("'within' of a step is for steps in order")
    if any(step.forbidden and step.count > 1 for step in steps):
        raise ValueError("a step with 'not' must not happen even once; it has no 'count'")
    if any(step.forbidden and step.within is not None for step in steps[:-1]):
        raise ValueError("of the steps with 'not' only the last may have a 'within'; the others end with the next step")
    if sum(step.count for step in steps if not step.forbidden) > MAX_STAGES:
        raise ValueError(f"more than {MAX_STAGES} events in all; where only a number counts, use kind 'frequency'")
    joined = set(section.group_by or ())
    for step in (*steps, *([section.until] if section.until else [])):
        unknown = [name for name in step.by if name not in joined]
        if unknown:
            raise ValueError(f"'by' speaks of {unknown[0]!r}, which is not in 'group_by'")
    return True


def _condition(text: str, section: SequenceSection) -> Node:
    if section.ordered:
        raise ValueError("a condition over steps is for steps in any order: say 'ordered: false'")
    if any(step.forbidden for step in section.steps):
        raise ValueError("with a condition, write `and not name` in it instead of a step with 'not'")
    names = [_step(step, number).name for number, step in enumerate(section.steps, 1)]
    node = parse_boolean(text, names)
    if holds(node, {}):
        raise ValueError("it is true where no step happened at all")
    unused = [name for name in names if name not in names_of(node)]
    if unused:
        raise ValueError(f"it does not speak of the step {unused[0]!r}")
    return node


def _selections(section: SequenceSection, reader: Reader) -> tuple[Selection, ...] | None:
    """What each step is about: its own keys and those of the rule."""
    has_common = section.dataset or section.logsource or section.detection or section.where
    common: Detection | None = None
    if has_common:
        common = reader.read(
            "where", "", lambda _: selection_of(section.model_copy(update={"exceptions": []}), reader.lists)
        )
        if common is None:
            return None
    found: list[Selection] = []
    for number, step in enumerate(section.steps):
        selection = reader.read(f"steps.{number}", "", _selecting(step, section, common, reader.lists))
        if selection is None:
            return None
        found.append(selection)
    if section.until is not None:
        selection = reader.read("until", "", _selecting(section.until, section, common, reader.lists))
        if selection is None:
            return None
        found.append(selection)
    return tuple(found)


def _selecting(
    step: EventsSection, section: RuleSection, common: Detection | None, lists: RuleLists
) -> Callable[[str], Selection]:
    def select(text: str) -> Selection:
        from fenghuo.rules.detection import Every, simplify  # noqa: PLC0415 — only rules over events need it

        del text
        is_of_events = bool(step.dataset or step.logsource or step.detection or step.where)
        if step.rules:
            if is_of_events:
                raise ValueError("a step is about events or about alerts of other rules ('rules'), not both")
            return Selection(rules=tuple(dict.fromkeys(step.rules)), fields=step.by)
        if not is_of_events:
            raise ValueError("which events? say 'where', 'dataset', 'logsource' or 'detection'; or 'rules' for alerts")
        whole = step.model_copy(update={"exceptions": [*step.exceptions, *section.exceptions]})
        own = selection_of(whole, lists)
        return Selection(own if common is None else simplify(Every((common, own))), fields=step.by)

    return select


SEQUENCE = Kind("sequence", SequenceSection, _read, in_names=("condition",))
