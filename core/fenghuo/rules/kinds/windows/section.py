"""What kinds with a sliding window share in reading their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression, FieldName
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.kinds.base import Reader, milliseconds, parse_clear
from fenghuo.rules.kinds.observed import Observed, ObservedSection, read_observed
from fenghuo.rules.kinds.windows.regions import Regions
from fenghuo.rules.language.expression import ExpressionError, Node, fields_of, parse_condition
from fenghuo.rules.runtime.lifecycle import Holds

Fields = Annotated[list[FieldName], BeforeValidator(as_list), Field(min_length=1, max_length=8), OneOrMany()]
"""One field, or several whose combinations count."""
Span = Annotated[Duration, Field(gt=0, le=31 * 86_400)]


class WindowSection(ObservedSection):
    """The keys of kinds with a sliding window."""

    condition: Expression = Field(  # pyright: ignore[reportIncompatibleVariableOverride] — what a kind cannot do without
        description="When it is on, over `value`, e.g. `value >= 5`."
    )
    window: Span = Field(description="What counts: from so long before each moment up to it.")


@dataclass(frozen=True, slots=True)
class Windowed:
    """The keys of `WindowSection`, read. Milliseconds. `levels`: the conditions of the levels."""

    observed: Observed
    window: int
    forget: int
    levels: tuple[Node, ...]

    @property
    def holds(self) -> Holds:
        return self.observed.holds

    @property
    def common(self) -> dict[str, Any]:
        """What the body of every such kind takes."""
        observed = self.observed
        return {
            "selections": observed.selections,
            "data": observed.data,
            "condition": observed.condition,
            "clear": observed.clear,
            "levels": self.levels,
            "window": self.window,
            "forget": self.forget,
        }


def read_windowed(
    section: WindowSection, reader: Reader, names: tuple[str, ...] = (), variables: tuple[str, ...] = ()
) -> Windowed | None:
    """The common keys; None where one is wrong (and noted).

    `names` and `variables` are what conditions may speak of beside `value`; the latter are those of the language.
    """
    window = milliseconds(section.window)
    forget = max(milliseconds(section.forget), window)
    known = frozenset({"value", *variables})
    observed = read_observed(section, reader, variables=known, forget=forget)
    if observed is None or not _knows_names(section, reader, known, {*names}):
        return None
    return Windowed(observed, window, forget, level_nodes(section))


def level_nodes(section: WindowSection) -> tuple[Node, ...]:
    """The conditions of the levels; those that are wrong are noted elsewhere."""
    found: list[Node] = []
    for text in () if isinstance(section.level, str) else section.level.values():
        try:
            found.append(parse_condition(text))
        except ExpressionError:
            continue
    return tuple(found)


def _knows_names(section: WindowSection, reader: Reader, variables: frozenset[str], names: set[str]) -> bool:
    """Whether condition and clear condition speak of nothing but what the kind's measures hold."""

    def check(text: str, node: Node | None) -> Node | None:
        unknown = [name for name in (fields_of(node) if node is not None else ()) if name not in names]
        if unknown:
            known = sorted(names | variables)
            raise ExpressionError(
                max(0, text.find(unknown[0])), f"unknown name {unknown[0]!r}", "known: " + ", ".join(known)
            )
        return node

    def condition(text: str) -> bool:
        check(text, parse_condition(text, variables))
        return True

    def clear(text: str) -> bool:
        check(text, parse_clear(text, variables).condition)
        return True

    def levels(_: str) -> bool:
        for text in () if isinstance(section.level, str) else section.level.values():
            try:
                node = parse_condition(text)
            except ExpressionError:
                continue  # noted elsewhere
            check(text, node)
        return True

    return (
        reader.read("condition", section.condition, condition) is True
        and (section.clear is None or reader.read("clear", section.clear, clear) is True)
        and reader.read("level", "", levels) is True
    )


def fits(regions: Regions, section: WindowSection, reader: Reader, limit: str) -> bool:
    """Whether as much is kept of a group as its condition asks for; noted where not. `limit`: which of `limits`."""
    most: int = getattr(section.limits, limit)

    def parse(_: str) -> bool:
        if regions.highest > most:
            raise ExpressionError(
                0, f"a count of {regions.highest} is asked for, only {most} are kept", f"raise limits.{limit}"
            )
        return True

    return reader.read("condition", section.condition, parse) is True


def needs_one_of(section: WindowSection, reader: Reader, attribute: str, key: str) -> bool:
    """Whether the kind's own key is said where the rule is about events, and is not where it is about readings."""

    def parse(_: str) -> bool:
        if (getattr(section, attribute) is None) == (section.data is None):
            raise ExpressionError(0, f"a rule about events needs {key!r}, one about readings has 'data' instead")
        return True

    return reader.read(key, "", parse) is True
