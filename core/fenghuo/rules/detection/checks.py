"""What a rule may ask of one value: the modifiers of Sigma 2.1, and lists from files.

A check is a fact that can be compared, hashed and told to a person; `bind` (of a text: `on_text`) makes the function
that asks it of one scalar value. What lists, absent fields and other fields mean is decided in `compile`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from fenghuo.rules.detection.literals import Meets, contains, ends_with, starts_with
from fenghuo.rules.detection.pattern import Pattern, compile_pattern, lowered, text_of

Ask = Callable[[Any], bool]
How = Literal["equals", "startswith", "endswith", "contains"]
Order = Literal["lt", "lte", "gt", "gte"]
Part = Literal["minute", "hour", "day", "week", "month", "year"]


class ListLike(Protocol):
    """One list from a file."""

    def contains(self, value: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Equals:
    """It is one of these texts; numbers and truth values are compared by their text (`text_of`)."""

    values: frozenset[str]
    cased: bool = False

    def on_text(self) -> Meets:
        """The function for texts: in lower case, unless `cased`."""
        return (self.values if self.cased else frozenset(value.lower() for value in self.values)).__contains__


@dataclass(frozen=True, slots=True)
class Affix:
    """It starts with, ends with or contains one of these texts."""

    how: Literal["startswith", "endswith", "contains"]
    values: tuple[str, ...]
    cased: bool = False

    def on_text(self) -> Meets:
        """The function for texts: in lower case, unless `cased`."""
        values = self.values if self.cased else tuple(dict.fromkeys(value.lower() for value in self.values))
        return {"startswith": starts_with, "endswith": ends_with, "contains": contains}[self.how](values)


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole of it meets one of these patterns."""

    patterns: tuple[Pattern, ...]
    cased: bool = False

    def on_text(self) -> Meets:
        """The function for texts: in lower case, unless `cased`."""
        matchers = [compile_pattern(one if self.cased else lowered(one)) for one in self.patterns]
        return matchers[0] if len(matchers) == 1 else lambda text: any(matches(text) for matches in matchers)


@dataclass(frozen=True, slots=True)
class Regex:
    """The regular expression is found somewhere in it. `flags`: any of i (case does not count), m (`^` and `$` at
    lines), s (a dot is a line's end too).
    """

    pattern: str
    flags: str = ""

    def bind(self) -> Ask:
        from fenghuo.rules.detection.regex import compile_regex  # noqa: PLC0415 — re2 is loaded for such rules alone

        search = compile_regex(self.pattern, self.flags)
        return lambda value: search(text_of(value))


@dataclass(frozen=True, slots=True)
class Cidr:
    """It is an address within one of these networks."""

    networks: tuple[str, ...]

    def bind(self) -> Ask:
        from fenghuo.rules.detection.addresses import networks  # noqa: PLC0415 — ipaddress is loaded for such rules alone

        holds = networks(self.networks).holds
        return lambda value: isinstance(value, str) and holds(value)


@dataclass(frozen=True, slots=True)
class Compare:
    """It is a number, or a text that is one, and less or greater than `bound`."""

    order: Order
    bound: float

    def bind(self) -> Ask:
        bound, compare = self.bound, _COMPARE[self.order]

        def ask(value: Any) -> bool:
            number = number_of(value)
            return number is not None and compare(number, bound)

        return ask


@dataclass(frozen=True, slots=True)
class Exists:
    """The event has the field, or has it not; null is a value here."""

    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Null:
    """The field is absent or null."""


@dataclass(frozen=True, slots=True)
class FieldRef:
    """It equals (starts with, ends with, contains) the value of another field of the same event."""

    other: str
    how: How = "equals"
    cased: bool = False

    def compare(self, values: Sequence[Any], others: Sequence[Any]) -> bool:
        """Whether it is so for one of the values and one of the others; only the first of very many are compared."""
        mine, theirs = self._texts(values), self._texts(others)
        if self.how == "equals":
            return not set(mine).isdisjoint(theirs)
        if self.how == "startswith":
            return any(text.startswith(tuple(theirs)) for text in mine)
        if self.how == "endswith":
            return any(text.endswith(tuple(theirs)) for text in mine)
        return any(other in text for text in mine for other in theirs)

    def _texts(self, values: Sequence[Any]) -> list[str]:
        texts = [text_of(value) for value in values[:_MOST_COMPARED]]
        return texts if self.cased else [text.lower() for text in texts]


@dataclass(frozen=True, slots=True)
class TimePart:
    """It is a time whose minute, hour, … as it is written is one of these, or compares so to the one given."""

    part: Part
    values: frozenset[int]
    order: Order | None = None

    def bind(self) -> Ask:
        from fenghuo.rules.detection.times import part_of  # noqa: PLC0415 — needed for such rules alone

        part, values = self.part, self.values
        if self.order is not None:
            compare = Compare(self.order, min(values)).bind()
            return lambda value: compare(part_of(value, part))
        return lambda value: part_of(value, part) in values


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """The list of this name contains it. Another list of the same name is another check."""

    name: str
    entries: ListLike

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listed) and other.entries is self.entries

    def __hash__(self) -> int:
        return id(self.entries)

    def bind(self) -> Ask:
        contains = self.entries.contains
        return lambda value: contains(text_of(value))


Textual = Equals | Affix | Glob
"""The checks of a value's text."""
Scalar = Regex | Cidr | Compare | TimePart | Listed
"""The other checks that ask something of one scalar value."""
Check = Textual | Scalar | Exists | Null | FieldRef

_COMPARE: Mapping[Order, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_LONGEST_NUMBER = 64
_MOST_COMPARED = 200


def number_of(value: Any) -> float | None:
    """A number, also where it is written as text; None where it is none (`inf`, `nan` and `1_000` are texts)."""
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER or not value[-1:].isdigit() or "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None
