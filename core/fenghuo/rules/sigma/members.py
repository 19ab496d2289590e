"""The documents of a set on their way to being rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fenghuo.errors import Problem
from fenghuo.rules.detection import TreeError
from fenghuo.rules.rule import Unloaded
from fenghuo.rules.sigma.correlations import Section
from fenghuo.rules.sigma.documents import CannotApply, Correlated, Detected, Frame, SigmaDocument, Wrong
from fenghuo.rules.sigma.frame import text_of
from fenghuo.rules.sigma.pipeline import LogSource, Source


@dataclass(slots=True, eq=False)
class Member:
    """One document. `wrong`: what must be mended; `reason`: why it cannot apply; `made`: the rule."""

    source: SigmaDocument
    frame: Frame
    wrong: list[Wrong] = field(default_factory=list[Wrong])
    reason: str = ""
    made: Detected | Correlated | None = None
    logsource: LogSource = field(default_factory=dict[str, str])
    fields: Source | None = None
    section: Section | None = None

    @property
    def data(self) -> Mapping[str, Any]:
        return self.source.data

    @property
    def is_well(self) -> bool:
        return not self.wrong and not self.reason

    def attempt(self, read: Callable[[Member], None], *, in_any_case: bool = False) -> None:
        """Do a step; what stands against it is noted. `in_any_case`: also where other things are wrong, to tell all."""
        if self.reason or (self.wrong and not in_any_case):
            return
        try:
            read(self)
        except Wrong as error:
            self.wrong.append(error)
        except CannotApply as error:
            self.reason = str(error)
        except TreeError as error:
            self.wrong.append(Wrong(str(error)))

    def unloaded(self, reason: str) -> Unloaded:
        return Unloaded(self.frame.id, self.frame.title, self.source.place, reason)

    def problems(self) -> list[Problem]:
        return [self._problem(error) for error in self.wrong]

    def _problem(self, error: Wrong) -> Problem:
        label = ".".join(error.path)
        return Problem(self.source.at(error.path), f"{label}: {error}" if label else str(error), error.hint)


def references(members: Iterable[Member]) -> dict[str, Member]:
    """Documents by their ids and by the names that their authors gave them, in small letters."""
    found: dict[str, Member] = {}
    for member in members:
        for key in (member.frame.id, member.frame.written.lower(), text_of(member.data.get("id")).lower()):
            if key:
                found.setdefault(key, member)
    return found
