"""`aggregate` against a reference that computes anew at every moment."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.aggregate import AggregateBody, percent_of
from fenghuo.rules.kinds.windows.numbers import Numbers
from fenghuo.rules.language.expression import parse_condition
from fenghuo.rules.runtime.observe import Seen

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENTS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([0, 3, 8, 8.5, -2, "7", "1e1", "x", None])), min_size=1, max_size=40
)
"""Seconds since the event before, and what its field says."""


def percentile(numbers, percent):
    ordered = sorted(numbers)
    rank = percent / 100 * (len(ordered) - 1)
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    return low + (high - low) * (rank - math.floor(rank))


FUNCTIONS = {
    "sum": math.fsum,
    "avg": lambda numbers: math.fsum(numbers) / len(numbers),
    "min": min,
    "max": max,
    "count": len,
    "stddev": statistics.pstdev,
    "median": statistics.median,
    "p95": lambda numbers: percentile(numbers, 95),
    "p12.5": lambda numbers: percentile(numbers, 12.5),
}


def body_of(function, window, **more):
    return AggregateBody(
        condition=parse_condition("value > -1e9"),
        window=window,
        function=function,
        field="n",
        percent=percent_of(function),
        **more,
    )


@SETTINGS
@given(EVENTS, st.integers(1, 40), st.sampled_from(list(FUNCTIONS)), st.integers(1, 3), st.data())
def test_alerts_are_those_of_numbers_computed_anew(make_rule, play, reference, items, window, function, fewest, data):
    times = list(itertools.accumulate(gap for gap, _ in items))
    rule = make_rule(
        kind="aggregate",
        dataset="test",
        field="n",
        function=function,
        window=f"{window}s",
        condition="value > 5",
        min_count=fewest,
    )
    events = [(t, {} if n is None else {"n": n}) for t, (_, n) in zip(times, items, strict=True)]
    numbers = [(t, float(n)) for t, (_, n) in zip(times, items, strict=True) if n not in ("x", None)]
    played = play(
        rule,
        events,
        tell=data.draw(st.sets(st.sampled_from(times))),
        restart_after=data.draw(st.sets(st.integers(0, len(times) - 1), max_size=2)),
    )
    plain = FUNCTIONS[function]
    assert played.steps == reference(numbers, window, lambda held: len(held) >= fewest and plain(held) > 5).steps()


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 80), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
    st.integers(1, 40),
    st.sampled_from(list(FUNCTIONS)),
)
def test_what_comes_late_counts_where_it_belongs(items, window, function):
    cell, held, now = body_of(function, window).start(), [], 0
    for number, (time, value) in enumerate(items):
        now = max(now, time)
        measure = cell.see(Seen(time, f"e{number:05}", None, {"n": value}.get), 0)
        if time > now - window:
            held.append((time, value))
            inside = [each for t, each in held if t > now - window]
            assert measure.value == pytest.approx(FUNCTIONS[function](inside), rel=1e-9, abs=1e-6)


@SETTINGS
@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=30), st.data())
def test_what_left_a_sum_leaves_no_trace(values, data):
    numbers = Numbers(squares=True)
    for time, value in enumerate(values):
        numbers.put(time, "", value)
    left = data.draw(st.integers(0, len(values) - 1))
    numbers.leave(left - 1)
    assert numbers.total.value == math.fsum(values[left:])


def test_a_deviation_far_from_zero_is_still_seen():
    numbers = Numbers(squares=True)
    numbers.put(0, "", 0.0)
    for time in range(1, 1_001):
        numbers.put(time, "", 1e9 + time % 2)
    numbers.leave(0)
    assert numbers.deviation() == pytest.approx(0.5, rel=1e-6)


def test_numbers_are_kept_over_a_restart_whatever_is_computed():
    for function in FUNCTIONS:
        body = body_of(function, 100)
        cell = body.start()
        for time in range(1, 50):
            cell.see(Seen(time, f"e{time:05}", None, {"n": time * 1.7 % 5}.get), 0)
        again = body.load(cell.save())
        assert again.save() == cell.save()
        last = Seen(60, "e9", None, {"n": 4}.get)
        assert again.see(last, 0) == cell.see(last, 0)


@pytest.mark.parametrize(
    "saved", [None, [], [1, 2, 3, True, [b"1", [], b"", 0]], [1, 1, 1, True, [b"\0" * 8, [], b"\xff" * 8, 0.0]]]
)
def test_what_is_no_saved_state_is_refused(saved):
    with pytest.raises((ValueError, TypeError)):
        body_of("sum", 100).load(saved)


def test_the_rows_of_a_table_are_judged_together(make_rule, run):
    rule = make_rule(
        kind="aggregate", data="watts", function="sum", window="1m", condition="value < 250", group_by=["site"]
    )
    one = run(rule)
    for minute in range(4):
        one.read(minute * 60, {"site": "a"}, {"device": ["u1", "u2", "u3"]}, watts=[100, 100, 100])
    assert one.steps == []
    for minute in range(4, 6):
        one.read(minute * 60, {"site": "a"}, {"device": ["u1", "u2", "u3"]}, watts=[100, None, 100])
    assert one.steps == [(240, "firing")]


def test_readings_held_back_are_held_back_once_and_keep_their_group(make_rule, run):
    rule = make_rule(
        kind="aggregate",
        data="x",
        function="avg",
        window="1m",
        condition="value > 5",
        lateness="30s",
        group_by=["device"],
    )
    one = run(rule)
    one.read(10, {"device": "a"}, x=9)
    one.advance(39)
    assert one.steps == []
    one.advance(41)
    assert one.steps == [(10, "firing")]
    assert one.alerts[0].labels == {"device": "a"}


def test_the_end_of_one_series_does_not_end_a_group_of_several(make_rule, run):
    rule = make_rule(kind="aggregate", data="x", function="max", window="1m", condition="value > 5", group_by=["site"])
    one = run(rule)
    one.read(0, {"site": "a"}, {"device": ["u1"]}, x=[9])
    one.read(1, {"site": "a"}, {"device": ["u2"]}, x=[9])
    one.end(2, {"site": "a"}, {"device": ["u1"]})
    assert one.steps == [(0, "firing")]
    one.advance(100)
    assert one.steps == [(0, "firing"), (61, "resolved")]


@pytest.mark.parametrize(
    ("function", "percent"), [("p95", 95.0), ("min", 0.0), ("max", 100.0), ("median", 50.0), ("sum", None)]
)
def test_a_function_says_which_percentile(function, percent):
    assert percent_of(function) == percent
