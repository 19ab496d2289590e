"""The groups of all rules: made, told of, held back, timed, dropped, and kept within bounds."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping

from fenghuo.model import Alert
from fenghuo.rules.runtime import lifecycle
from fenghuo.rules.runtime.lifecycle import Group, Key, Lapse, Step, deadline, lapse
from fenghuo.rules.runtime.plan import Place, RuleState, Track, label_key
from fenghuo.rules.runtime.telling import Telling, fingerprint, underscored

SUPPRESSED_AGAIN_MS = 10_000
"""How often a group that another rule holds back is looked at again."""


MIN_TIMERS = 1_000
"""So many timers are kept before those that are of no use any more are looked for."""


class Groups:
    """What rules keep of entities that are not quiet.

    `told`    the steps that came of it, until somebody takes them
    `now`     the newest moment that was told, Unix milliseconds
    `timers`  when something happens without a reading: moment, rank, number, track, group (None: look for silent series),
              or the place of a cell; cells come first, for what they say at a moment decides what becomes of their group
    """

    def __init__(self, states: Iterable[RuleState]) -> None:
        self.told: list[Alert] = []
        self._news: list[tuple[Alert, str]] = []
        self.observed: frozenset[str] = frozenset()
        """Names of rules whose alerts others observe."""
        self.now = 0
        self.timers: list[tuple[int, bool, int, Track, Group | Place | None]] = []
        self._number = itertools.count()
        self._room = MIN_TIMERS
        self._connect_suppressors(list(states))

    def _connect_suppressors(self, states: list[RuleState]) -> None:
        by_name = {state.rule.name: state for state in states}
        for state in states:
            suppression = state.rule.section.suppress_if
            if suppression is None:
                continue
            labels = tuple(underscored(name) for name in suppression.by)
            for name in suppression.rules:
                if name in by_name:
                    state.suppressors.append((labels, by_name[name]))
                    by_name[name].busy.setdefault(labels, Counter())

    def take_told(self) -> list[Alert]:
        """The steps since the last call, in order."""
        told, self.told = self.told, []
        return told

    def take_news(self) -> list[tuple[Alert, str]]:
        """The steps since the last call, with their agents, for rules that observe alerts."""
        news, self._news = self._news, []
        return news

    def queue(self, due: int, track: Track, group: Group | Place | None) -> None:
        """Set a timer."""
        if len(self.timers) >= self._room:
            self._sweep()
        heapq.heappush(self.timers, (due, not isinstance(group, Place), next(self._number), track, group))

    def _sweep(self) -> None:
        """Let go of the timers of what is no more, or has another timer now: they would wait until they ring."""
        self.timers[:] = [
            timer for timer in self.timers if (what := timer[4]) is None or (not what.dead and what.queued == timer[0])
        ]
        heapq.heapify(self.timers)
        self._room = max(MIN_TIMERS, 2 * len(self.timers))

    def add(self, track: Track, own: Key, labels: dict[str, str], time: int) -> Group:
        """A group of the row whose own labels are `own`, and all of whose labels are `labels`.

        Groups of two sources are two, whatever they are grouped by: so their fingerprints differ by what their source shares.
        """
        group_by = track.state.rule.section.group_by
        if group_by is None:
            return self.make(track, own, labels, labels, time)
        key = label_key(labels, group_by)
        return self.make(track, key, labels, {**track.source.labels, **dict(key)}, time)

    def make(self, track: Track, key: Key, labels: Mapping[str, str], identity: Mapping[str, str], time: int) -> Group:
        """A group with this key; `identity` are the labels that go into its fingerprint."""
        state = track.state
        if state.groups >= state.rule.section.limits.groups:
            self._evict(state, time)
        group = Group(
            labels={**labels, **state.rule.section.labels},
            key=key,
            fingerprint=fingerprint(state.rule.id, track.source.agent, identity),
            heard=time,
        )
        track.groups[key] = group
        track.version += 1
        state.groups += 1
        return group

    def drop(self, track: Track, group: Group) -> None:
        if group.dead:
            return
        group.dead = True
        group.since, group.firing = None, False
        self._count_busy(track.state, group)
        track.groups.pop(group.key, None)
        track.version += 1
        track.state.groups -= 1

    def _evict(self, state: RuleState, time: int) -> None:
        """Give up the sixteenth of a rule's groups that was not heard of for longest; first those that do not fire."""
        every = [
            (group.firing, group.heard, next(self._number), track, group)
            for track in state.tracks.values()
            for group in track.groups.values()
        ]
        for _, _, _, track, group in heapq.nsmallest(max(1, len(every) // 16), every):
            self.resolve(track, group, max(time, group.heard), "evicted")
            self.drop(track, group)
            state.evictions += 1

    def tell(self, track: Track, group: Group, step: Step | None, time: int) -> None:
        if step is Step.FIRE:
            if self._is_suppressed(track.state, group) or self.is_outside(track.state, time):
                group.held = True
            else:
                lifecycle.fired(group, track.state.rule.holds, time)
                self._announce(track, group, time)
        elif step in (Step.RAISE, Step.LOWER):
            self._announce(track, group, time, is_urgent=step is Step.RAISE, is_news=False)
        elif step is Step.RESOLVE:
            self.resolve(track, group, time, "cleared")

    def repeat(self, track: Track, group: Group, time: int) -> None:
        """Tell of a group that fires already, for what made it fire came again."""
        if self._is_suppressed(track.state, group):
            track.state.gates.withhold(group.fingerprint, time)
        else:
            self._announce(track, group, time, is_due=group.untold is not None)

    def _announce(
        self,
        track: Track,
        group: Group,
        time: int,
        *,
        is_urgent: bool = False,
        is_due: bool = True,
        is_new: bool = True,
        is_news: bool = True,
    ) -> None:
        """Tell that a group fires, or withhold it for now.

        `is_urgent`: not that. `is_due`: then a timer tells it as soon as it may be told. `is_new`: it was not withheld before.
        `is_news`: something happened of which rules that stand on this one have to know, be it told or not.
        """
        state = track.state
        if is_news:
            self._notify(track, group, time)
        closed = None if is_urgent or state.rule.silent else state.gates.closed_until(group.fingerprint, time)
        if closed is not None:
            if is_new:
                state.gates.withhold(group.fingerprint, time)
            group.untold = closed if is_due else group.untold
            return
        gate = None if state.rule.silent else state.gates.tell(group.fingerprint, time)
        alert = Telling(state.rule, group, time, gate).firing()
        group.alert, group.packed, group.untold = alert, None, None
        self._plan_again(track, group, time)
        self._say(alert, state)
        if state.rule.observer is not None and state.rule.observer.tells_each:
            # What each alert of such a rule names are the events since the one before.
            group.events, group.seen = [], 0

    def _plan_again(self, track: Track, group: Group, time: int) -> None:
        repeat = track.state.rule.holds.repeat
        if repeat is not None:
            group.gap = repeat.every if group.gap is None else group.gap
            group.again = time + group.gap

    def _tell_again(self, track: Track, group: Group, time: int) -> None:
        """It goes on firing, as far as is known: not where nobody heard of it, or another rule holds it back."""
        holds = track.state.rule.holds
        assert holds.repeat is not None
        group.gap = holds.repeat.after(group.gap)
        group.again = time + group.gap
        if group.untold is None and time - group.heard <= holds.stale and not self._is_suppressed(track.state, group):
            self._announce(track, group, time, is_news=False)

    def resolve(self, track: Track, group: Group, time: int, reason: str) -> None:
        """Tell the end of a group that fires, if it was told that it does."""
        if not group.firing:
            return
        gates = track.state.gates
        self._notify(track, group, time, reason)
        if group.alert is not None:
            gate = gates.end(group.fingerprint, time)
            self._say(Telling(track.state.rule, group, time, gate).resolved(reason), track.state)
        else:
            gates.end_untold(group.fingerprint, time, group.events, group.seen)
        lifecycle.resolved(group, track.state.rule.holds, time)

    def _notify(self, track: Track, group: Group, time: int, over: str | None = None) -> None:
        """Let rules that stand on this one know of a step, whether it is told or withheld.

        `over`: why the group is resolved; None where it fires.
        """
        if track.state.rule.name in self.observed:
            telling = Telling(track.state.rule, group, time)
            alert = telling.firing() if over is None else telling.resolved(over)
            self._news.append((alert, track.source.agent))

    def withdraw(self, alert: Alert, agent: str) -> None:
        """Tell the end of an alert whose rule is no more, or is another now."""
        self.told.append(alert)
        if alert.rule_name in self.observed:
            self._news.append((alert, agent))

    def _say(self, alert: Alert, state: RuleState) -> None:
        if not state.rule.silent:
            state.alerts += 1
            self.told.append(alert)

    def settle(self, track: Track, group: Group) -> None:
        """After a change: drop what is quiet, queue the next timer, keep the count for suppressed rules."""
        if group.is_quiet:
            self.drop(track, group)
            return
        self._count_busy(track.state, group)
        moment = deadline(group, track.state.rule.holds)
        if moment is None:
            return
        due = moment + track.state.rule.holds.settle + track.state.rule.lateness
        if group.held:
            due = max(due, self.now + SUPPRESSED_AGAIN_MS)
        if group.queued is None or due < group.queued:
            group.queued = due
            self.queue(due, track, group)

    def _count_busy(self, state: RuleState, group: Group) -> None:
        is_busy = group.firing or group.since is not None
        if not state.busy or is_busy == group.counted:
            return
        group.counted = is_busy
        for labels, counter in state.busy.items():
            values = tuple(group.labels.get(label, "") for label in labels)
            counter[values] += 1 if is_busy else -1
            if not counter[values]:
                del counter[values]

    def is_outside(self, state: RuleState, time: int) -> bool:
        """Whether the rule may not begin to fire at this time."""
        schedule = state.rule.schedule
        return schedule is not None and not schedule.covers(time)

    def _is_suppressed(self, state: RuleState, group: Group) -> bool:
        for labels, other in state.suppressors:
            values = tuple(group.labels.get(label, "") for label in labels)
            if "" not in values and values in other.busy[labels]:
                return True
        return False

    def pass_time(self, track: Track, group: Group, time: int, settle: int | None = None) -> None:
        """Do what was to happen to a group up to `time` without a reading.

        `settle`: how long to wait for a reading that may still come; the rule's own time if not said.
        """
        holds = track.state.rule.holds
        settle = holds.settle if settle is None else settle
        while not group.dead:
            moment = deadline(group, holds)
            if moment is None or moment + settle > time:
                return
            what = lapse(group, holds, moment)
            if what is Lapse.FIRE and not self._fire_by_timer(track, group, moment, time):
                return
            if (what is Lapse.TELL or what is Lapse.AGAIN) and not self._tell_by_timer(track, group, what, moment):
                return
            if what is Lapse.RESOLVE:
                self.resolve(track, group, moment, "cleared")
            elif what is Lapse.FORGET:
                self._forget(track, group, moment)
            if group.is_quiet:
                self.drop(track, group)

    def _fire_by_timer(self, track: Track, group: Group, moment: int, time: int) -> bool:
        holds = track.state.rule.holds
        if group.held:
            now = max(self.now, time)
            is_over = group.latched is not None and holds.lasts is not None and now >= group.latched + holds.lasts
            # Silence does not grow stale: that nothing was heard is what it is about.
            is_stale = self.now - group.heard > holds.stale and track.state.rule.body.silence is None
            if is_over or is_stale:
                group.since = group.latched = None
                return True
            moment = max(moment, self.now)
        self.tell(track, group, Step.FIRE, moment)
        return group.firing

    def _tell_by_timer(self, track: Track, group: Group, what: Lapse, moment: int) -> bool:
        """Whether it was time to tell; not on what was heard before the agent was down."""
        if group.held:
            return False
        if what is Lapse.AGAIN:
            self._tell_again(track, group, moment)
        else:
            self._announce(track, group, moment, is_new=False, is_news=False)
        return True

    def _forget(self, track: Track, group: Group, moment: int) -> None:
        self.resolve(track, group, moment, "forgotten")
        self.drop(track, group)
        for name in track.state.rule.body.remembers:
            memory = track.source.memories.get((track.state.rule.lateness, name))
            if memory is not None:
                memory.drop([key for key in memory.known() if self._belongs(track, group, key)])

    def _belongs(self, track: Track, group: Group, own: Key) -> bool:
        group_by = track.state.rule.section.group_by
        if group_by is None:
            return own == group.key
        return label_key({**track.source.labels, **dict(own)}, group_by) == group.key
