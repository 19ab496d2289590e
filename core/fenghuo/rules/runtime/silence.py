"""Series that fall silent (kind `absence`): looked for by timers, since nothing comes that could be judged."""

from __future__ import annotations

from collections.abc import Iterable

from fenghuo.rules.runtime.groups import Groups
from fenghuo.rules.runtime.lifecycle import Key, Step
from fenghuo.rules.runtime.plan import RuleState, Source, Track, label_key


class Silences:
    """When series may be silent, and that they are."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def queue(self, track: Track, since: int) -> None:
        """Look for silent series when one that was heard at `since` may be."""
        rule = track.state.rule
        assert rule.body.silence is not None
        track.silence_due = since + rule.body.silence + rule.holds.settle
        self._groups.queue(track.silence_due + rule.lateness, track, None)

    def check(self, track: Track, now: int) -> None:
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
            self.queue(track, min(waiting))

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

    def queue_all(self, states: Iterable[RuleState], sources: Iterable[Source]) -> None:
        """Series that were heard before the restart may be silent after it, without ever being heard again."""
        known = list(sources)
        for state in states:
            rule = state.rule
            if rule.body.silence is None:
                continue
            for source in known:
                memory = source.memories.get((rule.lateness, rule.body.remembers[0]))
                if memory is None or rule.section.measurement not in (None, source.name):
                    continue
                track = state.tracks.setdefault(source.key, Track(state, source))
                self.queue(track, 0)
