"""A rule that observes, made ready: its conditions compiled, the groups of its observations found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fenghuo.model import Level
from fenghuo.rules.language.scalar import Scalar, compile_scalar
from fenghuo.rules.runtime.lifecycle import Key
from fenghuo.rules.runtime.observe import Observer, Seen
from fenghuo.rules.runtime.plan import RuleState, Source, SourceKey, Track
from fenghuo.rules.runtime.telling import underscored


class Watcher:
    """A rule that observes, its conditions compiled."""

    def __init__(self, state: RuleState, observer: Observer) -> None:
        self.state = state
        self.observer = observer
        self.condition = None if observer.condition is None else compile_scalar(observer.condition)
        self.clear = None if observer.clear is None else compile_scalar(observer.clear)
        self.levels: list[tuple[Level, Scalar | None]] = [
            (level, None if node is None else compile_scalar(node)) for level, node in state.rule.levels
        ]
        group_by = sorted(state.rule.section.group_by or ())
        self.group_by = tuple((name, underscored(name)) for name in group_by)
        self._fields = tuple(
            tuple((selection.fields.get(name, name), label) for name, label in self.group_by)
            for selection in observer.selections
        )
        self.tracks: dict[str, Track] = {}
        self.most = state.rule.section.limits.groups
        self.lateness = state.rule.lateness
        self.settle = state.rule.holds.settle + state.rule.lateness
        self.sees_all_agents = state.rule.section.runs == "collector"
        self.is_momentary = state.rule.holds.lasts is not None
        self.keeps_cells = not observer.keeps_nothing
        self.counts_given_up = observer.counts_given_up

    def owner(self, agent: str) -> str:
        """Whose cells an agent's observations go to: its own, or those of all agents."""
        return "" if self.sees_all_agents else agent

    def count_given_up(self, cell: Any) -> None:
        """Take over what a cell gave up for want of room."""
        if cell.given_up:
            self.state.given_up += cell.given_up
            cell.given_up = 0

    def key(self, seen: Seen, selection: int) -> Key | None:
        """The group of an observation; None where it lacks a field of `group_by`."""
        found: list[tuple[str, str]] = []
        for field, label in self._fields[selection]:
            value = seen.get(field) if isinstance(field, str) else _first_of(seen, field)
            if value is None or value == "":
                return None
            found.append((label, value if isinstance(value, str) else text_of(value)))
        return tuple(found)

    def track(self, agent: str) -> Track:
        """Where the groups of an agent are."""
        track = self.tracks.get(agent)
        if track is None:
            key: SourceKey = (agent, "", ())
            track = self.tracks[agent] = self.state.tracks.setdefault(key, Track(self.state, Source(key)))
        return track

    def has_key(self, key: Key) -> bool:
        """Whether a group could have this key: not if the rule grouped by something else when it was saved."""
        group_by = self.state.rule.section.group_by
        if group_by is None:
            return not key or self.observer.data is not None
        names = {name for name, _ in key}
        return names in ({name for name, _ in self.group_by}, {label for _, label in self.group_by})

    def level(self, values: Mapping[str, Any]) -> Level:
        """The highest level whose condition is true; the lowest one where none is."""
        found = self.levels[0][0]
        for level, condition in self.levels:
            if condition is None or condition(values) is True:
                found = level
        return found


def _first_of(seen: Seen, fields: tuple[str, ...]) -> Any:
    """The value of the first of these fields that the observation has."""
    return next((value for field in fields if (value := seen.get(field)) is not None), None)


def text_of(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(text_of(item) for item in cast("list[Any]", value)))
    return str(value)
