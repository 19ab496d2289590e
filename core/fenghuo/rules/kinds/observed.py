"""What kinds that observe one thing at a time share in reading their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import BeforeValidator, Field, StringConstraints

from fenghuo.config import Duration, Section
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.section import Expression, RuleSection
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.kinds.base import Clear, Reader, holds_of, milliseconds, parse_clear
from fenghuo.rules.language.expression import ExpressionError, Node, parse_condition, parse_number
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Selection

if TYPE_CHECKING:
    from fenghuo.rules.detection import Node as Detection

FOREVER = 1 << 50
"""Milliseconds; for observations are rare: a hold time bridges every silence between them."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?")
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class LogSource(Section):
    """Where events come from, in Sigma's words."""

    category: Name | None = Field(default=None, description="What they tell of, e.g. `dns`, `firewall`.")
    product: Name | None = Field(default=None, description="Whose they are, e.g. `zeek`, `cisco`.")
    service: Name | None = Field(default=None, description="Which log of the product, e.g. `aaa`.")
    definition: Annotated[str, StringConstraints(max_length=2_000)] = Field(
        default="", description="What must be set up for them to come."
    )


class EventSection(RuleSection):
    """The keys of rules over events: which they are about. `where` names ECS fields."""

    dataset: Annotated[list[Name], BeforeValidator(as_list), Field(max_length=32), OneOrMany()] = Field(
        default=[], description="Only events of these datasets (`event.dataset`)."
    )
    logsource: LogSource | None = Field(default=None, description="Only events of this source, as Sigma names it.")
    detection: dict[Name, Any] | None = Field(
        default=None, description="Sigma's detection, beside or instead of `where`."
    )


class ObservedSection(EventSection):
    """The keys of rules over events or, with `data`, over readings."""

    data: Expression | None = Field(
        default=None, description="A value of readings, or an expression; then the rule is about readings, not events."
    )
    condition: Expression | None = Field(default=None, description="When it is on, e.g. `value >= 5`.")
    clear: Expression | None = Field(
        default=None, description="When it is over: a condition, `for` a time; not `condition` if not said."
    )
    hold: Duration = Field(default=0, alias="for", description="How long the condition must be true before it fires.")
    forget: Duration = Field(default=86_400, description="What fires and was not heard of for so long is resolved.")


@dataclass(frozen=True, slots=True)
class Observed:
    """The keys of `ObservedSection`, read."""

    selections: tuple[Selection, ...]
    data: Node | None
    condition: Node | None
    clear: Node | None
    holds: Holds


def read_observed(
    section: ObservedSection, reader: Reader, *, variables: frozenset[str] = frozenset({"value"}), **holds: Any
) -> Observed | None:
    """The common keys; None where one is wrong (and noted). `holds` adds the kind's own spans of time."""
    condition, clear = None, Clear()
    if section.condition is not None:
        condition = reader.read("condition", section.condition, lambda text: parse_condition(text, variables))
    if section.clear is not None:
        clear = reader.read("clear", section.clear, lambda text: parse_clear(text, variables))
    data, selections = None, ()
    if section.data is not None:
        data = reader.read("data", section.data, parse_number)
        if data is None or not _is_silent_about_events(section, reader):
            return None
    else:
        selection = read_selection(section, reader)
        if selection is None:
            return None
        selections = (selection,)
    if clear is None or (section.condition is not None and condition is None):
        return None
    spans = {
        "fire": milliseconds(section.hold),
        "clear": clear.hold,
        "forget": milliseconds(section.forget),
        "stale": FOREVER,
        **holds,
    }
    return Observed(selections, data, condition, clear.condition, holds_of(section, **spans))


def read_selection(section: EventSection, reader: Reader) -> Selection | None:
    """The events that a rule is about: `dataset`, `logsource`, `where`, `detection`, but not `exceptions`."""
    node = reader.read("where", "", lambda _: selection_of(section, reader.lists))
    return None if node is None else Selection(node)


class Selects(Protocol):
    """Keys that say which events: those of `EventSection`, or of one step of several."""

    @property
    def dataset(self) -> list[str]: ...
    @property
    def logsource(self) -> LogSource | None: ...
    @property
    def detection(self) -> dict[str, Any] | None: ...
    @property
    def where(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def exceptions(self) -> Sequence[Mapping[str, Sequence[str]]]: ...


def selection_of(section: Selects, lists: RuleLists) -> Detection:
    """As `read_selection`; ValueError where a part is wrong."""
    from fenghuo.rules.detection import Every, Not, Some, Test, read_where, simplify  # noqa: PLC0415 — see below
    from fenghuo.rules.detection.checks import Equals  # noqa: PLC0415 — only rules over events need it

    parts: list[Detection] = []
    if section.dataset:
        parts.append(Test("event.dataset", Equals(frozenset(section.dataset), cased=True)))
    if section.logsource is not None or section.detection is not None:
        from fenghuo.rules.sigma import detection_of  # noqa: PLC0415 — loads pySigma

        source = section.logsource.model_dump(exclude_defaults=True) if section.logsource else {}
        parts.append(detection_of(source, section.detection))
    if section.where:
        parts.append(read_where(natural(section.where), lists=lists))
    if not parts:
        raise ValueError("which events? say 'dataset', 'logsource', 'where' or 'detection'; or 'data' for readings")
    if section.exceptions:
        excluded = (read_where(natural(matches), lists=lists) for matches in section.exceptions)
        parts.append(Not(Some(tuple(excluded))))
    return simplify(Every(tuple(parts)))


def natural(matches: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    """Values as YAML means them: what looks like a number may be one in the event; it matches either way."""
    return {key: [_natural(key, text) for text in texts] for key, texts in matches.items()}


def _natural(key: str, text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text) and not key.endswith(("|re", "|contains", "|startswith", "|endswith")):
        return float(text) if "." in text else int(text)
    return text


def _is_silent_about_events(section: ObservedSection, reader: Reader) -> bool:
    for key in ("dataset", "logsource", "detection"):
        if getattr(section, key):
            reader.read(key, "", _refuse)
            return False
    return True


def _refuse(text: str) -> None:
    del text
    raise ExpressionError(0, "a rule is about readings (`data`) or about events, not both")
