"""What the tests of rules show of them: that each fires, that it does not, and where the edge lies between.

A *boundary test* is one in which the rule does not fire, and would if one of its limits or spans of time were moved by a
tenth (or, where it is a whole number, by 1; spans also by the time that timers wait for late readings); where a rule has neither, if one of its conditions were left out, or one in
which it looked at an event and let it be. So no test is one because it says so.

The *coverage* counts the parts of a rule without which it would be another: comparisons, conditions on events and labels,
exceptions, levels, `clear`, `for`, schedules. A part counts where a test ends otherwise once the part is left out, or decided
for good. What was never true in any test, or never false, is always found that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fenghuo.errors import Place
from fenghuo.model import Alert, AlertState
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.rule import Rule, RuleSet
from fenghuo.rules.tools.changes import Change, Written, changed, decided, dropped_conditions, moved_numbers, written
from fenghuo.rules.tools.readings import Arrival
from fenghuo.rules.tools.testing import arrivals_of, play, together_with

MAX_CHANGES = 200
"""So many changes of one rule are tried."""
_TOLD = 4


@dataclass(frozen=True)
class Shape:
    """What kinds of tests a rule lacks, each with what to do about it."""

    rule: Rule
    missing: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """A part of a rule: where it stands, what it says, what it was changed to, and whether a test noticed."""

    rule: Rule
    place: Place
    key: str
    says: str
    as_if: str
    noticed: bool


class Trial:
    """Runs the tests of one rule with the rule changed."""

    def __init__(self, rule: Rule, rules: RuleSet) -> None:
        self.rule = rule
        self.source = None if any(each.base.id == rule.id for each in rules.overlays) else written(rule)
        self._lists = (rules.lists or Lists()).at(Path(rule.place.file).parent)
        by_name = {each.name: each for each in rules.rules}
        self._others = [other for other in together_with(rule, by_name) if other is not rule]
        self._first: dict[int, list[Alert]] = {}
        self._arrivals: dict[int, list[Arrival]] = {}
        self.looked_in_vain = False
        """In a test in which the rule did not fire it looked at something."""

    def steps(self, number: int, rule: Rule | None = None) -> list[Alert]:
        """The alert steps in a test by its number, of all rules that take part."""
        if rule is not None:
            return self._play(rule, number)[0]
        if number not in self._first:
            self._first[number], evaluations = self._play(self.rule, number)
            self.looked_in_vain |= evaluations > 0 and not self.fired(number)
        return self._first[number]

    def _play(self, rule: Rule, number: int) -> tuple[list[Alert], int]:
        """The same things come whatever the rule says now."""
        case = self.rule.tests[number]
        if number not in self._arrivals:
            self._arrivals[number] = arrivals_of(self.rule, case)
        alerts, engine = play(RuleSet((rule, *self._others)), case, self._arrivals[number])
        return alerts, engine.states[0].evaluations

    def fired(self, number: int) -> int:
        """How often the rule fires in a test."""
        return _fired(self.steps(number), self.rule)

    def try_(self, change: Change) -> Rule | None:
        """The rule with a change."""
        return changed(change, self.rule, self._lists)

    def fires_more(self, change: Change) -> bool:
        """Whether the rule fires more often in a test, with a change."""
        other = self.try_(change)
        if other is None:
            return False
        numbers = sorted(range(len(self.rule.tests)), key=self.fired)
        return any(_fired(self.steps(number, other), self.rule) > self.fired(number) for number in numbers)

    def is_noticed(self, change: Change) -> bool | None:
        """Whether a test ends otherwise, with a change; None where that makes no rule."""
        other = self.try_(change)
        if other is None:
            return None
        tests = range(len(self.rule.tests))
        return any(_told(self.steps(number, other)) != _told(self.steps(number)) for number in tests)


def _fired(alerts: Iterable[Alert], rule: Rule) -> int:
    return sum(alert.state is AlertState.FIRING and alert.rule_name == rule.name for alert in alerts)


def _told(alerts: Iterable[Alert]) -> list[tuple[object, ...]]:
    return [(each.time, each.rule_name, each.state, each.level, tuple(sorted(each.labels.items()))) for each in alerts]


def shape_of(rule: Rule, rules: RuleSet) -> Shape:
    """Which kinds of tests a rule lacks: `positive`, `negative`, `boundary`."""
    trial = Trial(rule, rules)
    fired = [trial.fired(number) for number in range(len(rule.tests))]
    missing: dict[str, str] = {}
    if trial.source is None and not rule.tests:
        return Shape(rule, missing)  # Sigma's documents have no place for tests
    if not any(fired):
        missing["positive"] = "no test in which it fires"
    if all(fired[number] for number, case in enumerate(rule.tests) if case.input):
        missing["negative"] = "no test with input in which it does not fire"
    if trial.source is not None and rule.tests:
        tried = _boundary(trial, trial.source)
        if tried is not None:
            missing["boundary"] = _no_boundary(tried)
    elif not rule.tests:
        missing["boundary"] = "no test at its edge"
    return Shape(rule, missing)


def _boundary(trial: Trial, source: Written) -> Sequence[Change] | None:
    """None where there is a boundary test; else the changes that none of the tests notices by firing."""
    moved = list(islice(moved_numbers(source.data), MAX_CHANGES))
    if any(trial.fires_more(change) for change in moved):
        return None
    if moved and any(trial.try_(change) is not None for change in moved):
        return moved
    dropped = list(islice(dropped_conditions(source.data), MAX_CHANGES))
    if trial.looked_in_vain or any(trial.fires_more(change) for change in dropped):
        return None
    return dropped


def _no_boundary(tried: Sequence[Change]) -> str:
    told = [f"{change.key}: {change.now}" for change in tried[:_TOLD]]
    more = f" and {len(tried) - _TOLD} more" if len(tried) > _TOLD else ""
    if not told:
        return "no test in which it looks at something and does not fire"
    return f"no test just outside its edge: none would fire with {'; '.join(told)}{more}"


def shapes(rules: RuleSet, only: Iterable[Rule] | None = None) -> Iterator[Shape]:
    """What each rule lacks, or each of `only`; an overlay owes no tests, its rule has those it came with."""
    changed = {overlay.rule for overlay in rules.overlays}
    asked = rules.rules if only is None else only
    return (shape_of(rule, rules) for rule in asked if not {rule.name, rule.id} & changed)


def parts_of(rule: Rule, rules: RuleSet) -> Iterator[Part]:
    """The parts of a rule, and whether its tests need them; none where its document is not to be found."""
    trial = Trial(rule, rules)
    if trial.source is None:
        return
    for change in islice(decided(trial.source.data), MAX_CHANGES):
        noticed = trial.is_noticed(change)
        if noticed is not None:
            place = trial.source.place(change.path)
            yield Part(rule, place, change.key, change.was, change.now, noticed)


def coverage(rules: RuleSet, only: Iterable[Rule] | None = None) -> list[Part]:
    """The parts of all rules, or of `only`."""
    found = [part for rule in (rules.rules if only is None else only) for part in parts_of(rule, rules)]
    return sorted(found, key=lambda part: (part.place.file, part.place.line, part.place.column))


def share_of(parts: Sequence[Part]) -> float:
    """How many parts in a hundred tests need."""
    return 100 * sum(part.noticed for part in parts) / len(parts) if parts else 100.0
