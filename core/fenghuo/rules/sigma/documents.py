"""Sigma documents as they come in, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fenghuo.errors import Place, Problem
from fenghuo.model import Level
from fenghuo.rules.detection import Node
from fenghuo.rules.rule import Unloaded

Path = tuple[str, ...]
"""The keys that lead to a value of a document; list items by their number."""
Operator = Literal["lt", "lte", "gt", "gte", "eq", "neq"]
CorrelationType = Literal[
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
]


@dataclass(frozen=True, slots=True)
class SigmaDocument:
    """One YAML document. `locate` says where the value at a path stands; without it all is said of `place`."""

    data: Mapping[str, Any]
    place: Place
    locate: Callable[[Path], Place] | None = None

    def at(self, path: Path) -> Place:
        return self.locate(path) if self.locate is not None and path else self.place


class Wrong(ValueError):  # noqa: N818 — it says what the document is
    """Something that its author must mend; `path` leads to it."""

    def __init__(self, message: str, path: Path = (), hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


class CannotApply(ValueError):  # noqa: N818 — it says what the rule is
    """A rule that is right but cannot run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a document says of itself. `id` and `name` are made where it has none; `written` is its own name."""

    id: str
    title: str
    name: str
    written: str = ""
    level: Level = "medium"
    status: Literal["stable", "test", "experimental", "deprecated", "unsupported"] = "stable"
    description: str = ""
    author: str = ""
    date: str = ""
    modified: str = ""
    license: str = ""
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detected:
    """A rule over single events. `names`: which of our fields a field of the rule is. `tells`: its matches are alerts of
    its own; false where only correlations look at them.
    """

    frame: Frame
    place: Place
    node: Node
    names: Callable[[str], tuple[str, ...]]
    logsource: Mapping[str, str]
    fields: tuple[str, ...] = ()
    tells: bool = True


@dataclass(frozen=True, slots=True)
class Bound:
    """One comparison of a correlation's condition."""

    operator: Operator
    number: float


@dataclass(frozen=True, slots=True)
class Said:
    """A part of an extended condition: one rule, or `and`, `or`, `not` over parts."""

    what: Literal["rule", "and", "or", "not"]
    rule: str = ""
    parts: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Correlated:
    """A correlation.

    `rules`      ids of what it refers to, in order; names for rules that are no Sigma documents
    `group_by`   names as the alert will have them
    `fields`     for each of `rules`: name of `group_by` → the field (or label) to look at
    `timespan`   milliseconds
    `condition`  bounds, all of which must hold, or an extended condition
    `values`     for each of `rules`: the fields that value_… looks at
    `percentile` 0 … 100; None where the condition names none
    """

    frame: Frame
    place: Place
    type: CorrelationType
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    fields: tuple[Mapping[str, tuple[str, ...]], ...]
    timespan: int
    condition: tuple[Bound, ...] | Said
    values: tuple[tuple[tuple[str, ...], ...], ...] = ()
    percentile: float | None = None
    tells: bool = True


@dataclass(frozen=True, slots=True)
class SigmaResult:
    """All that was made of a set of documents. `problems` are to be mended; `refused` are the documents that have some."""

    rules: Sequence[Detected | Correlated] = ()
    inapplicable: Sequence[Unloaded] = ()
    refused: Sequence[Unloaded] = ()
    problems: Sequence[Problem] = ()
