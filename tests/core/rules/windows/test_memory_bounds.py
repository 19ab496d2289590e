"""Memory stays within its limits whatever comes."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest

from fenghuo.model import Event

WINDOWS = {
    "frequency": {"condition": "value >= 3"},
    "cardinality": {"field": "destination.port", "condition": "value >= 3"},
    "ratio": {"part": {"where": {"event.outcome": "failure"}}, "condition": "value > 0.9", "min_count": 2},
    "spike": {"condition": "factor > 2"},
    "aggregate": {"field": "source.bytes", "function": "p95", "condition": "value > 90"},
    "new_value": {"field": "destination.port", "learn": "1h"},
}


def feed(one, t0, events, groups, seed):
    """Random events of random groups, ten in a second, some of them late."""
    chance = random.Random(seed)
    for number in range(events):
        time = t0 + number * 100 - chance.choice([0, 0, 0, 5_000, 400_000])
        group = chance.randrange(groups)
        document = {
            "event": {"dataset": "test", "outcome": chance.choice(["success", "failure"])},
            "source": {"ip": f"10.{group >> 16}.{group >> 8 & 255}.{group & 255}", "bytes": chance.randrange(100)},
            "destination": {"port": chance.randrange(50)},
        }
        one.engine.event(Event(f"e{number:035}", max(t0, time), document))
        if number % 1_000 == 0:
            one.clock.set(t0 + number * 100)
            one.engine.advance(one.clock.now())


def rule_of(make_rule, kind, window="1h", **limits):
    keys = {"window": window, **WINDOWS[kind]}
    if kind == "new_value":
        del keys["window"]
    return make_rule(kind=kind, dataset="test", group_by=["source.ip"], limits=limits, **keys)


def peak_growth(one, t0, events, groups, seed):
    """How much more is held at the end, and how much more it was at most."""
    gc.collect()
    tracemalloc.start()
    feed(one, t0, events, groups, seed)
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, peak


@pytest.mark.parametrize("kind", WINDOWS)
def test_thousands_of_random_groups_stay_within_the_limit_and_what_is_evicted_is_counted(make_rule, run, t0, kind):
    one = run(rule_of(make_rule, kind, groups=50))
    feed(one, t0, 6_000, 1 << 20, 1)
    state = one.engine.states[0]
    assert len(state.cells) <= 50
    assert state.groups <= 50
    assert state.evictions > 5_000


def test_what_is_evicted_leaves_no_timer_behind(make_rule, run, t0, monkeypatch):
    monkeypatch.setattr("fenghuo.rules.runtime.groups.MIN_TIMERS", 200)
    one = run(rule_of(make_rule, "frequency", window="31d", groups=50))
    one.engine._groups._room = 200
    feed(one, t0, 3_000, 1 << 20, 1)
    assert len(one.engine._groups.timers) <= 200


@pytest.mark.parametrize("kind", WINDOWS)
def test_a_flood_in_one_group_stays_within_the_limits_of_observations_and_values(make_rule, run, t0, kind):
    one = run(rule_of(make_rule, kind, window="1d", groups=10, events=500, values=20))
    feed(one, t0, 3_000, 1, 2)
    before = len(one.engine.snapshot())
    held, _ = peak_growth(one, t0 + 300_000, 3_000, 1, 3)
    assert held < 100_000
    assert len(one.engine.snapshot()) < before + 10_000
    assert one.engine.states[0].given_up > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frequency", "cardinality"])
def test_a_million_random_groups_take_no_more_memory_than_the_limit_allows(make_rule, run, t0, kind):
    one = run(rule_of(make_rule, kind, groups=2_000))
    feed(one, t0, 50_000, 1 << 20, 1)
    held, peak = peak_growth(one, t0 + 5_000_000, 1_000_000, 1 << 20, 2)
    assert held < 6_000_000
    assert peak < 20_000_000
    assert len(one.engine.states[0].cells) <= 2_000
    assert len(one.engine._groups.timers) <= 5_000


class _Stuck:
    """A cell that is due for ever."""

    due = 1
    is_empty = False
    rung = 0

    def lapse(self, now):
        self.rung += 1


def test_a_cell_that_does_not_get_on_stops_nobody(make_rule, run, make_event, t0):
    one = run(rule_of(make_rule, "frequency"))
    one.engine.event(make_event(0, source__ip="10.0.0.1"))
    (place,) = one.engine.states[0].cells.values()
    place.cell = _Stuck()
    _Stuck.due = t0
    place.queued = None
    watcher = next(iter(one.engine._observing._watchers.values()))
    watcher.counts_given_up = False
    one.engine._observing.cells.wait(watcher, place)
    one.advance(60)
    assert 10 < place.cell.rung < 100
