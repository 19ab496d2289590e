"""Our kinds under Sigma's correlations: other rules' alerts as observations, and fields that each rule calls otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from fenghuo.model import AlertState
from fenghuo.rules.runtime.observe import MAX_EVENTS, Cell, Measure, Observer, Resuming, Seen

Renamed = Mapping[str, tuple[str, ...]]
"""The name by which a kind asks for a field → the fields to look at, the first that is there counts."""


@dataclass(frozen=True)
class Adapted(Observer):
    """A kind's body, told only of what it understands. `renamed`: for each selection, its names of fields."""

    body: Observer | None = None
    renamed: tuple[Renamed, ...] = ()

    @classmethod
    def over(cls, body: Observer, renamed: Sequence[Renamed] = ()) -> Observer:
        """The body itself where it needs no help."""
        renamed = tuple({name: found for name, found in each.items() if found != (name,)} for each in renamed)
        nothing: Renamed = {}
        if not any(renamed) and not any(selection.rules for selection in body.selections):
            return body
        common = {each.name: getattr(body, each.name) for each in fields(Observer)}
        return cls(**common, body=body, renamed=renamed or (nothing,) * len(body.selections))

    @property
    def counts_given_up(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] — what the body says
        return self.body is not None and self.body.counts_given_up

    def start(self) -> Cell:
        assert self.body is not None
        return _AdaptedCell(self, self.body.start())

    def load(self, saved: Any) -> Cell:
        assert self.body is not None
        return _AdaptedCell(self, self.body.load(saved))


class _AdaptedCell:
    """A cell that hands on what it is told, put as the inner one asks for it."""

    __slots__ = ("_cell", "_of")

    def __init__(self, of: Adapted, cell: Cell) -> None:
        self._of = of
        self._cell = cell

    def see(self, seen: Seen, selection: int) -> Measure | None:
        is_alert = bool(self._of.selections[selection].rules)
        if is_alert and seen.get("alert.state") != AlertState.FIRING:
            return None
        renamed = self._of.renamed[selection]
        if is_alert or renamed:
            id_ = _ids_of(seen) if is_alert else seen.id
            seen = Seen(seen.time, id_, seen.number, _getter(seen.get, renamed))
        return _split(self._cell.see(seen, selection))

    @property
    def due(self) -> int | None:
        return self._cell.due

    def lapse(self, now: int) -> Measure | None:
        return _split(self._cell.lapse(now))

    def resume(self, now: int, away: int) -> None:
        """As `Resuming`."""
        if isinstance(self._cell, Resuming):
            self._cell.resume(now, away)

    @property
    def given_up(self) -> int:
        return cast("Any", self._cell).given_up

    @given_up.setter
    def given_up(self, count: int) -> None:
        cast("Any", self._cell).given_up = count

    @property
    def is_empty(self) -> bool:
        return self._cell.is_empty

    def save(self) -> Any:
        return self._cell.save()


def _getter(get: Callable[[str], Any], renamed: Renamed) -> Callable[[str], Any]:
    def look(field: str) -> Any:
        names = renamed.get(field)
        if names is None:
            return get(field)
        return next((value for name in names if (value := get(name)) is not None), None)

    return look


def _ids_of(seen: Seen) -> str:
    """The ids of the events behind an alert, a line each: they travel as one."""
    found = seen.get("alert.event_ids")
    ids = cast("Sequence[Any]", found) if isinstance(found, list | tuple) else ()
    return "\n".join(map(str, ids[-MAX_EVENTS:]))


def _split(measure: Measure | None) -> Measure | None:
    if measure is not None and any("\n" in each for each in measure.events):
        ids = (id_ for each in measure.events for id_ in each.split("\n"))
        measure.events = list(dict.fromkeys(ids))[-MAX_EVENTS:]
    return measure
