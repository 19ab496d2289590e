"""The order of arrival within a rule's lateness, restarts and how often time is told change no alert of any kind."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RULES = {
    "frequency": {"condition": "value >= 3", "level": {"low": "value >= 3", "high": "value >= 5"}},
    "frequency-few": {"condition": "value < 2", "hold": "4s"},
    "cardinality": {"field": "x", "condition": "value >= 3", "message": "{newest}", "clear": "for 3s"},
    "cardinality-few": {"field": "x", "condition": "value < 2"},
    "ratio": {"part": {"where": {"x": ["1", "2"]}}, "condition": "value >= 0.5", "min_count": 3, "hold": "2s"},
    "spike-up": {"condition": "factor >= 2"},
    "spike-down": {"condition": "factor <= 0.5", "min_previous": 2, "clear": "factor > 1 for 2s"},
    "aggregate-sum": {"field": "x", "function": "sum", "condition": "value > 6", "clear": "value < 4"},
    "aggregate-few": {"field": "x", "function": "sum", "condition": "value < 3"},
    "aggregate-p90": {"field": "x", "function": "p90", "condition": "value > 2.5"},
    "aggregate-stddev": {"field": "x", "function": "stddev", "condition": "value > 1", "min_count": 2},
    "new_value": {"field": "x", "learn": "5s", "forget": "30s", "lasts": "4s"},
    "match": {"where": {"x": ["2", "3"]}, "lasts": "4s"},
    "match-throttled": {"where": {"x|exists": True}, "lasts": "2s", "throttle": "7s"},
    "deny": {"deny": [{"x|gte": 3}], "lasts": "4s"},
    "allow": {"allow": [{"x|lt": 3}], "lasts": "4s"},
    "beacon": {"count": 5, "period": {"min": "1s", "max": "20s"}, "forget": "30s"},
}
NO_WINDOW = {"new_value", "match", "deny", "allow", "beacon"}
EVENTS = st.lists(
    st.tuples(st.integers(1, 600), st.sampled_from("ab"), st.sampled_from([0, 1, 2, 3, 4, "2", [1, 3], None])),
    min_size=1,
    max_size=40,
)
"""Tenths of seconds, group, value."""


def rule_of(make_rule, name, window):
    kind = name.partition("-")[0]
    keys = {"window": f"{window}s"} if kind not in NO_WINDOW else {}
    return make_rule(kind=kind, dataset="test", group_by=["host.name"], lateness="10s", **keys, **RULES[name])


@pytest.mark.parametrize("name", RULES)
@SETTINGS
@given(EVENTS, st.integers(1, 20), st.data())
def test_order_of_arrival_restarts_and_clock_change_no_alert(make_rule, run, make_event, name, events, window, data):
    rule = rule_of(make_rule, name, window)
    events.sort(key=lambda event: event[0])
    delays = data.draw(st.lists(st.integers(0, 99), min_size=len(events), max_size=len(events)))
    told = []
    for arrivals in ([t for t, _, _ in events], [t + late for (t, _, _), late in zip(events, delays, strict=True)]):
        one = run(rule)
        for number in sorted(range(len(events)), key=lambda number: arrivals[number]):
            second, group, value = events[number]
            one.advance(arrivals[number] / 10)
            fields = {"host__name": group} | ({} if value is None else {"x": value})
            one.alerts += one.engine.event(make_event(second / 10, f"e{number:05}", **fields))
        one.advance(1_000)
        told.append(one.alerts)
    assert told[0] == told[1]


@pytest.mark.parametrize("name", RULES)
@SETTINGS
@given(EVENTS, st.integers(1, 20), st.data())
def test_a_saved_cell_goes_on_as_if_nothing_had_happened(make_rule, name, events, window, data):
    from fenghuo.rules.runtime.observe import Seen

    body = rule_of(make_rule, name, window).observer
    events.sort(key=lambda event: event[0])
    cut = data.draw(st.integers(0, len(events)))
    cell, other = body.start(), body.start()
    for number, (time, _, value) in enumerate(events):
        if number == cut:
            other = body.load(other.save())
        seen = Seen(1_000_000 + time * 100, f"e{number:05}", None, {"x": value}.get)
        for each in (cell, other):
            while each.due is not None and each.due < seen.time:
                each.lapse(each.due)
        assert cell.see(seen, number % 2) == other.see(seen, number % 2)
        assert cell.due == other.due
        assert cell.is_empty == other.is_empty


READINGS = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from("abc"), st.sampled_from([0, 1, 4, 9])), min_size=1, max_size=30
)


@SETTINGS
@given(READINGS, st.sampled_from(["avg", "sum", "max", "median"]), st.integers(1, 30), st.data())
def test_order_of_arrival_of_readings_changes_no_alert(make_rule, run, readings, function, window, data):
    rule = make_rule(
        kind="aggregate",
        data="x",
        function=function,
        window=f"{window}s",
        condition="value > 3",
        lateness="10s",
        group_by=["site"],
    )
    readings = sorted({(t, device): x for t, device, x in readings}.items())
    delays = data.draw(st.lists(st.integers(0, 99), min_size=len(readings), max_size=len(readings)))
    told = []
    for late in ([0] * len(readings), delays):
        one = run(rule)
        arrivals = sorted(
            (t + delay / 10, number) for number, (((t, _), _), delay) in enumerate(zip(readings, late, strict=True))
        )
        for moment, number in arrivals:
            (t, device), x = readings[number]
            one.advance(moment)
            one.read(t, {"site": "s", "device": device}, x=x)
        one.advance(1_000)
        told.append(one.alerts)
    assert told[0] == told[1]


def test_what_comes_after_the_window_has_slid_on_is_not_dated_back(make_rule, run, make_event):
    rule = make_rule(kind="frequency", dataset="test", window="10s", condition="value >= 2")
    one = run(rule)
    for second in (0, 1, 8):
        one.alerts += one.engine.event(make_event(second))
    one.advance(25)
    assert one.steps == [(1, "firing"), (11, "resolved")]
    one.alerts += one.engine.event(make_event(7))
    one.advance(100)
    assert one.steps[2:] == [(11, "firing"), (17, "resolved")]
