"""The rule engine: tables and events in, alert steps out, in event time."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Sequence
from dataclasses import replace

from fenghuo.clock import Clock
from fenghuo.model import Alert, Event, Table
from fenghuo.rules.rule import RuleSet
from fenghuo.rules.runtime import snapshot
from fenghuo.rules.runtime.groups import Groups
from fenghuo.rules.runtime.judging import Judging
from fenghuo.rules.runtime.lifecycle import Group
from fenghuo.rules.runtime.memory import Memory
from fenghuo.rules.runtime.meter import Meter, Timer, thread_timer
from fenghuo.rules.runtime.observing import Observing
from fenghuo.rules.runtime.plan import Place, RuleState, Source, SourceKey, Track
from fenghuo.rules.runtime.succession import goes_on, still_meets
from fenghuo.rules.runtime.telling import Telling

log = logging.getLogger(__name__)

RATE_GAP_MS = 900_000
AHEAD_MS = 600_000
"""So far ahead of the clock agent and collector believe what comes."""


class Engine:
    """Judges tables and events by rules.

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
        self.ahead = 0
        self.clock = clock
        self._ahead_ms = ahead_ms
        self._agent = agent
        self._rate_gap = rate_gap_ms
        self._groups = Groups(self.states)
        self._timer = timer
        self._observing = Observing(self.states, self._groups, shard, timer)
        self._judging = Judging(self.states, self._groups, self._observing, rate_gap_ms, timer)

    # Tables

    def process(self, table: Table, agent: str | None = None) -> list[Alert]:
        """Judge one table; the alert steps that follow from it, in order."""
        if self._ahead_ms is not None and (now := self._now_for(table)) is not None:
            table = replace(table, time=now)
        self._judging.table(table, self._agent if agent is None else agent)
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

    # Time

    @property
    def due(self) -> int | None:
        """When `advance` has something to do next, Unix milliseconds; None while nothing waits."""
        due = self._groups.timers[0][0] if self._groups.timers else None
        for held in (self._observing.due, self._judging.due):
            if held is not None and (due is None or held < due):
                due = held
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
                self._judging.release()
            self._observing.feed_back()
        self._groups.now = max(self._groups.now, now_ms)
        return self._groups.take_told()

    def _ring(self, track: Track, group: Group | None, moment: int) -> None:
        """A timer is due at `moment`, in event time."""
        if group is None:
            self._judging.silences.check(track, moment)
        elif not group.dead:
            group.queued = None
            self._groups.pass_time(track, group, moment)
            if not group.dead:
                self._groups.settle(track, group)

    # State

    @property
    def held_dropped(self) -> int:
        """Tables that were to be held back and found no room."""
        return self._judging.held_dropped

    @property
    def sources_evicted(self) -> int:
        """Sources that were forgotten for want of room."""
        return self._judging.sources_evicted

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
        return snapshot.encode(
            self.states, self._judging.sources.values(), self.clock.now(), self._observing.cells.save()
        )

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
            source = self._judging.source((known.agent, known.name, tuple(sorted(known.labels.items()))))
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
        self._judging.silences.queue_all(self.states, self._judging.sources.values())

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
            track = state.tracks[key] = Track(state, Source(key) if state.rule.observer else self._judging.source(key))
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
        new.ahead = self.ahead
        new._judging.inherit(self._judging)
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
        new._judging.silences.queue_all(new.states, new._judging.sources.values())
        new._judging.inherit_held(self._judging)
        return new
