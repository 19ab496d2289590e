"""From profile files to profiles: names become objects, texts become templates; everything wrong at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from fenghuo.config.words import suggest
from fenghuo_agent.profiles import schema
from fenghuo_agent.profiles.profile import (
    FACTS,
    SECTIONS,
    Below,
    Chosen,
    Condition,
    Fact,
    Limit,
    Limits,
    Match,
    Metric,
    Profile,
    Reading,
    Section,
    Trap,
)
from fenghuo_agent.profiles.quantities import QUANTITIES
from fenghuo_agent.profiles.rows import Column, Reference
from fenghuo_agent.profiles.template import Template, parse_index, parse_reference, parse_template
from fenghuo_agent.snmp.ber import Oid

Made = TypeVar("Made")
Complain = Callable[[Sequence[str | int], str], None]
"""Takes the path within the file (`sensors`, 3, `name`) and what is wrong there."""
_COMPARISON = re.compile(r"([<>]=?)\s*(-?\d+(?:\.\d+)?)")


def oid_of(text: str) -> Oid:
    """The arcs of a dotted number."""
    return tuple(int(arc) for arc in text.split("."))


def column_of(name: str, body: str | schema.ObjectBody) -> Column:
    """The object of that name."""
    text, enum = (body, {}) if isinstance(body, str) else (body.oid, body.enum)
    words = {int(number): word for number, word in enum.items() if number.lstrip("-").isdecimal()}
    scalar = text.endswith(".0")
    return Column(name, oid_of(text.removesuffix(".0") if scalar else text), scalar, words)


def match_of(body: schema.MatchBody) -> Match:
    """One alternative."""
    return Match(
        tuple(oid_of(text) for text in body.sysObjectID),
        re.compile(body.sysDescr) if body.sysDescr else None,
        tuple(oid_of(text.removesuffix(".0")) for text in body.present),
    )


class Compiler:
    """Makes one profile of its own file and those that it extends, its own first.

    `complain` is called for everything that is wrong in its own file; what is wrong is left out.
    """

    def __init__(self, chain: Sequence[schema.ProfileBody], complain: Complain) -> None:
        self._chain = chain
        self._complain = complain
        self._objects: dict[str, Column] = {}
        for body in reversed(chain):
            self._objects |= {name: column_of(name, each) for name, each in body.objects.items()}

    def profile(self) -> Profile:
        """The profile."""
        own = self._chain[0]
        return Profile(
            own.name,
            own.title,
            {fact: tuple(self._facts(fact)) for fact in FACTS},
            tuple(reading for section in SECTIONS for reading in self._readings(section)),
            tuple(metric for body, at in self._each("metrics") if (metric := self._metric(body, at)) is not None),
            {
                oid_of(oid): Trap(trap.name, trap.level, trap.message)
                for body in reversed(self._chain)
                for oid, trap in body.traps.items()
            },
            frozenset(name for body in self._chain for name in body.excludes),
        )

    def resolve(self, name: str) -> Column:
        """The object of a name. Raises ValueError."""
        column = self._objects.get(name)
        if column is None:
            hint = suggest(name, self._objects)
            raise ValueError(f"there is no object {name!r}" + (f" ({hint})" if hint else "; name it under `objects`"))
        return column

    def _each(self, section: str) -> Iterable[tuple[Any, Sequence[str | int] | None]]:
        """Entries of a section over the chain; the path is None for those of extended files."""
        for depth, body in enumerate(self._chain):
            for place, entry in enumerate(getattr(body, section)):
                yield entry, (section, place) if depth == 0 else None

    def _try(self, at: Sequence[str | int] | None, key: str | int, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except ValueError as error:
            if at is not None:
                self._complain((*at, key), str(error))
            return None

    def _facts(self, fact: str) -> Iterable[Fact]:
        for depth, body in enumerate(self._chain):
            for place, source in enumerate(getattr(body.device, fact)):
                at = ("device", fact, place) if depth == 0 else None
                made = self._try(at, "text", lambda source=source, at=at: self._fact(source, at))
                if made is not None:
                    yield made

    def _fact(self, source: schema.Source, at: Sequence[str | int] | None) -> Fact:
        return Fact(
            parse_template(source.text, self.resolve),
            re.compile(source.pattern) if source.pattern else None,
            source.map,
            self._conditions(source.when, at, "when"),
            tuple((parse_reference(name, self.resolve), re.compile(pattern)) for name, pattern in source.if_.items()),
        )

    def _readings(self, section: Section) -> Iterable[Reading]:
        taken: set[str] = set()
        for body, at in self._each(section):
            if body.id:
                if body.id in taken:
                    continue
                taken.add(body.id)
            if body.drop:
                continue
            made = self._try(at, "value", lambda body=body, at=at: self._reading(section, body, at))
            if made is not None:
                yield made

    def _reading(self, section: Section, body: Any, at: Sequence[str | int] | None) -> Reading:
        quantity = getattr(body, "quantity", None)
        absent = [value for value in body.absent if not isinstance(value, str)]
        return Reading(
            section=section,
            value=self.resolve(body.value),
            name=self._try(at, "name", lambda: self._template(body.name)) if body.name else None,
            quantity=QUANTITIES[quantity] if isinstance(quantity, str) else self._chosen(quantity, at, "quantity"),
            scale=self._chosen(body.scale, at, "scale") or 1.0 if isinstance(body.scale, schema.Choice) else body.scale,
            precision=self._reference(body.precision, at, "precision"),
            offset=body.offset,
            convert=body.convert,
            pattern=re.compile(body.pattern) if body.pattern else None,
            absent=frozenset(absent),
            absent_texts=frozenset(value.casefold() for value in body.absent if isinstance(value, str)),
            range=body.range,
            when=self._conditions(body.when, at, "when"),
            unless=self._conditions(body.unless, at, "unless"),
            of=tuple(made for name in body.of if (made := self._reference(name, at, "of")) is not None),
            inverted=body.inverted,
            limits=self._limits(body.limits, at) if body.limits else Limits(),
            status=self._reference(body.status.object, at, "status") if body.status else None,
            states=_states(body),
            aggregate=body.aggregate,
            interval=body.interval,
            labels={name: self._template(text) for name, text in body.labels.items()},
        )

    def _template(self, text: str) -> Template:
        return parse_template(text, self.resolve)

    def _reference(self, text: str | None, at: Sequence[str | int] | None, key: str) -> Reference | None:
        return None if text is None else self._try(at, key, lambda: parse_reference(text, self.resolve))

    def _chosen(self, body: schema.Choice | None, at: Sequence[str | int] | None, key: str) -> Chosen | None:
        reference = self._reference(body.object, at, key) if body else None
        return Chosen(reference, body.map) if reference is not None and body else None

    def _conditions(
        self, body: Mapping[str, Sequence[str | float]], at: Sequence[str | int] | None, key: str
    ) -> tuple[Condition, ...]:
        made = (
            self._try((*at, key) if at else None, name, lambda name=name, values=values: self._condition(name, values))
            for name, values in body.items()
        )
        return tuple(condition for condition in made if condition is not None)

    def _condition(self, name: str, values: Sequence[str | float]) -> Condition:
        texts: set[str] = set()
        patterns: list[re.Pattern[str]] = []
        comparisons: list[tuple[str, float]] = []
        for value in values:
            text = str(value)
            if text.startswith("~"):
                patterns.append(_pattern(text[1:]))
            elif match := _COMPARISON.fullmatch(text):
                comparisons.append((match[1], float(match[2])))
            else:
                texts.add(text)
        arcs = parse_index(name)
        reference = parse_reference(name, self.resolve) if arcs is None else None
        return Condition(reference, frozenset(texts), tuple(patterns), tuple(comparisons), arcs)

    def _limits(self, body: schema.LimitsBody, at: Sequence[str | int] | None) -> Limits:
        return Limits(**{name: self._limit(getattr(body, name), at) for name in schema.LimitsBody.model_fields})

    def _limit(self, body: str | float | schema.LimitBody | None, at: Sequence[str | int] | None) -> Limit:
        if isinstance(body, str):
            return self._reference(body, at, "limits")
        if not isinstance(body, schema.LimitBody):
            return body
        column = self._try(at, "limits", lambda: self.resolve(body.object))
        return Below(column, self._conditions(body.when, at, "limits")) if column is not None else None

    def _metric(self, body: schema.MetricBody, at: Sequence[str | int] | None) -> Metric | None:
        columns = [self._try(at, "objects", lambda name=name: self.resolve(name)) for name in body.objects]
        labels = {
            name: made
            for name, text in body.labels.items()
            if (made := self._try(at, "labels", lambda text=text: self._template(text))) is not None
        }
        return Metric(body.name, tuple(column for column in columns if column is not None), labels, body.interval)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def _states(body: Any) -> Mapping[str, tuple[str, str]]:
    found: Mapping[str, Any] = getattr(body, "states", {}) or (body.status.states if body.status else {})
    return {
        value: (state, "") if isinstance(state, str) else (state.state, state.text) for value, state in found.items()
    }
