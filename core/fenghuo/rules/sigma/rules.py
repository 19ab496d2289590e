"""What was read of Sigma documents → rules as the engine takes them, on our own kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from fenghuo.rules.detection import Node as Detection
from fenghuo.rules.detection.tree import simplify, some
from fenghuo.rules.files.section import RuleSection
from fenghuo.rules.kinds.aggregate import AggregateBody, AggregateSection
from fenghuo.rules.kinds.base import holds_of
from fenghuo.rules.kinds.cardinality import CardinalityBody, CardinalitySection
from fenghuo.rules.kinds.frequency import FrequencyBody, FrequencySection
from fenghuo.rules.kinds.match import MatchBody, MatchSection
from fenghuo.rules.kinds.observed import FOREVER, LogSource
from fenghuo.rules.kinds.sequence import MAX_STAGES, SequenceBody, SequenceSection
from fenghuo.rules.kinds.steps import Pattern, Step
from fenghuo.rules.language.expression import Arithmetic, Comparison, Field, Logic, Node, Not, Number, Variable
from fenghuo.rules.language.template import compile_template
from fenghuo.rules.language.where import Where
from fenghuo.rules.rule import Rule, Unloaded
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Observer, Selection
from fenghuo.rules.sigma.adapted import Adapted, Renamed
from fenghuo.rules.sigma.documents import Bound, CannotApply, Correlated, Detected, Frame, Operator, Said
from fenghuo.rules.sigma.pipeline import ATTRIBUTES
from fenghuo.rules.sigma.share import ShareBody

_LASTS = 300_000
_FORGET = 86_400_000
_MOST = 1_000_000
_SHOWN = ("source.ip", "destination.ip", "user.name", "host.name")
"""Fields of an event that an alert shows where it has them, beside those that the rule's author asks for."""
_SYMBOLS: Mapping[Operator, str] = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "eq": "==", "neq": "!="}
_Made = tuple[RuleSection, str, Observer, Holds]


def rules_of(found: Sequence[Detected | Correlated]) -> tuple[list[Rule], list[Unloaded]]:
    """The rules, and those that our kinds cannot run, with the reason."""
    by_id: dict[str, Detected | Correlated] = {}
    for each in found:
        by_id.setdefault(each.frame.id, each)
    rules: list[Rule] = []
    inapplicable: list[Unloaded] = []
    for each in found:
        try:
            made = _matching(each) if isinstance(each, Detected) else _Correlation(each, by_id).made()
        except CannotApply as error:
            inapplicable.append(Unloaded(each.frame.id, each.frame.title, each.place, str(error)))
            continue
        rules.append(_rule(each, *made))
    return rules, inapplicable


def _rule(of: Detected | Correlated, section: RuleSection, kind: str, body: Observer, holds: Holds) -> Rule:
    message = compile_template("")[0]
    # Rules are exchanged while they run: what is known by one goes on where its keys are the same, so these tell its detection too.
    section = section.model_copy(update={"detection": {"sigma": _mark_of(body.selections)}})
    wanted = _SHOWN if isinstance(of, Correlated) else tuple(dict.fromkeys((*of.fields, *_SHOWN)))
    return Rule(
        section=section,
        kind=kind,
        body=body,
        place=of.place,
        where=Where({}),
        exceptions=(),
        levels=((of.frame.level, None),),
        holds=holds,
        message=message,
        message_zh=message,
        wanted=wanted,
        silent=not of.tells,
    )


def _mark_of(selections: Sequence[Selection]) -> int:
    """Another for other selections, as long as this process lives."""
    return hash(tuple((each.when, each.rules, tuple(sorted(each.fields.items()))) for each in selections))


def _section(model: type[RuleSection], frame: Frame, **more: Any) -> RuleSection:
    """The keys as if they had been written natively. pySigma checked them; its rules for names and tags are wider."""
    return model.model_construct(
        title=frame.title,
        id=frame.id,
        name=frame.name,
        status=frame.status,
        description=frame.description,
        references=list(frame.references),
        author=frame.author,
        date=frame.date,
        modified=frame.modified,
        license=frame.license,
        tags=list(frame.tags),
        level=frame.level,
        falsepositives=list(frame.falsepositives),
        **more,
    )


def _matching(rule: Detected) -> _Made:
    """A silent rule is listed, but only its correlations look at events."""
    category, product, service = (rule.logsource.get(key) for key in ATTRIBUTES)
    source = LogSource.model_construct(category=category, product=product, service=service)
    section = _section(MatchSection, rule.frame, kind="match", lasts=_LASTS / 1000, logsource=source)
    selections = (Selection(rule.node),) if rule.tells else ()
    return section, "match", MatchBody(selections), holds_of(section, stale=FOREVER, lasts=_LASTS, settle=0)


class _Correlation:
    """One correlation on the kind that runs it."""

    def __init__(self, correlation: Correlated, by_id: Mapping[str, Detected | Correlated]) -> None:
        self._of = correlation
        self._rules = [by_id.get(reference, reference) for reference in correlation.rules]

    def made(self) -> _Made:
        """CannotApply where no kind runs it."""
        make: Mapping[str, Callable[[], _Made]] = {
            "event_count": self._frequency,
            "value_count": self._cardinality,
            "temporal": self._sequence,
            "temporal_ordered": self._sequence,
            "value_sum": self._aggregate,
            "value_avg": self._aggregate,
            "value_percentile": self._aggregate,
        }
        return make[self._of.type]()

    # What is observed

    def _selections(self) -> tuple[Selection, ...]:
        """One for each rule, in their order."""
        return tuple(self._selection(number) for number in range(len(self._rules)))

    def _selection(self, number: int) -> Selection:
        rule, fields = self._rules[number], self._of.fields[number]
        renamed = {name: found[0] if len(found) == 1 else found for name, found in fields.items() if found != (name,)}
        if isinstance(rule, Detected):
            return Selection(rule.node, fields=renamed)
        return Selection(rules=(rule if isinstance(rule, str) else rule.frame.name,), fields=renamed)

    def _joined(self) -> tuple[tuple[Selection, ...], tuple[Renamed, ...]]:
        """Selections, and what they call the fields whose values are looked at.

        Rules that call all fields alike are one selection: an event that two of them match is one event.
        """
        selections: list[Selection] = []
        names: list[Renamed] = []
        for selection, renamed in zip(self._selections(), self._renamed(), strict=True):
            for number, other in enumerate(selections):
                is_like = selection.fields == other.fields and renamed == names[number]
                if selection.when is not None and other.when is not None and is_like:
                    either: Detection = simplify(some((other.when, selection.when)))
                    selections[number] = Selection(either, fields=selection.fields)
                    break
            else:
                selections.append(selection)
                names.append(renamed)
        return tuple(selections), tuple(names)

    def _renamed(self) -> list[Renamed]:
        names = self._asked_for
        return [dict(zip(names, found, strict=True)) for found in (self._of.values or ((),) * len(self._rules))]

    @property
    def _asked_for(self) -> tuple[str, ...]:
        """The names of the fields whose values are looked at, as the first rule has them."""
        return tuple(names[0] for names in self._of.values[0]) if self._of.values else ()

    # The kinds

    def _frequency(self) -> _Made:
        section = self._windowed(FrequencySection, "frequency")
        bounds = self._bounds()
        most = max(section.limits.events, *(int(bound.number) + 1 for bound in bounds))
        if most > _MOST:
            raise CannotApply(f"it counts more than {_MOST} events")
        selections, _ = self._joined()
        body = FrequencyBody(
            selections, condition=condition_of(bounds), window=self._of.timespan, forget=self._forget, most=most
        )
        return section, "frequency", Adapted.over(body), self._holds(section)

    def _cardinality(self) -> _Made:
        names = self._asked_for
        section = self._windowed(CardinalitySection, "cardinality", fields=list(names))
        bounds = self._bounds()
        most = max(section.limits.values, *(int(bound.number) + 1 for bound in bounds))
        if most > _MOST:
            raise CannotApply(f"it counts more than {_MOST} values")
        selections, renamed = self._joined()
        body = CardinalityBody(
            selections,
            condition=condition_of(bounds),
            window=self._of.timespan,
            forget=self._forget,
            most=most,
            fields=names,
        )
        return section, "cardinality", Adapted.over(body, renamed), self._holds(section)

    def _aggregate(self) -> _Made:
        function, percent = self._of.type.removeprefix("value_"), None
        if function == "percentile":
            percent = self._of.percentile
            if percent is None:
                return self._share()
            function = f"p{percent:g}"
        name = self._asked_for[0]
        section = self._windowed(AggregateSection, "aggregate", function=function, numbers=name)
        selections, renamed = self._joined()
        body = AggregateBody(
            selections,
            condition=condition_of(self._bounds()),
            window=self._of.timespan,
            forget=self._forget,
            most=section.limits.events,
            empty=0.0 if function == "sum" else None,
            function=function,
            field=name,
            percent=percent,
        )
        return section, "aggregate", Adapted.over(body, renamed), self._holds(section)

    def _share(self) -> _Made:
        name = self._asked_for[0]
        section = self._windowed(AggregateSection, "aggregate", function="share", numbers=name)
        selections, renamed = self._joined()
        body = ShareBody(
            selections,
            condition=condition_of(self._bounds()),
            field=name,
            label=re.sub(r"[.@-]", "_", name),
            window=self._of.timespan,
            most=section.limits.events,
        )
        holds = holds_of(section, stale=FOREVER, lasts=_LASTS, settle=0)
        return section, "aggregate", Adapted.over(body, renamed), holds

    def _sequence(self) -> _Made:
        correlation = self._of
        ordered = correlation.type == "temporal_ordered"
        names = _step_names([self._named(number) for number in range(len(self._rules))])
        steps = tuple(
            Step(name, of_alerts=not isinstance(rule, Detected)) for name, rule in zip(names, self._rules, strict=True)
        )
        if len(steps) > MAX_STAGES:
            raise CannotApply(f"it speaks of more than {MAX_STAGES} rules")
        condition = self._steps_condition(names, ordered=ordered)
        pattern = Pattern(steps, correlation.timespan, ordered, condition)
        span = correlation.timespan / 1000
        section = _section(
            SequenceSection,
            correlation.frame,
            kind="sequence",
            within=span,
            ordered=ordered,
            condition=self._told_condition(),
            group_by=list(correlation.group_by) or None,
        )
        holds = holds_of(section, stale=FOREVER, lasts=correlation.timespan, settle=0)
        return section, "sequence", SequenceBody(self._selections(), pattern=pattern), holds

    def _told_condition(self) -> str | None:
        """The condition over steps, for people; None: all of them."""
        condition = self._of.condition
        if isinstance(condition, Said):
            return told(condition, {rule: self._named(number) for number, rule in enumerate(self._of.rules)})
        needs_all = condition == (Bound("gte", len(self._rules)),)
        return None if needs_all else _written(condition).replace("value", "rules")

    def _named(self, number: int) -> str:
        rule = self._rules[number]
        return rule if isinstance(rule, str) else rule.frame.name

    def _steps_condition(self, names: Sequence[str], *, ordered: bool) -> Node | None:
        """None: all of them."""
        condition = self._of.condition
        if isinstance(condition, Said):
            by_id = dict(zip(self._of.rules, names, strict=True))
            if ordered and not _is_plain_and(condition):
                raise CannotApply("rules in order must all come; its condition has `or` or `not`")
            return None if _is_plain_and(condition) else _boolean(condition, by_id)
        if all(_holds(bound, len(names)) and not _holds(bound, len(names) - 1) for bound in condition):
            return None
        if ordered:
            raise CannotApply("rules in order must all come; its condition is of some of them")
        total = reduce(lambda left, right: Arithmetic("+", left, right), (_field(name) for name in names))
        return _conjunction([_comparison(bound, total) for bound in condition])

    # What windows share

    def _windowed(self, model: type[RuleSection], kind: str, **more: Any) -> RuleSection:
        return _section(
            model,
            self._of.frame,
            kind=kind,
            condition=_written(self._bounds()),
            window=self._of.timespan / 1000,
            group_by=list(self._of.group_by) or None,
            **more,
        )

    def _bounds(self) -> tuple[Bound, ...]:
        assert not isinstance(self._of.condition, Said)
        return self._of.condition

    @property
    def _forget(self) -> int:
        return max(_FORGET, self._of.timespan)

    def _holds(self, section: RuleSection) -> Holds:
        return holds_of(section, stale=FOREVER, forget=self._forget)


def condition_of(bounds: Sequence[Bound]) -> Node:
    """All bounds of `value`."""
    return _conjunction([_comparison(bound, Variable("value")) for bound in bounds])


def _comparison(bound: Bound, of: Node) -> Node:
    return Comparison(_SYMBOLS[bound.operator], of, Number(bound.number))


def _conjunction(nodes: Sequence[Node]) -> Node:
    return reduce(lambda left, right: Logic("and", left, right), nodes)


def _written(bounds: Sequence[Bound]) -> str:
    return " and ".join(f"value {_SYMBOLS[bound.operator]} {bound.number:g}" for bound in bounds)


def _holds(bound: Bound, value: float) -> bool:
    number = bound.number
    return {
        "lt": value < number,
        "lte": value <= number,
        "gt": value > number,
        "gte": value >= number,
        "eq": value == number,
        "neq": value != number,
    }[bound.operator]


def told(said: Said, names: Mapping[str, str]) -> str:
    """An extended condition as it is written, with our names."""
    if said.what == "rule":
        return names[said.rule]
    parts = [told(part, names) if part.what == "rule" else f"({told(part, names)})" for part in said.parts]
    return f"not {parts[0]}" if said.what == "not" else f" {said.what} ".join(parts)


def _field(name: str) -> Node:
    return Field(name)


def _is_plain_and(said: Said) -> bool:
    return said.what == "rule" or (said.what == "and" and all(_is_plain_and(part) for part in said.parts))


def _boolean(said: Said, names: Mapping[str, str]) -> Node:
    if said.what == "rule":
        return Comparison(">=", Field(names[said.rule]), Number(1))
    parts = [_boolean(part, names) for part in said.parts]
    if said.what == "not":
        return Not(parts[0])
    return reduce(lambda left, right: Logic(said.what, left, right), parts)


def _step_names(names: Sequence[str]) -> list[str]:
    """Each once: a rule that must match twice is two steps."""
    found: list[str] = []
    for name in names:
        number = 2
        unique = name
        while unique in found:
            unique, number = f"{name}-{number}", number + 1
        found.append(unique)
    return found
