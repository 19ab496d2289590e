from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.model import Layout, Table
from fenghuo.rules.runtime.throttle import Gates, Spacing

SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def match(make):
    def match(**keys):
        whole = {"kind": "match", "where": {"event.action": "a"}, "group_by": ["source.ip"], "lasts": "5s", **keys}
        return make(**whole)

    return match


def firing(engine):
    return [time for time, state in engine.told if state == "firing"]


@SETTINGS
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 60), st.integers(0, 30))
def test_tellings_keep_their_distance_and_every_event_is_told_of(match, run, gaps, every, reload):
    engine = run(match(throttle=f"{every}s"))
    second = 0
    for number, gap in enumerate(gaps):
        second += gap
        if number == reload:
            engine.restart()
        engine.event(second, event__action="a", source__ip="10.0.0.1")
    engine.advance(second + 10_000)
    times = firing(engine)
    assert all(later - before >= every for before, later in itertools.pairwise(times))
    states = [state for _, state in engine.told if state]
    # Each alert that was told is told to be over, once.
    assert [state for place, state in enumerate(states) if not place or state != states[place - 1]] == [
        "firing",
        "resolved",
    ] * states.count("resolved")
    told = sum(alert.evidence.get("events", 0) for alert in engine.alerts)
    held = sum(gate.seen for _, gate in engine.engine.states[0].gates.all())
    assert told + held == len(gaps)


def reference(times, every, up_to):
    """When a group that asks at these times, one after the other, is told of."""
    told, gap, until, active = [], None, None, None
    for time in times:
        if until is not None and time < until:
            active = time
            continue
        gap = every if gap is None or time - active >= up_to else min(2 * gap, max(every, up_to))
        told.append(time)
        until, active = time + gap, time
    return told


@given(st.lists(st.integers(0, 500), max_size=40), st.integers(1, 100), st.integers(1, 1000))
def test_the_gap_doubles_and_falls_back_after_a_quiet(gaps, every, up_to):
    gates = Gates(Spacing(every, up_to), 1000, 10)
    time, times, told = 0, [], []
    for gap in gaps:
        time += gap
        times.append(time)
        if gates.closed_until("f", time) is None:
            gates.tell("f", time)
            told.append(time)
        else:
            gates.withhold("f", time)
    assert told == reference(times, every, up_to)


def test_what_is_withheld_is_counted_in_the_next(match, run):
    engine = run(match(throttle="60s"))
    for second in (0, 10, 20, 30, 60):
        engine.event(second, event__action="a", source__ip="10.0.0.1")
    first, _, second = engine.alerts
    assert "throttled" not in first.evidence
    assert second.evidence["throttled"] == 3
    assert second.evidence["events"] == 4
    assert second.event_ids == ("e2", "e3", "e4", "e5")
    assert engine.engine.states[0].throttled == 3


def test_a_firing_that_was_withheld_is_told_after_a_restart_too(make, run):
    rule = make(kind="threshold", data="x", condition="value > 5", throttle="60s")
    engine = run(rule)
    layout = Layout("m", {"device": "a"}, {}, ("x",))
    start = engine.clock.now()
    for second, value in ((0, 9), (10, 0), (20, 9)):
        engine.advance(second)
        engine.alerts += engine.engine.process(Table(layout, start + second * 1000, ((value,),)))
    engine.restart()
    engine.advance(100)
    assert engine.told == [(0, "firing"), (10, "resolved"), (60, "firing")]


def test_the_engine_names_only_what_was_told_as_firing(match, run):
    engine = run(match(throttle="60s", lasts="30s"))
    engine.event(0, event__action="a", source__ip="10.0.0.1")
    engine.advance(31)
    engine.event(40, event__action="a", source__ip="10.0.0.1")
    assert engine.engine.firing() == []
    engine.advance(65)
    assert [alert.time for alert in engine.engine.firing()] == [engine.alerts[-1].time]


def test_a_rule_tells_so_many_a_minute_and_the_rest_later(match, run):
    engine = run(match(limits={"alerts": 5}, lasts="1h"))
    for number in range(50):
        engine.event(number / 10, event__action="a", source__ip=f"10.0.0.{number}")
    assert len(engine.alerts) == 5
    engine.advance(599)
    assert len(engine.alerts) == 50
    assert {alert.labels["source_ip"] for alert in engine.alerts} == {f"10.0.0.{number}" for number in range(50)}
    assert engine.engine.states[0].throttled == 45
    minutes = [int(time // 60) for time, _ in engine.told]
    assert all(minutes.count(minute) <= 5 for minute in minutes)


def test_rules_that_count_alerts_count_those_that_are_withheld_too(match, make, run):
    """And a level that changes, or a telling that comes later, is not one more."""
    steps = [{"rules": "r.a", "count": 5}]
    chain = make(name="r.chain", kind="sequence", within="10m", steps=steps)
    engine = run(match(name="r.a", throttle="60s", lasts="2m", repeat="30s"), chain)
    for second in (0, 1, 2, 3):
        engine.event(second, event__action="a", source__ip="10.0.0.1")
    engine.advance(90)
    assert "r.chain" not in [alert.rule_name for alert in engine.alerts]
    engine.event(91, event__action="a", source__ip="10.0.0.1")
    assert "r.chain" in [alert.rule_name for alert in engine.alerts]


def test_a_lower_level_is_withheld_and_told_when_the_gap_ends(make, run):
    level = {"medium": "value > 5", "critical": "value > 20"}
    rule = make(kind="threshold", data="x", condition="value > 5", level=level, throttle="60s")
    engine = run(rule)
    layout = Layout("m", {"device": "a"}, {}, ("x",))
    start = engine.clock.now()
    for second, value in ((0, 30), (10, 9), (20, 9)):
        engine.advance(second)
        engine.alerts += engine.engine.process(Table(layout, start + second * 1000, ((value,),)))
    engine.advance(100)
    assert [(alert.time - start, alert.level) for alert in engine.alerts] == [(0, "critical"), (60_000, "medium")]


def test_a_time_far_ahead_silences_nothing_of_now():
    gates = Gates(Spacing(60_000), 2, 100)
    future = 10**13
    for number in range(3):
        gates.tell("f", future + number)
    assert gates.closed_until("f", future + 10) == future + 2 + 60_000
    assert gates.closed_until("f", 1_000) is None
    assert gates.closed_until("g", 1_000) is None
    assert gates.closed_until("g", future + 10) is not None


def test_gates_are_bounded():
    gates = Gates(Spacing(60_000), 600, 100)
    for number in range(10_000):
        gates.tell(f"f{number}", number)
        gates.withhold(f"f{number}", number)
    assert len(list(gates.all())) == 100


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"throttle": "soon"}, "throttle"),
        ({"throttle": "0s"}, "greater than 0"),
        ({"throttle": {"every": "1m", "upto": "1h"}}, "up_to"),
        ({"repeat": {"up_to": "1h"}}, "every"),
        ({"limits": {"alerts": 0}}, "must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, keys, message):
    problems = refused(kind="match", where={"a": "b"}, **keys)
    assert any(message in problem for problem in problems), problems
