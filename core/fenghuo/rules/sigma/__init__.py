"""Sigma rules, correlations and filters (specification 2.1), read by pySigma and run by our own kinds.

Importing this package loads neither pySigma nor anything heavy: that comes with the first Sigma document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fenghuo.rules.sigma.documents import SigmaDocument, SigmaResult

if TYPE_CHECKING:
    from fenghuo.errors import Problem
    from fenghuo.rules.detection import Node
    from fenghuo.rules.rule import Rule, Unloaded

__all__ = ["LoadedSigma", "SigmaDocument", "SigmaResult", "detection_of", "is_sigma", "load_sigma", "read_sigma"]

_SECTIONS = ("detection", "correlation", "filter", "pipeline", "action")


def is_sigma(data: Mapping[str, Any]) -> bool:
    """Whether a document is Sigma's: it has no `kind`, and a detection, a correlation, a filter or a pipeline (or the old `action`)."""
    return "kind" not in data and any(section in data for section in _SECTIONS)


@dataclass(frozen=True, slots=True)
class LoadedSigma:
    """The rules of a set of documents, ready for the engine, and what became of the others."""

    rules: Sequence[Rule]
    inapplicable: Sequence[Unloaded]
    refused: Sequence[Unloaded]
    problems: Sequence[Problem]


def load_sigma(
    documents: Sequence[SigmaDocument],
    *,
    pipelines: Sequence[Path] = (),
    placeholders: Mapping[str, Sequence[str]] | None = None,
    known: Sequence[str] = (),
) -> LoadedSigma:
    """As `read_sigma`, with the rules as the engine takes them."""
    from fenghuo.rules.sigma.rules import rules_of  # noqa: PLC0415 — loads pySigma

    read = read_sigma(documents, pipelines=pipelines, placeholders=placeholders, known=known)
    rules, inapplicable = rules_of(read.rules)
    return LoadedSigma(rules, [*read.inapplicable, *inapplicable], read.refused, read.problems)


def read_sigma(
    documents: Sequence[SigmaDocument],
    *,
    pipelines: Sequence[Path] = (),
    placeholders: Mapping[str, Sequence[str]] | None = None,
    known: Sequence[str] = (),
) -> SigmaResult:
    """All Sigma documents of a set, which may speak of one another; pipeline documents hold for all of them.

    `pipelines` are pipeline files beside these and the shipped one, those that matter most first. `placeholders`: values of
    `%name%`. `known`: names of rules of other kinds that correlations may speak of.
    """
    from fenghuo.rules.sigma.read import SetReader  # noqa: PLC0415 — loads pySigma

    return SetReader.of(documents, pipelines, placeholders or {}, known).read(documents)


def detection_of(logsource: Mapping[str, str], detection: Mapping[str, Any] | None) -> Node:
    """The condition of a native rule's `logsource` and `detection`. ValueError says what is wrong, or why it cannot apply."""
    from fenghuo.rules.sigma.pipeline import Pipelines, shipped  # noqa: PLC0415 — rules over readings need none of it

    source = {key: value.lower() for key, value in logsource.items() if key != "definition"}
    if detection is None:
        return Pipelines([shipped()]).source(source).where
    from fenghuo.rules.sigma.read import SetReader  # noqa: PLC0415 — loads pySigma

    return SetReader((), {}, ()).native(source, detection)
