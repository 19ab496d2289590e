"""`spike` against a reference that counts both windows anew at every moment."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.spike import width_of
from fenghuo.rules.kinds.windows.buckets import Buckets

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GAPS = st.lists(st.integers(1, 12), min_size=1, max_size=50)


def is_up(value, previous):
    return previous >= 1 and value / previous >= 2


def is_down(value, previous):
    return previous >= 2 and value / previous <= 0.5


def held(times, end, window):
    return sum(1 for t in times if end - window < t <= end)


@SETTINGS
@given(GAPS, st.integers(1, 30), st.sampled_from(["up", "down"]), st.data())
def test_alerts_are_those_of_windows_counted_anew(make_rule, play, steps, gaps, window, way, data):
    times = list(itertools.accumulate(gaps))
    keys = {"condition": "factor >= 2"} if way == "up" else {"condition": "factor <= 0.5", "min_previous": 2}
    rule = make_rule(kind="spike", dataset="test", window=f"{window}s", **keys)
    played = play(
        rule,
        [(t, {}) for t in times],
        tell=data.draw(st.sets(st.sampled_from(times))),
        restart_after=data.draw(st.sets(st.integers(0, len(times) - 1), max_size=2)),
    )
    begin = times[0] + 2 * window
    moments = sorted({begin, *(t + later for t in times for later in (0, window, 2 * window))})
    plain = is_up if way == "up" else is_down
    changes = [(t, plain(held(times, t, window), held(times, t - window, window))) for t in moments if t >= begin]
    # A group of which nothing is left is forgotten, and learnt anew.
    gone = next((a for a, b in itertools.pairwise(times) if b - a > 2 * window), None)
    if gone is None:
        assert played.steps == steps(changes)
    else:
        end = gone + 2 * window
        told = [step for step in steps([change for change in changes if change[0] <= end]) if step[0] <= end]
        assert [step for step in played.steps if step[0] <= end] == told


def test_a_burst_is_told_once_both_windows_are_known(make_rule, play):
    rule = make_rule(kind="spike", dataset="test", window="1m", condition="factor >= 3", min_value=10)
    quiet = [(t, {}) for t in range(0, 300, 15)]
    burst = [(300 + t, {}) for t in range(30)]
    one = play(rule, quiet + burst, end=1_000)
    assert one.steps[0] == (308, "firing")
    assert one.alerts[0].evidence["values"] == {"previous": 4.0, "factor": 3.0}
    assert one.steps[1][1] == "resolved"


@pytest.mark.parametrize(("against", "days"), [("day", 1), ("week", 7)])
def test_the_same_hour_before_is_what_counts(make_rule, play, against, days):
    rule = make_rule(kind="spike", dataset="test", window="1h", against=against, condition="factor > 2")
    period = days * 86_400
    events = []
    for day in range(2 * days + 1):
        start = day * 86_400
        events += [(start + t, {}) for t in range(0, 86_400, 3600)]
        events += [(start + 28_800 + t, {}) for t in range(30, 3600, 60)]
        if day == days:
            events += [(start + 50_400 + t, {}) for t in range(30, 3600, 120)]
    one = play(rule, sorted(events, key=lambda event: event[0]), end=(2 * days) * 86_400)
    assert [(state, int(t - period) // 3600) for t, state in one.steps] == [("firing", 14), ("resolved", 15)]


def test_a_lesson_that_nobody_attends_is_a_spike_down(make_rule, play):
    rule = make_rule(
        kind="spike", dataset="test", window="1h", against="day", condition="factor < 0.2", min_previous=50
    )
    first = [(t, {}) for t in range(28_800, 36_000, 60)]
    one = play(rule, [(0, {}), *first, (86_400, {}), (86_401, {})], end=2 * 86_400)
    (begin, state), (end, over) = one.steps
    assert (state, over) == ("firing", "resolved")
    assert 86_400 + 28_800 + 50 * 60 - 300 <= begin <= 86_400 + 28_800 + 50 * 60 + 300
    assert 86_400 + 36_000 < end < 86_400 + 36_000 + 3600


def test_readings_are_compared_by_their_means(make_rule, run):
    rule = make_rule(kind="spike", data="watts", window="5m", condition="factor < 0.5", group_by=["device"])
    one = run(rule)
    for minute in range(30):
        one.read(minute * 60, {"device": "pdu1"}, watts=300 if minute < 20 else 100)
    assert [state for _, state in one.steps] == ["firing", "resolved"]
    assert one.steps[0][0] == 23 * 60


def test_what_nobody_listened_to_is_no_spike(make_rule, run, make_event):
    rule = make_rule(kind="spike", dataset="test", window="1m", condition="factor < 0.5", min_previous=5)
    one = run(rule)
    for second in range(0, 300, 5):
        one.advance(second)
        one.alerts += one.engine.event(make_event(second))
    one.restart(away=50)
    for second in range(345, 700, 5):
        one.advance(second)
        one.alerts += one.engine.event(make_event(second))
    assert one.steps == []


def test_a_flood_is_counted_with_less_room(make_rule, play):
    rule = make_rule(kind="spike", dataset="test", window="1m", condition="factor >= 5", limits={"events": 100})
    quiet = [(t, {}) for t in range(180)]
    flood = [(180 + t / 100, {}) for t in range(1_000)]
    one = play(rule, quiet + flood, end=185)
    assert one.steps == [(pytest.approx(182.42, abs=0.5), "firing")]
    assert one.engine.states[0].given_up > 0


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), max_size=40), st.integers(0, 100), st.integers(0, 100)
)
def test_whole_buckets_are_summed_exactly(items, begin, end):
    begin, end = sorted((begin * 10, end * 10))
    buckets = Buckets(10)
    for time, number in items:
        buckets.add(time, float(number))
    inside = [number for time, number in items if begin <= time < end]
    assert buckets.between(begin, end) == (sum(inside), len(inside))
    again = Buckets(10)
    again.take(buckets.save())
    assert again.save() == buckets.save()


def test_a_period_never_has_more_buckets_than_2016():
    assert width_of(60_000, 7 * 86_400_000) == 300_000
    assert width_of(3_600_000, 86_400_000) == 300_000
