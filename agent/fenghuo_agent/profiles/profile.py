"""A profile as it is used: objects resolved, templates read, what it extends merged in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fenghuo_agent.profiles.quantities import Quantity
from fenghuo_agent.profiles.rows import Column, Reference, Rows, number_of, text_of
from fenghuo_agent.profiles.template import Template
from fenghuo_agent.snmp.ber import Oid

FACTS = ("vendor", "type", "os", "model", "version", "serial", "name", "location", "contact")
Section = Literal["sensors", "supplies", "wireless"]
_OF_SOFTWARE: tuple[Oid, ...] = ((1, 3, 6, 1, 4, 1, 8072), (1, 3, 6, 1, 4, 1, 2021), (1, 3, 6, 1, 4, 1, 311))
"""sysObjectIDs of SNMP agents (net-snmp, UCD, Windows), which say nothing of the device: what it has says more."""
SECTIONS: tuple[Section, ...] = ("sensors", "supplies", "wireless")


@dataclass(frozen=True, slots=True)
class Condition:
    """An object of the row that must have one of these values: numbers, texts, regular expressions, comparisons.

    Where `reference` is None it is about `arcs` of the row's index instead.
    """

    reference: Reference | None
    texts: frozenset[str]
    patterns: tuple[re.Pattern[str], ...] = ()
    comparisons: tuple[tuple[str, float], ...] = ()
    arcs: slice | None = None

    def __hash__(self) -> int:
        return hash((self.reference, self.texts))

    @property
    def name(self) -> str:
        """What it is about."""
        return self.reference.column.name if self.reference else "index"

    def holds(self, rows: Rows, index: Oid) -> bool:
        """Whether it holds for the row; a row without the object fulfils none but the empty text."""
        if self.reference is None:
            text = ".".join(map(str, index if self.arcs is None else index[self.arcs]))
            return self._fulfilled(text, "", float(text) if text.isdecimal() else None)
        found = rows.find(self.reference, index)
        varbind, enum = found[1] if found else None, self.reference.column.enum
        text = text_of(varbind)
        return self._fulfilled(
            text, _word(enum, text) if enum else "", number_of(varbind) if self.comparisons else None
        )

    def _fulfilled(self, text: str, word: str, number: float | None) -> bool:
        if (
            text in self.texts
            or (word and word in self.texts)
            or any(pattern.search(text) for pattern in self.patterns)
        ):
            return True
        return number is not None and any(_compares(number, sign, limit) for sign, limit in self.comparisons)


def _word(enum: Mapping[int, str], text: str) -> str:
    return enum.get(int(text), "") if text.lstrip("-").isdecimal() else ""


def _compares(number: float, sign: str, limit: float) -> bool:
    if sign.endswith("="):
        return number >= limit if sign[0] == ">" else number <= limit
    return number > limit if sign == ">" else number < limit


@dataclass(frozen=True, slots=True)
class Fact:
    """One source of one fact about the device."""

    template: Template
    pattern: re.Pattern[str] | None
    map: Mapping[str, str] | None
    when: tuple[Condition, ...]
    tests: tuple[tuple[Reference, re.Pattern[str]], ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value by another object's value."""

    reference: Reference
    map: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Below:
    """A limit in a table whose rows are below the sensor's: the first row for which the conditions hold."""

    column: Column
    when: tuple[Condition, ...]


Limit = float | Reference | Below | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits as numbers in the result's unit, or objects that hold them."""

    low_critical: Limit = None
    low: Limit = None
    high: Limit = None
    high_critical: Limit = None

    def each(self) -> tuple[Limit, ...]:
        """From low to high."""
        return self.low_critical, self.low, self.high, self.high_critical


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What to read: a column's every row, or a scalar, and what its raw values mean. One for all devices and rows."""

    section: Section
    value: Column
    name: Template | None
    quantity: Quantity | Chosen | None
    scale: float | Chosen
    precision: Reference | None
    offset: float
    convert: str | None
    pattern: re.Pattern[str] | None
    absent: frozenset[int | float]
    absent_texts: frozenset[str]
    range: tuple[float, float] | None
    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    of: tuple[Reference, ...]
    inverted: bool
    limits: Limits
    status: Reference | None
    states: Mapping[str, tuple[str, str]]
    aggregate: str | None
    interval: float | None
    labels: Mapping[str, Template]

    def word(self, value: float | None) -> str:
        """The device's own word for a state; empty where the profile has none."""
        state = self.states.get(str(value))
        if state is not None:
            return state[1]
        words = [word for word in self.states if not word.lstrip("-").isdecimal()]
        # Told by a text, a state's value is that text's place.
        return words[value - 1] if isinstance(value, int) and 0 < value <= len(words) == len(self.states) else ""

    @property
    def references(self) -> Iterator[Reference]:
        """Every object beside the value that it looks at."""
        for template in (*((self.name,) if self.name else ()), *self.labels.values()):
            yield from template.references
        for condition in (*self.when, *self.unless):
            if condition.reference is not None:
                yield condition.reference
        for chosen in (self.quantity, self.scale):
            if isinstance(chosen, Chosen):
                yield chosen.reference
        yield from self.of
        for limit in self.limits.each():
            if isinstance(limit, Reference):
                yield limit
            elif isinstance(limit, Below):
                yield Reference(limit.column)
                yield from (condition.reference for condition in limit.when if condition.reference)
        yield from (reference for reference in (self.precision, self.status) if reference is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """MIB objects as they are, under their own names."""

    name: str
    columns: tuple[Column, ...]
    labels: Mapping[str, Template]
    interval: float | None


@dataclass(frozen=True, slots=True)
class Trap:
    """A notification: its MIB name, how grave it is, a text with places."""

    name: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Match:
    """One alternative of what devices a profile is for."""

    prefixes: tuple[Oid, ...] = ()
    description: re.Pattern[str] | None = None
    present: tuple[Oid, ...] = ()

    def rank(self, object_id: Oid, description: str) -> tuple[int, int, int, int] | None:
        """How specific it is for this device (higher wins), before `present` is asked; None where it is for others."""
        longest = max((len(prefix) for prefix in self.prefixes if object_id[: len(prefix)] == prefix), default=0)
        if self.prefixes and not longest:
            return None
        if self.description is not None and not self.description.search(description):
            return None
        telling = 0 if object_id[: len(_OF_SOFTWARE[0])] in _OF_SOFTWARE else longest
        return telling, int(bool(self.present)), longest, int(self.description is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A profile, ready to be used."""

    name: str
    title: str
    facts: Mapping[str, tuple[Fact, ...]]
    readings: tuple[Reading, ...]
    metrics: tuple[Metric, ...]
    traps: Mapping[Oid, Trap] = field(default_factory=dict[Oid, Trap])
    excludes: frozenset[str] = frozenset()
