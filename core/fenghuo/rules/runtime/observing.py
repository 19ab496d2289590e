"""Rules that observe one thing at a time: events, rows of tables and alerts, given to the cells that they are about."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fenghuo.model import Alert, Event, Table
from fenghuo.rules.detection import EventIndex, View
from fenghuo.rules.runtime.cells import Cells
from fenghuo.rules.runtime.groups import Groups
from fenghuo.rules.runtime.lifecycle import Key
from fenghuo.rules.runtime.meter import Meter, Timer, thread_timer
from fenghuo.rules.runtime.observe import Measure, Seen
from fenghuo.rules.runtime.plan import Listening, Place, RuleState, labels_of, labels_of_agent
from fenghuo.rules.runtime.snapshot import repacked
from fenghuo.rules.runtime.watching import Watcher

MAX_HELD = 100_000
"""Observations held back for rules with `lateness`."""
MAX_CHAIN = 8
"""So many rules may stand on one another's alerts."""


class Observing:
    """All rules that observe.

    `cells`: what they keep. `shard`: number and count, where several engines share the groups (`Cells`). `meter`: what it
    costs to find the rules that an event is about.
    `held_dropped` counts observations given up because too many were held back.
    """

    def __init__(
        self,
        states: Iterable[RuleState],
        groups: Groups,
        shard: tuple[int, int] | None = None,
        timer: Timer = thread_timer,
    ) -> None:
        self._groups = groups
        self._watchers = {
            state.number: Watcher(state, state.rule.observer) for state in states if state.rule.observer is not None
        }
        self.cells = Cells(self._watchers, groups, shard)
        selections = [
            (watcher, number, selection)
            for watcher in self._watchers.values()
            for number, selection in enumerate(watcher.observer.selections)
        ]
        self._index = EventIndex([(s.when, (watcher, number)) for watcher, number, s in selections if s.when])
        self._on_alerts: dict[str, list[tuple[Watcher, int]]] = {}
        for watcher, number, selection in selections:
            for name in selection.rules:
                self._on_alerts.setdefault(name, []).append((watcher, number))
        groups.observed = frozenset(self._on_alerts)
        self._held: list[tuple[int, int, str, int, Watcher, str, int, Seen]] = []
        self._number = itertools.count()
        self._timer = timer
        self.meter = Meter()
        self.held_dropped = 0

    # Observations

    def event(self, event: Event, agent: str) -> None:
        """Observe an event."""
        self.meter.due -= 1
        if not self.meter.due:
            self._time_event(event, agent)
            return
        matching = self._index.matching(view := View(event.document))
        if not matching:
            return
        seen = Seen(event.time, event.id, None, view.get)
        for watcher, number in matching:
            self._take(watcher, number, seen, agent)
        self.feed_back()

    def _time_event(self, event: Event, agent: str) -> None:
        """As `event`, and take the time: of finding the rules that it is about, and of each of them."""
        timer, weight = self._timer, self.meter.weight
        began = timer()
        matching = self._index.matching(view := View(event.document))
        self.meter.add(timer() - began)
        seen = Seen(event.time, event.id, None, view.get)
        for watcher, number in matching:
            began = timer()
            self._take(watcher, number, seen, agent)
            watcher.state.meter.nanoseconds += (timer() - began) * weight
        self.feed_back()

    def alert(self, alert: Alert, agent: str) -> None:
        """Observe an alert that another engine told."""
        self._see_alert(alert, agent)
        self.feed_back()

    def table(
        self, listening: Listening, values: Sequence[Any], of: Sequence[Any] | None, table: Table, agent: str
    ) -> None:
        """Observe the rows of a table, which was held back already where its rule says so.

        `of`: what the rule's second expression says. A group with several rows is judged after the last of them.
        """
        watcher = self._watchers[listening.state.number]
        owner = watcher.owner(agent)
        told: dict[Key, tuple[Place, Measure, Seen]] = {}
        for row, key in zip(listening.rows, listening.keys, strict=True):
            value, other = values[row], None if of is None else of[row]
            if value is None or (other is None and of is not None):
                continue
            seen = Seen(table.time, "", value, _row_getter(table, row), other)
            place = self.cells.reach(watcher, owner, key, table.time)
            if place is None:
                continue
            measure = place.cell.see(seen, 0)
            if measure is not None:
                told[key] = (place, measure, seen)
            self.cells.wait(watcher, place)
        for place, measure, seen in told.values():
            self.cells.judge(watcher, place, measure, max(seen.time, place.heard), seen)
        self.feed_back()

    def end(self, listening: Listening, time: int, agent: str) -> None:
        """The series of a layout end: their cells are forgotten, what fires for them is resolved.

        Groups of several series stay: what these have said leaves their windows by and by.
        """
        watcher = self._watchers[listening.state.number]
        if watcher.state.rule.section.group_by is not None:
            return
        for key in set(listening.keys):
            place = watcher.state.cells.get((watcher.owner(agent), key))
            if place is not None:
                self.cells.drop(watcher, place, time, "ended")

    def feed_back(self) -> None:
        """Alerts of rules that others stand on are observations too; to be called after each thing that may tell some."""
        if not self._on_alerts:
            return
        waiting = deque((news, 0) for news in self._groups.take_news())
        while waiting:
            (alert, agent), depth = waiting.popleft()
            if depth < MAX_CHAIN:
                self._see_alert(alert, agent)
                waiting.extend((each, depth + 1) for each in self._groups.take_news())

    def _see_alert(self, alert: Alert, agent: str) -> None:
        for watcher, number in self._on_alerts.get(alert.rule_name, ()):
            self._take(watcher, number, Seen(alert.time, "", None, _alert_getter(alert, agent)), agent)

    def _take(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        if watcher.lateness:
            self._hold(watcher, number, seen, watcher.owner(agent))
        elif seen.id:
            self.cells.see(watcher, number, seen, watcher.owner(agent))
        else:
            self._see_metered(watcher, number, seen, watcher.owner(agent))

    def _hold(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        if len(self._held) >= MAX_HELD:
            self.held_dropped += 1
            return
        due = seen.time + watcher.state.rule.lateness
        heapq.heappush(self._held, (due, seen.time, seen.id, next(self._number), watcher, agent, number, seen))

    def _see_metered(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        """Observe what does not come with an event."""
        meter = watcher.state.meter
        meter.due -= 1
        if meter.due:
            self.cells.see(watcher, number, seen, agent)
        else:
            began = self._timer()
            self.cells.see(watcher, number, seen, agent)
            meter.add(self._timer() - began)

    # Time

    @property
    def due(self) -> int | None:
        """When an observation held back is to be judged."""
        return self._held[0][0] if self._held else None

    def release(self) -> None:
        """Judge the observation that was held back for longest."""
        _, _, _, _, watcher, agent, number, seen = heapq.heappop(self._held)
        self._see_metered(watcher, number, seen, agent)
        self.feed_back()

    # State

    def inherit(self, old: Observing, states: Mapping[int, RuleState], now: int) -> None:
        """Go on with the cells of another, with what it held back and its counts.

        `states`: the old rule's number → the state of its heir. Cells of a rule that is the very same are taken as they are.
        """
        self.meter, self.held_dropped = old.meter, old.held_dropped
        heirs = {number: self._watchers[state.number] for number, state in states.items() if state.rule.observer}
        others = {state.rule.id for state in states.values()}
        for number, own in heirs.items():
            watcher = old._watchers[number]
            if watcher.observer is own.observer:
                others.discard(own.state.rule.id)
                self.cells.take_over(own, watcher)
        self.cells.load(repacked(old.cells.save(others)), (now, 0))
        for _, _, _, _, watcher, agent, number, seen in sorted(old._held, key=lambda entry: entry[:4]):
            own = heirs.get(watcher.state.number)
            if own is not None and own.state.rule.lateness:
                self._hold(own, number, seen, agent)
            elif own is not None:
                self.cells.see(own, number, seen, agent)


def _row_getter(table: Table, row: int) -> Callable[[str], Any]:
    layout = table.layout

    def get(field: str) -> Any:
        position = layout.positions.get(field)
        return labels_of(layout, row).get(field) if position is None else table.columns[position][row]

    return get


def _alert_getter(alert: Alert, agent: str) -> Callable[[str], Any]:
    labels = {**labels_of_agent(agent), **alert.labels}

    def get(field: str) -> Any:
        found = labels.get(field)
        if found is None:
            found = labels.get(field.replace(".", "_"))
        if found is None and field.startswith("alert."):
            return getattr(alert, field.removeprefix("alert."), None)
        return found

    return get
