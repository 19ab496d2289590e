"""What a kind is, and what several kinds share in reading their keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from fenghuo.config import parse_duration
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.section import RuleSection, SpacingSection
from fenghuo.rules.language.expression import ExpressionError, Node, parse_condition
from fenghuo.rules.rule import Body
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Observer
from fenghuo.rules.runtime.throttle import Spacing

T = TypeVar("T")


class Reader(Protocol):
    """Reads texts of a rule and notes what is wrong with them at their place."""

    @property
    def lists(self) -> RuleLists:
        """The lists from files, as this rule's file names them."""
        ...

    def read(self, key: str, text: str, parse: Callable[[str], T]) -> T | None:
        """`parse(text)`; None where it raised `ExpressionError` or ValueError, which is then noted at `key` (`steps.0`)."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """`section`: the keys; `read`: keys → body and hold times, None where one of them was wrong (and noted).

    `in_names`: keys that are conditions over names (`fenghuo.rules.language.boolean`), and not expressions.
    """

    name: str
    section: type[RuleSection]
    read: Callable[[Any, Reader], tuple[Body | Observer, Holds] | None]
    in_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clear:
    """`condition` None: when the rule's condition is not true. `hold` in milliseconds."""

    condition: Node | None = None
    hold: int = 0


_HOLD = re.compile(r"(?:^|\s)for\s+(\S+)\s*$")


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def parse_clear(text: str, variables: frozenset[str] = frozenset({"value"})) -> Clear:
    """`value < 30 for 10m`, or one of its halves."""
    return parse_clear_with(text, lambda condition: parse_condition(condition, variables))


def parse_clear_with(text: str, parse: Callable[[str], Node]) -> Clear:
    """As `parse_clear`, for a condition that is written in another language."""
    match = _HOLD.search(text)
    hold = 0
    if match:
        try:
            hold = milliseconds(parse_duration(match[1]))
        except ValueError as error:
            raise ExpressionError(match.start(1), str(error)) from None
        text = text[: match.start()]
    if match and not text.strip():
        return Clear(None, hold)
    return Clear(parse(text), hold)


def spacing_of(section: SpacingSection | None) -> Spacing | None:
    if section is None:
        return None
    return Spacing(milliseconds(section.every), None if section.up_to is None else milliseconds(section.up_to))


def holds_of(section: RuleSection, **changes: Any) -> Holds:
    """The spans of time that all kinds share; `changes` adds the kind's own."""
    flap = section.flap
    holds = Holds(
        stale=milliseconds(section.stale),
        flap_changes=0,
        throttle=spacing_of(section.throttle),
        repeat=spacing_of(section.repeat),
    )
    if flap:
        holds = replace(
            holds,
            flap_changes=flap.changes,
            flap_window=milliseconds(flap.window),
            flap_hold=milliseconds(flap.hold),
        )
    return replace(holds, **changes)
