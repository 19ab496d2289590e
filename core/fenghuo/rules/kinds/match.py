"""`match`: an event that meets the rule's selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.fleeting import Fleeting
from fenghuo.rules.kinds.observed import FOREVER, EventSection, read_selection
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen


class MatchSection(EventSection):
    kind: Literal["match"] = Field(description="Events that meet a condition, each told.")
    lasts: Duration = Field(default=300, description="How long an alert stays after the last event that matched.")


class _MatchCell(Fleeting):
    def see(self, seen: Seen, selection: int) -> Measure:
        del selection
        return Measure(value=1, on=True, events=(seen.id,), since=seen.time)


_CELL = _MatchCell()


@dataclass(frozen=True)
class MatchBody(Observer):
    """On at each event; off when none came for as long as it `lasts`, which the life cycle knows."""

    tells_each: bool = True

    keeps_nothing = True

    def start(self) -> Cell:
        return _CELL

    def load(self, saved: Any) -> Cell:
        del saved
        return _CELL


def _read(section: MatchSection, reader: Reader) -> tuple[MatchBody, Holds] | None:
    selection = read_selection(section, reader)
    if selection is None:
        return None
    return MatchBody((selection,)), holds_of(section, stale=FOREVER, lasts=milliseconds(section.lasts), settle=0)


MATCH = Kind("match", MatchSection, _read)
