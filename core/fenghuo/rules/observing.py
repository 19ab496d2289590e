"""Rules that observe one thing at a time: from observations to cells, from measures to alert steps."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from fenghuo.model import Alert, Event, Level, Table
from fenghuo.rules import lifecycle
from fenghuo.rules.detection import EventIndex, View
from fenghuo.rules.groups import Groups
from fenghuo.rules.lifecycle import Group, Key, hear
from fenghuo.rules.meter import Meter, Timer, thread_timer
from fenghuo.rules.observe import MAX_EVENTS, Measure, Observer, Resuming, Seen
from fenghuo.rules.plan import Listening, Place, RuleState, Source, SourceKey, Track, labels_of, labels_of_agent
from fenghuo.rules.scalar import Scalar, compile_scalar
from fenghuo.rules.snapshot import SavedCell, repacked
from fenghuo.rules.telling import underscored

log = logging.getLogger(__name__)

MAX_HELD = 100_000
"""Observations held back for rules with `lateness`."""
AGAIN_MS = 1_000
"""When a cell's timer rings again that did not get on."""
MAX_CHAIN = 8
"""So many rules may stand on one another's alerts."""


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
            found.append((label, value if isinstance(value, str) else _text(value)))
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


class Observing:
    """The cells of all rules that observe.

    `shard`: number and count, where several engines share the groups: only those of this number are kept here.
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
        self.shard = shard
        self._watchers = {
            state.number: Watcher(state, state.rule.observer) for state in states if state.rule.observer is not None
        }
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
            place = self._reach(watcher, owner, key, table.time)
            if place is None:
                continue
            measure = place.cell.see(seen, 0)
            if measure is not None:
                told[key] = (place, measure, seen)
            self._wait(watcher, place)
        for place, measure, seen in told.values():
            self._judge(watcher, place, measure, max(seen.time, place.heard), seen)
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
                self._drop(watcher, place, time, "ended")

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
            self._see(watcher, number, seen, watcher.owner(agent))
        else:
            self._see_metered(watcher, number, seen, watcher.owner(agent))

    def _hold(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        if len(self._held) >= MAX_HELD:
            self.held_dropped += 1
            return
        due = seen.time + watcher.state.rule.lateness
        heapq.heappush(self._held, (due, seen.time, seen.id, next(self._number), watcher, agent, number, seen))

    def _see_metered(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        """As `_see`, for what does not come with an event."""
        meter = watcher.state.meter
        meter.due -= 1
        if meter.due:
            self._see(watcher, number, seen, agent)
        else:
            began = self._timer()
            self._see(watcher, number, seen, agent)
            meter.add(self._timer() - began)

    def _see(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        key = watcher.key(seen, number)
        if key is None:
            watcher.state.ungrouped += 1
            return
        place = self._reach(watcher, agent, key, seen.time)
        if place is None:
            return
        measure = place.cell.see(seen, number)
        if measure is not None:
            self._judge(watcher, place, measure, max(seen.time, place.heard), seen)
        if watcher.keeps_cells:
            self._wait(watcher, place)

    def _reach(self, watcher: Watcher, agent: str, key: Key, time: int) -> Place | None:
        """The place of a group, brought forward to `time`; None where another shard keeps it."""
        state = watcher.state
        if self.shard is not None and shard_of(state.rule.id, key, self.shard[1]) != self.shard[0]:
            return None
        state.evaluations += 1
        own = (agent, key)
        place = state.cells.get(own)
        if place is None:
            place = Place(watcher.track(agent), key, watcher.observer.start(), time)
            if watcher.keeps_cells:
                self._keep(watcher, own, place, time)
            return place
        state.cells.move_to_end(own)
        place.heard = max(place.heard, time)
        due = place.cell.due
        if due is not None and due < time:
            self._pass(watcher, place, time)
        return place

    # Cells

    def _keep(self, watcher: Watcher, own: tuple[str, Key], place: Place, time: int) -> None:
        cells = watcher.state.cells
        while len(cells) >= watcher.most:
            self._evict(watcher, time)
        cells[own] = place

    def _evict(self, watcher: Watcher, time: int) -> None:
        """Give up the cell that was not heard of for longest."""
        place = next(iter(watcher.state.cells.values()))
        watcher.state.evictions += 1
        self._drop(watcher, place, time, "evicted")

    def _drop(self, watcher: Watcher, place: Place, time: int, reason: str) -> None:
        place.dead = True
        watcher.state.cells.pop((place.track.source.agent, place.key), None)
        group = place.track.groups.get(place.key)
        if group is not None:
            self._groups.resolve(place.track, group, max(time, group.heard), reason)
            self._groups.drop(place.track, group)

    def _wait(self, watcher: Watcher, place: Place, now: int | None = None) -> None:
        """Set the timer of a cell for when it has something to say, or drop it where it holds nothing.

        `now`: its timer rings; a cell that is due once more for the same moment has to wait a little.
        """
        cell = place.cell
        if watcher.counts_given_up:
            watcher.count_given_up(cell)
        due = cell.due
        if due is None:
            if cell.is_empty:
                place.dead = True
                watcher.state.cells.pop((place.track.source.agent, place.key), None)
            return
        due += watcher.settle
        if now is not None and due <= now:
            due = now + AGAIN_MS
        if place.queued is None or due < place.queued:
            place.queued = due
            self._groups.queue(due, place.track, place)

    def ring(self, place: Place, now: int) -> None:
        """The timer of a cell, set for `now`."""
        if place.dead or place.queued != now:
            return
        place.queued = None
        watcher = self._watchers[place.track.state.number]
        self._pass(watcher, place, now - watcher.settle + 1)
        self._wait(watcher, place, now)
        self.feed_back()

    def _pass(self, watcher: Watcher, place: Place, time: int) -> None:
        """Let happen in a cell what was due before `time`, each at its own moment."""
        cell = place.cell
        due = cell.due
        while due is not None and due < time and not place.dead:
            measure = cell.lapse(due)
            place.heard = max(place.heard, due)
            if measure is not None:
                self._judge(watcher, place, measure, due, None)
            before, due = due, cell.due
            if due is not None and due <= before:
                return

    # Measures

    def _judge(self, watcher: Watcher, place: Place, measure: Measure, time: int, seen: Seen | None) -> None:
        values: dict[str, Any] = {**measure.values, "value": measure.value}
        on = measure.on
        if on is None:
            on = watcher.condition is not None and watcher.condition(values)
        track, state = place.track, watcher.state
        if on is None or (on and watcher.is_momentary and self._groups.is_outside(state, time)):
            return
        key = place.key + measure.more
        group = track.groups.get(key)
        if group is not None:
            time = max(time, group.heard)
            # What it was between two measures is known: there is no reading on its way to wait for.
            self._groups.pass_time(track, group, time - 1, settle=0)
        if group is None or group.dead:
            if not on:
                return
            labels = dict(key)
            group = self._groups.make(track, key, labels, labels, time)
        was_firing = group.firing
        level = group.level
        if on:
            state.matches += 1
            level = watcher.level(values)
            self._note(watcher, group, measure, seen)
            if state.rule.holds.lasts is not None:
                group.latched = time
        group.value = measure.value
        is_clear = not on and (measure.on is False or watcher.clear is None or watcher.clear(values) is True)
        was_held, group.held = group.held, False
        holds = state.rule.holds
        step = hear(group, holds, time, on=on, clear=is_clear, level=level)
        self._groups.tell(track, group, step, time if was_held else lifecycle.dated(group, holds, step, time))
        if on and was_firing and step is None and watcher.observer.tells_each:
            self._groups.repeat(track, group, time)
        self._groups.settle(track, group)

    def _note(self, watcher: Watcher, group: Group, measure: Measure, seen: Seen | None) -> None:
        """What messages and evidence will say of the group."""
        group.values = {**group.values, **measure.values}
        if seen is not None:
            for name in watcher.state.rule.wanted:
                value = seen.get(name)
                if value is not None:
                    group.values[name] = value if isinstance(value, int | float | str) else _text(value)
        if watcher.observer.tells_each:
            group.events = [*group.events, *measure.events][-MAX_EVENTS:]
            group.seen += len(measure.events)
        else:
            group.events = list(measure.events)[-MAX_EVENTS:]
            group.seen = len(measure.events)

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

    def save(self, only: Collection[str] | None = None) -> list[SavedCell]:
        """The cells, for a snapshot; `only`: of the rules with these ids."""
        return [
            SavedCell(watcher.state.rule.id, watcher.state.rule.kind, agent, list(key), place.heard, place.cell.save())
            for watcher in self._watchers.values()
            if only is None or watcher.state.rule.id in only
            for (agent, key), place in watcher.state.cells.items()
        ]

    def load(self, saved: Iterable[SavedCell], times: tuple[int, int]) -> None:
        """Cells from a snapshot; those whose rule is no more, or is another now, are passed over.

        `times`: now, and for how many milliseconds nobody listened.
        """
        now, away = times
        by_id = {watcher.state.rule.id: watcher for watcher in self._watchers.values()}
        for entry in saved:
            watcher = by_id.get(entry.rule)
            if watcher is None or watcher.state.rule.kind != entry.kind:
                continue
            try:
                cell = watcher.observer.load(entry.state)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                log.warning(
                    "rule %s: a saved state cannot be read, it starts afresh: %s", watcher.state.rule.name, error
                )
                continue
            key = tuple(entry.key)
            if not watcher.has_key(key) or (
                self.shard is not None and shard_of(entry.rule, key, self.shard[1]) != self.shard[0]
            ):
                continue
            if away and isinstance(cell, Resuming):
                cell.resume(now, away)
            place = Place(watcher.track(entry.agent), key, cell, entry.heard)
            self._keep(watcher, (entry.agent, key), place, now)
            self._wait(watcher, place)

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
                for (agent, key), place in watcher.state.cells.items():
                    taken = Place(own.track(agent), key, place.cell, place.heard)
                    own.state.cells[agent, key] = taken
                    self._wait(own, taken)
        self.load(repacked(old.save(others)), (now, 0))
        for _, _, _, _, watcher, agent, number, seen in sorted(old._held, key=lambda entry: entry[:4]):
            own = heirs.get(watcher.state.number)
            if own is not None and own.state.rule.lateness:
                self._hold(own, number, seen, agent)
            elif own is not None:
                self._see(own, number, seen, agent)


def shard_of(rule_id: str, key: Key, count: int) -> int:
    """Which of `count` engines keeps a group: the same everywhere and for ever."""
    from zlib import crc32  # noqa: PLC0415 — only sharded engines need it

    text = "\0".join((rule_id, *(part for pair in key for part in pair)))
    return crc32(text.encode(errors="surrogatepass")) % count


def _first_of(seen: Seen, fields: tuple[str, ...]) -> Any:
    """The value of the first of these fields that the observation has."""
    return next((value for field in fields if (value := seen.get(field)) is not None), None)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(_text(item) for item in cast("list[Any]", value)))
    return str(value)


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
