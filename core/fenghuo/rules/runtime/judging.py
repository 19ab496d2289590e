"""Rules that judge whole tables: from tables to alert steps, in event time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from fenghuo.model import Layout, Level, Table
from fenghuo.rules.language.columns import Column, Frame
from fenghuo.rules.runtime import lifecycle
from fenghuo.rules.runtime.groups import Groups
from fenghuo.rules.runtime.lifecycle import Group, Key, hear
from fenghuo.rules.runtime.meter import Timer
from fenghuo.rules.runtime.observing import Observing
from fenghuo.rules.runtime.plan import (
    Index,
    Lane,
    Listening,
    Plan,
    RuleState,
    Source,
    SourceKey,
    Watch,
    label_key,
    labels_of,
    make_lanes,
    row_key,
)
from fenghuo.rules.runtime.silence import Silences

MAX_SOURCES = 50_000
MAX_HELD = 20_000
"""Tables held back for rules with `lateness`."""


class Judging:
    """All rules that look at tables, and what is remembered of the sources of these.

    `rate_gap`: over a longer silence of a counter no rate is taken, in milliseconds. Rows that rules observe one by one go on
    to `observing`. Counts: `held_dropped` tables, `sources_evicted`.
    """

    def __init__(
        self, states: Sequence[RuleState], groups: Groups, observing: Observing, rate_gap: int, timer: Timer
    ) -> None:
        self.sources: dict[SourceKey, Source] = {}
        self.silences = Silences(groups)
        self.held_dropped = 0
        self.sources_evicted = 0
        self._states = states
        self._groups = groups
        self._observing = observing
        self._rate_gap = rate_gap
        self._timer = timer
        self._index = Index(states)
        self._plans: dict[str, WeakKeyDictionary[Layout, Plan]] = {}
        self._held: list[tuple[int, int, Key, int, Lane, Table]] = []
        self._number = itertools.count()

    def table(self, table: Table, agent: str) -> None:
        """Judge one table."""
        plan = self._plan(table.layout, agent)
        if plan.lanes:
            plan.source.heard = max(plan.source.heard, table.time)
            for lane in plan.lanes:
                if lane.lateness:
                    self._hold(lane, table)
                else:
                    self._judge(lane, table)
            self._observing.feed_back()

    # Sources and plans

    def _plan(self, layout: Layout, agent: str) -> Plan:
        plans = self._plans.get(agent)
        if plans is None:
            plans = self._plans[agent] = WeakKeyDictionary()
        plan = plans.get(layout)
        if plan is None:
            plan = plans[layout] = self._make_plan(layout, agent)
        return plan

    def _make_plan(self, layout: Layout, agent: str) -> Plan:
        key = (agent, layout.name, tuple(sorted(layout.labels.items())))
        candidates = self._index.candidates(layout) if layout.height else []
        if not candidates:
            return Plan(Source(key), [])
        source = self.source(key)
        return Plan(source, make_lanes(layout, source, candidates))

    def source(self, key: SourceKey) -> Source:
        """What is known of a source; a new one takes the place of others where there are too many."""
        source = self.sources.get(key)
        if source is None:
            if len(self.sources) >= MAX_SOURCES:
                self._evict_sources()
            source = self.sources[key] = Source(key)
        return source

    def _evict_sources(self) -> None:
        """Forget the sixteenth of the sources that was not heard of for longest and has nothing pending or firing."""
        idle = [
            source
            for source in self.sources.values()
            if not any(track.groups for state in self._states if (track := state.tracks.get(source.key)))
        ]
        idle.sort(key=lambda source: source.heard)
        for source in idle[: max(1, MAX_SOURCES // 16)]:
            del self.sources[source.key]
            source.memories.clear()
            for state in self._states:
                state.tracks.pop(source.key, None)
            self.sources_evicted += 1
        self._plans.clear()

    # Tables

    def _hold(self, lane: Lane, table: Table) -> None:
        if len(self._held) >= MAX_HELD:
            self.held_dropped += 1
            return
        # Of two of one moment the same one comes first, whichever arrived first.
        order = tuple(sorted(table.layout.labels.items()))
        heapq.heappush(self._held, (table.time + lane.lateness, table.time, order, next(self._number), lane, table))

    def _judge(self, lane: Lane, table: Table) -> None:
        layout = table.layout
        if table.ended:
            self._end(lane, table)
            return
        rates: dict[str, Column] = {}

        def rate(name: str) -> Column:
            found = rates.get(name)
            if found is None:
                found = rates[name] = self._rates(lane, table, name)
            return found

        for _, memory, bits in lane.memories:
            if memory.layout is not layout:
                memory.adopt(layout, bits)
        frame = Frame(table.columns, layout.height, rate, lane.by_field)
        for watch in lane.watches:
            meter = watch.state.meter
            meter.due -= 1
            if meter.due:
                self._watch(watch, frame, table)
            else:
                began = self._timer()
                self._watch(watch, frame, table)
                meter.add(self._timer() - began)
        for listening in lane.listening:
            meter = listening.state.meter
            meter.due -= 1
            if meter.due:
                self._listen(listening, frame, table, lane.agent)
            else:
                began = self._timer()
                self._listen(listening, frame, table, lane.agent)
                meter.add(self._timer() - began)
        lane.take(table)
        for watch in lane.watches:
            if watch.state.rule.body.silence is not None and watch.track.silence_due is None:
                self.silences.queue(watch.track, table.time)

    def _listen(self, listening: Listening, frame: Frame, table: Table, agent: str) -> None:
        frame.watch(listening.data)
        of = listening.of(frame) if listening.of is not None else None
        self._observing.table(listening, frame.value, of, table, agent)

    def _rates(self, lane: Lane, table: Table, name: str) -> Column:
        column = table.columns[lane.positions[name]]
        return lane.by_field[name].rates(table, column, self._rate_gap)

    def _watch(self, watch: Watch, frame: Frame, table: Table) -> None:
        track, state, time = watch.track, watch.state, table.time
        if time <= track.time and (time < track.time or table.layout is track.layout):
            state.late += 1
            return
        track.time = time
        track.layout = table.layout
        state.evaluations += 1
        if track.silence_due is not None and track.silence_due <= time:
            self.silences.check(track, time)
        if watch.version != track.version:
            watch.bind(table.layout)
        if watch.active:
            for group in set(watch.active.values()):
                self._groups.pass_time(track, group, time)
            if watch.version != track.version:
                watch.bind(table.layout)
        verdicts = watch.form.judge(frame, time, watch.active)
        if verdicts and watch.rows is not None:
            rows = watch.rows
            verdicts = [verdict for verdict in verdicts if verdict[0] in rows]
        if verdicts:
            self._hear_all(watch, frame, table, verdicts)

    def _hear_all(self, watch: Watch, frame: Frame, table: Table, verdicts: Sequence[tuple[int, bool, bool]]) -> None:
        """Take the verdicts of a table: several rows of one group are on if one is, clear if all are."""
        if watch.state.rule.section.group_by is None:
            for row, on, clear in verdicts:
                self._hear(watch, frame, table, row, on=on, clear=clear, group=watch.active.get(row))
            return
        folded: dict[Key, tuple[int, bool, bool]] = {}
        for row, on, clear in verdicts:
            key = label_key(labels_of(table.layout, row), watch.state.rule.section.group_by)
            first = folded.get(key)
            if first is None:
                folded[key] = (row, on, clear)
            else:
                folded[key] = (row if on and not first[1] else first[0], on or first[1], clear and first[2])
        for key, (row, on, clear) in folded.items():
            self._hear(watch, frame, table, row, on=on, clear=clear, group=watch.track.groups.get(key))

    def _hear(
        self, watch: Watch, frame: Frame, table: Table, row: int, *, on: bool, clear: bool, group: Group | None
    ) -> None:
        state, holds, time = watch.state, watch.state.rule.holds, table.time
        if on:
            state.matches += 1
        if group is None:
            if not on:
                return
            labels = labels_of(table.layout, row)
            group = self._groups.add(watch.track, row_key(table.layout, row), labels, time)
        elif time <= group.heard:
            return
        level = group.level
        if on:
            if state.rule.body.latches and group.latched is None:
                group.latched = time
            level = self._level(watch, frame, row)
        if row < len(frame.value):
            group.value = frame.value[row]
        group.values = watch.values_at(frame, row)
        was_held, group.held = group.held, False
        step = hear(group, holds, time, on=on, clear=clear, level=level)
        self._groups.tell(watch.track, group, step, time if was_held else lifecycle.dated(group, holds, step, time))
        self._groups.settle(watch.track, group)

    def _level(self, watch: Watch, frame: Frame, row: int) -> Level:
        """The highest level whose condition is true; the lowest one where none is."""
        if frame.levels is None:
            frame.levels = [condition(frame) if condition else None for _, condition in watch.form.levels]
        levels = watch.form.levels
        found = levels[0][0]
        for (level, _), truths in zip(levels, frame.levels, strict=True):
            if truths is None or truths[row]:
                found = level
        return found

    def _end(self, lane: Lane, table: Table) -> None:
        """The series of a layout end: what fires for them is resolved, what is known of them forgotten."""
        for watch in lane.watches:
            watch.bind(table.layout)
            for group in set(watch.active.values()):
                self._groups.resolve(watch.track, group, max(table.time, group.heard), "ended")
                self._groups.drop(watch.track, group)
        for listening in lane.listening:
            self._observing.end(listening, table.time, lane.agent)
        for _, memory, _ in lane.memories:
            memory.forget(table.layout)

    # Time

    @property
    def due(self) -> int | None:
        """When a table held back is to be judged."""
        return self._held[0][0] if self._held else None

    def release(self) -> None:
        """Judge the table that was held back for longest."""
        _, _, _, _, lane, table = heapq.heappop(self._held)
        self._judge(lane, table)

    # State

    def inherit(self, old: Judging) -> None:
        """Go on with the sources and the counts of another; what it held back is taken later (`inherit_held`)."""
        self.sources = old.sources
        self.held_dropped, self.sources_evicted = old.held_dropped, old.sources_evicted

    def inherit_held(self, old: Judging) -> None:
        """Hold back what another did."""
        for _, _, _, _, lane, table in sorted(old._held, key=lambda entry: entry[:4]):
            for own in self._plan(table.layout, lane.agent).lanes:
                if own.lateness == lane.lateness:
                    self._hold(own, table)
