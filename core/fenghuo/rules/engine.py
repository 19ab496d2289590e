"""The rule engine: tables in, alert steps out, in event time."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from fenghuo.clock import Clock
from fenghuo.model import Alert, Event, Layout, Level, Table
from fenghuo.rules import lifecycle, snapshot
from fenghuo.rules.columns import Column, Frame
from fenghuo.rules.groups import Groups
from fenghuo.rules.lifecycle import Group, Key, Step, hear
from fenghuo.rules.memory import Memory
from fenghuo.rules.meter import Meter, Timer, thread_timer
from fenghuo.rules.observing import Observing
from fenghuo.rules.plan import (
    Index,
    Lane,
    Listening,
    Place,
    Plan,
    RuleState,
    Source,
    SourceKey,
    Track,
    Watch,
    label_key,
    labels_of,
    make_lanes,
    row_key,
)
from fenghuo.rules.rule import RuleSet
from fenghuo.rules.succession import goes_on, still_meets
from fenghuo.rules.telling import Telling

log = logging.getLogger(__name__)

MAX_SOURCES = 50_000
MAX_HELD = 20_000
"""Tables held back for rules with `lateness`."""
RATE_GAP_MS = 900_000
AHEAD_MS = 600_000
"""So far ahead of the clock agent and collector believe what comes."""
SUPPRESSED_AGAIN_MS = 10_000


class Engine:
    """Judges tables by rules.

    `agent` is the agent whose tables these are, where `process` does not say it; it is part of every fingerprint.
    `rate_gap_ms`: over a longer silence of a counter no rate is taken. `ahead_ms`: what lies further ahead of the clock is
    the work of a wrong one and judged as if it were of now, so that no window slides on for all the others; None: anything
    is believed, as in a replay.
    Not for use from several threads. Counts: `states` (by rule), `held_dropped`, `sources_evicted`, `ahead`.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        clock: Clock,
        agent: str = "",
        rate_gap_ms: int = RATE_GAP_MS,
        shard: tuple[int, int] | None = None,
        timer: Timer = thread_timer,
        ahead_ms: int | None = None,
    ) -> None:
        self.rules = rules
        self.states: tuple[RuleState, ...] = tuple(RuleState(rule, number) for number, rule in enumerate(rules.rules))
        self.held_dropped = 0
        self.sources_evicted = 0
        self.ahead = 0
        self.clock = clock
        self._ahead_ms = ahead_ms
        self._agent = agent
        self._rate_gap = rate_gap_ms
        self._index = Index(self.states)
        self._plans: dict[str, WeakKeyDictionary[Layout, Plan]] = {}
        self._sources: dict[SourceKey, Source] = {}
        self._groups = Groups(self.states)
        self._timer = timer
        self._observing = Observing(self.states, self._groups, shard, timer)
        self._held: list[tuple[int, int, Key, int, Lane, Table]] = []
        self._number = itertools.count()

    # Tables

    def process(self, table: Table, agent: str | None = None) -> list[Alert]:
        """Judge one table; the alert steps that follow from it, in order."""
        if self._ahead_ms is not None and (now := self._now_for(table)) is not None:
            table = replace(table, time=now)
        plan = self._plan(table.layout, self._agent if agent is None else agent)
        if plan.lanes:
            plan.source.heard = max(plan.source.heard, table.time)
            for lane in plan.lanes:
                if lane.lateness:
                    self._hold(lane, table)
                else:
                    self._judge(lane, table)
            self._observing.feed_back()
        return self._groups.take_told()

    # Events

    def event(self, event: Event, agent: str | None = None) -> list[Alert]:
        """Judge one event; the alert steps that follow from it, in order."""
        if self._ahead_ms is not None and (now := self._now_for(event)) is not None:
            event = replace(event, time=now)
        self._observing.event(event, self._agent if agent is None else agent)
        return self._groups.take_told()

    def alert(self, alert: Alert, agent: str | None = None) -> list[Alert]:
        """Judge an alert step of another engine by the rules that stand on such alerts."""
        self._observing.alert(alert, self._agent if agent is None else agent)
        return self._groups.take_told()

    def _now_for(self, what: Table | Event) -> int | None:
        """The present moment for what lies too far ahead of it; None for what can be."""
        now = self.clock.now()
        if self._ahead_ms is None or what.time <= now + self._ahead_ms:
            return None
        self.ahead += 1
        return now

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
        source = self._source(key)
        return Plan(source, make_lanes(layout, source, candidates))

    def _source(self, key: SourceKey) -> Source:
        source = self._sources.get(key)
        if source is None:
            if len(self._sources) >= MAX_SOURCES:
                self._evict_sources()
            source = self._sources[key] = Source(key)
        return source

    def _evict_sources(self) -> None:
        """Forget the sixteenth of the sources that was not heard of for longest and has nothing pending or firing."""
        idle = [
            source
            for source in self._sources.values()
            if not any(track.groups for state in self.states if (track := state.tracks.get(source.key)))
        ]
        idle.sort(key=lambda source: source.heard)
        for source in idle[: max(1, MAX_SOURCES // 16)]:
            del self._sources[source.key]
            source.memories.clear()
            for state in self.states:
                state.tracks.pop(source.key, None)
            self.sources_evicted += 1
        self._plans.clear()

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
                self._queue_silence(watch.track, table.time)

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
            self._check_silence(track, time)
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
        """When `advance` has something to do next, Unix milliseconds; None while nothing waits."""
        due = self._observing.due
        for waiting in (self._groups.timers, self._held):
            if waiting and (due is None or waiting[0][0] < due):
                due = waiting[0][0]
        return due

    def advance(self, now_ms: int) -> list[Alert]:
        """Let time pass: hold times, silences, readings held back. Cheap; to be called about once a second."""
        while (due := self.due) is not None and due <= now_ms:
            # Each at its own moment, so that it does not matter how often this is called.
            self._groups.now = max(self._groups.now, due)
            timers = self._groups.timers
            if timers and timers[0][0] == due:
                _, _, _, track, group = heapq.heappop(timers)
                if isinstance(group, Place):
                    self._observing.cells.ring(group, due)
                else:
                    self._ring(track, group, due - track.state.rule.lateness)
            elif self._observing.due == due:
                self._observing.release()
            else:
                _, _, _, _, lane, table = heapq.heappop(self._held)
                self._judge(lane, table)
            self._observing.feed_back()
        self._groups.now = max(self._groups.now, now_ms)
        return self._groups.take_told()

    def _ring(self, track: Track, group: Group | None, moment: int) -> None:
        """A timer is due at `moment`, in event time."""
        if group is None:
            self._check_silence(track, moment)
        elif not group.dead:
            group.queued = None
            self._groups.pass_time(track, group, moment)
            if not group.dead:
                self._groups.settle(track, group)

    def _queue_silence(self, track: Track, since: int) -> None:
        rule = track.state.rule
        assert rule.body.silence is not None
        track.silence_due = since + rule.body.silence + rule.holds.settle
        self._groups.queue(track.silence_due + rule.lateness, track, None)

    def _check_silence(self, track: Track, now: int) -> None:
        """Fire for the series of a source that are silent at `now`, in event time; look again when the next may be."""
        if track.silence_due is None or now < track.silence_due:
            return
        track.silence_due = None
        rule = track.state.rule
        memory = track.source.memories.get((rule.lateness, rule.body.remembers[0]))
        if memory is None or rule.body.silence is None:
            return
        waiting: list[int] = []
        for key, (_, heard) in memory.known().items():
            labels = {**track.source.labels, **dict(key)}
            if not rule.where.meets(labels) or any(other.meets(labels) for other in rule.exceptions):
                continue
            listened = heard + memory.deaf_since(heard)
            if listened + rule.body.silence + rule.holds.settle <= now:
                self._fall_silent(track, key, labels, (heard, listened + rule.body.silence))
            else:
                waiting.append(listened)
        if waiting:
            self._queue_silence(track, min(waiting))

    def _fall_silent(self, track: Track, own: Key, labels: dict[str, str], moments: tuple[int, int]) -> None:
        """A series was heard at the first of `moments` and counts as silent since the second."""
        heard, moment = moments
        group_by = track.state.rule.section.group_by
        group = track.groups.get(own if group_by is None else label_key(labels, group_by))
        if group is None:
            group = self._groups.add(track, own, labels, heard)
        if group.firing or group.heard > heard:
            return
        if group.since is None:
            group.since = heard
            group.level = track.state.rule.levels[0][0]
            track.state.matches += 1
        self._groups.tell(track, group, Step.FIRE, max(moment, self._groups.now) if group.held else moment)
        self._groups.settle(track, group)

    # State

    @property
    def matching(self) -> Meter:
        """What it costs to find the rules that an event is about."""
        return self._observing.meter

    def firing(self) -> list[Alert]:
        """The last step told of everything that fires."""
        return [
            group.alert
            for state in self.states
            if not state.rule.silent
            for track in state.tracks.values()
            for group in track.groups.values()
            if group.firing and group.alert is not None
        ]

    def snapshot(self) -> bytes:
        """What must outlive a restart: groups, the values that `change` compares, when series were heard."""
        return snapshot.encode(self.states, self._sources.values(), self.clock.now(), self._observing.cells.save())

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. What is none is logged and passed over: the engine then starts afresh."""
        try:
            saved, groups = snapshot.decode(data)
        except ValueError as error:
            log.warning("the rules' saved state cannot be read; starting afresh: %s", error)
            return
        away = max(0, self.clock.now() - saved.time)
        self._restore_memories(saved.memories, away)
        self._restore(saved, groups, away)

    def _restore_memories(self, memories: Sequence[snapshot.SavedMemory], away: int) -> None:
        now = self.clock.now()
        for known in memories:
            source = self._source((known.agent, known.name, tuple(sorted(known.labels.items()))))
            source.heard = known.time
            memory = Memory.restored(known.layout(), known.bits, known.values, known.times, known.time)
            memory.note_deaf((known.deaf, known.deaf_until), away, now)
            source.memories[known.lateness, known.field] = memory

    def _restore(self, saved: snapshot.Saved, groups: Sequence[Group], away: int) -> None:
        now = self.clock.now()
        by_id = {state.rule.id: state for state in self.states}
        for entry, group in zip(saved.groups, groups, strict=True):
            key: SourceKey = (entry.agent, entry.name, tuple(sorted(entry.labels.items())))
            self._take_group(key, entry.group_by, group, by_id.get(entry.rule), (now, away))
        for entry in saved.gates:
            if entry.rule in by_id:
                by_id[entry.rule].gates.restore(entry.fingerprint, entry.gate())
        self._observing.cells.load(saved.cells, (now, away))
        self._observing.feed_back()
        self._requeue_silences()

    def _take_group(
        self,
        key: SourceKey,
        grouped_by: Sequence[str] | None,
        group: Group,
        state: RuleState | None,
        times: tuple[int, int],
    ) -> None:
        """Put a group where it was; withdraw it where its rule is no more, or looks at something else.

        `grouped_by`: how it came to be; `times`: now, and for how many milliseconds nobody listened.
        """
        now, away = times
        group_by = state.rule.section.group_by if state else None
        if (
            state is None
            or (group_by is None) != (grouped_by is None)
            or (group_by is not None and sorted(group_by) != sorted(grouped_by or []))
            or not still_meets(state.rule, group.labels)
        ):
            if group.firing and group.alert is not None:
                withdrawn = Telling.withdrawn(group.alert, max(now, group.heard), "rule changed")
                self._groups.withdraw(withdrawn, key[0])
            return
        track = state.tracks.get(key)
        if track is None:
            track = state.tracks[key] = Track(state, Source(key) if state.rule.observer else self._source(key))
        if group.alert is not None:
            runbook = state.rule.section.runbook
            group.alert.runbook = runbook.model_dump() if runbook else {}
            group.alert.tags = tuple(state.rule.section.tags)
        track.groups[group.key] = group
        track.version += 1
        state.groups += 1
        group.kept = now if away else group.kept
        group.held = group.held or away > state.rule.holds.settle
        self._groups.settle(track, group)

    def with_rules(self, rules: RuleSet) -> Engine:
        """An engine of other rules that goes on where this one stands; this one is not to be used any more.

        What fires by rules that are no more, or look at something else now, is withdrawn: the next call tells of it.
        """
        new = Engine(
            rules,
            clock=self.clock,
            agent=self._agent,
            rate_gap_ms=self._rate_gap,
            shard=self._observing.cells.shard,
            timer=self._timer,
            ahead_ms=self._ahead_ms,
        )
        new.held_dropped, new.sources_evicted, new.ahead = self.held_dropped, self.sources_evicted, self.ahead
        new._sources = self._sources
        new._groups.now, new._groups.told = self._groups.now, self._groups.take_told()
        by_id = {state.rule.id: state for state in new.states}
        heirs: dict[int, RuleState] = {}
        now = self.clock.now()
        for old in self.states:
            state = by_id.get(old.rule.id)
            if state is not None and goes_on(old.rule, state.rule):
                state.inherit(old)
                heirs[old.number] = state
        for old in self.states:
            for track in old.tracks.values():
                for group in track.groups.values():
                    group.queued, group.counted = None, False
                    state = heirs.get(old.number)
                    new._take_group(track.source.key, old.rule.section.group_by, group, state, (now, 0))
        new._observing.inherit(self._observing, heirs, now)
        new._observing.feed_back()
        new._requeue_silences()
        for _, _, _, _, lane, table in sorted(self._held, key=lambda entry: entry[:4]):
            for own in new._plan(table.layout, lane.agent).lanes:
                if own.lateness == lane.lateness:
                    new._hold(own, table)
        return new

    def _requeue_silences(self) -> None:
        """Series that were heard before the restart may be silent after it, without ever being heard again."""
        for state in self.states:
            rule = state.rule
            if rule.body.silence is None:
                continue
            for source in self._sources.values():
                memory = source.memories.get((rule.lateness, rule.body.remembers[0]))
                if memory is None or rule.section.measurement not in (None, source.name):
                    continue
                track = state.tracks.setdefault(source.key, Track(state, source))
                self._queue_silence(track, 0)
