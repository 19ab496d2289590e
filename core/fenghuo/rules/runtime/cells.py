"""The cells of rules that observe: reached, timed, kept within bounds; and what follows from what they measure."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fenghuo.rules.runtime import lifecycle
from fenghuo.rules.runtime.groups import Groups
from fenghuo.rules.runtime.lifecycle import Group, Key, hear
from fenghuo.rules.runtime.observe import MAX_EVENTS, Measure, Resuming, Seen
from fenghuo.rules.runtime.plan import Place
from fenghuo.rules.runtime.snapshot import SavedCell
from fenghuo.rules.runtime.watching import Watcher, text_of

log = logging.getLogger(__name__)

AGAIN_MS = 1_000
"""When a cell's timer rings again that did not get on."""


class Cells:
    """The cells of all rules that observe; `watchers` by the number of their rule.

    `shard`: number and count, where several engines share the groups: only those of this number are kept here.
    """

    def __init__(self, watchers: Mapping[int, Watcher], groups: Groups, shard: tuple[int, int] | None) -> None:
        self._watchers = watchers
        self._groups = groups
        self.shard = shard

    def see(self, watcher: Watcher, number: int, seen: Seen, agent: str) -> None:
        """Give an observation to the cell of its group; `number`: of the selection that it meets."""
        key = watcher.key(seen, number)
        if key is None:
            watcher.state.ungrouped += 1
            return
        place = self.reach(watcher, agent, key, seen.time)
        if place is None:
            return
        measure = place.cell.see(seen, number)
        if measure is not None:
            self.judge(watcher, place, measure, max(seen.time, place.heard), seen)
        if watcher.keeps_cells:
            self.wait(watcher, place)

    def reach(self, watcher: Watcher, agent: str, key: Key, time: int) -> Place | None:
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
        self.drop(watcher, place, time, "evicted")

    def drop(self, watcher: Watcher, place: Place, time: int, reason: str) -> None:
        """Forget a cell; what fires for it is resolved."""
        place.dead = True
        watcher.state.cells.pop((place.track.source.agent, place.key), None)
        group = place.track.groups.get(place.key)
        if group is not None:
            self._groups.resolve(place.track, group, max(time, group.heard), reason)
            self._groups.drop(place.track, group)

    def wait(self, watcher: Watcher, place: Place, now: int | None = None) -> None:
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
        self.wait(watcher, place, now)

    def _pass(self, watcher: Watcher, place: Place, time: int) -> None:
        """Let happen in a cell what was due before `time`, each at its own moment."""
        cell = place.cell
        due = cell.due
        while due is not None and due < time and not place.dead:
            measure = cell.lapse(due)
            place.heard = max(place.heard, due)
            if measure is not None:
                self.judge(watcher, place, measure, due, None)
            before, due = due, cell.due
            if due is not None and due <= before:
                return

    # Measures

    def judge(self, watcher: Watcher, place: Place, measure: Measure, time: int, seen: Seen | None) -> None:
        """What follows from a measure of a cell; `seen`: the observation that it was told of, if it was of any."""
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
                    group.values[name] = value if isinstance(value, int | float | str) else text_of(value)
        if watcher.observer.tells_each:
            group.events = [*group.events, *measure.events][-MAX_EVENTS:]
            group.seen += len(measure.events)
        else:
            group.events = list(measure.events)[-MAX_EVENTS:]
            group.seen = len(measure.events)

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
            self.wait(watcher, place)

    def take_over(self, own: Watcher, old: Watcher) -> None:
        """Go on with the cells of another, as they are, for a rule that is the very same."""
        for (agent, key), place in old.state.cells.items():
            taken = Place(own.track(agent), key, place.cell, place.heard)
            own.state.cells[agent, key] = taken
            self.wait(own, taken)


def shard_of(rule_id: str, key: Key, count: int) -> int:
    """Which of `count` engines keeps a group: the same everywhere and for ever."""
    from zlib import crc32  # noqa: PLC0415 — only sharded engines need it

    text = "\0".join((rule_id, *(part for pair in key for part in pair)))
    return crc32(text.encode(errors="surrogatepass")) % count
