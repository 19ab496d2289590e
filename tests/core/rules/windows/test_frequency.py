"""`frequency` against a reference that counts anew at every moment."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.frequency import FrequencyBody
from fenghuo.rules.language.expression import parse_condition
from fenghuo.rules.runtime.observe import Seen

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GAPS = st.lists(st.integers(1, 12), min_size=1, max_size=40)
"""Seconds between one event and the next."""
CONDITIONS = ["value >= 3", "value > 5", "value == 2", "value >= 2 and value < 4", "value * 2 > 7", "value in (3, 5)"]


def seconds(gaps):
    return list(itertools.accumulate(gaps))


def truth(condition):
    return lambda things: eval(condition, {"value": len(things)})


@SETTINGS
@given(GAPS, st.integers(1, 40), st.sampled_from(CONDITIONS), st.integers(0, 20), st.integers(0, 20), st.data())
def test_alerts_are_those_of_a_count_made_anew_however_often_time_is_told(
    make_rule, play, reference, gaps, window, condition, fire, clear, data
):
    times = seconds(gaps)
    rule = make_rule(
        kind="frequency",
        dataset="test",
        window=f"{window}s",
        condition=condition,
        hold=f"{fire}s",
        clear=f"for {clear}s",
    )
    tell = data.draw(st.sets(st.sampled_from(times)))
    restart = data.draw(st.sets(st.integers(0, len(times) - 1), max_size=2))
    played = play(rule, [(t, {}) for t in times], tell=tell, restart_after=restart)
    assert played.steps == reference([(t, t) for t in times], window, truth(condition)).steps(fire, clear)


@SETTINGS
@given(GAPS, st.integers(1, 40), st.sampled_from([1, 2, 4]), st.data())
def test_silence_is_told_of_a_group_that_was_seen_for_a_whole_window(
    make_rule, play, reference, gaps, window, fewest, data
):
    times = seconds(gaps)
    rule = make_rule(kind="frequency", dataset="test", window=f"{window}s", condition=f"value < {fewest}")
    played = play(rule, [(t, {}) for t in times], tell=data.draw(st.sets(st.sampled_from(times))), end=5_000)
    begin = times[0] + window
    told = reference([(t, t) for t in times], window, lambda things: len(things) < fewest)
    changes = [(t, on) for t, on in told.changes if t > begin]
    changes.insert(0, (begin, len(told.within(begin)) < fewest))
    told.changes = changes
    assert played.steps == told.steps()


@SETTINGS
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 30), st.integers(0, 30), st.data())
def test_order_of_arrival_within_lateness_changes_nothing(make_rule, run, make_event, times, window, lateness, data):
    rule = make_rule(
        kind="frequency",
        dataset="test",
        window=f"{window}s",
        condition="value >= 3",
        lateness=f"{lateness}s" if lateness else "1s",
    )
    times.sort()
    lateness = max(1, lateness)
    alerts = []
    for arrivals in (times, [t + data.draw(st.integers(0, lateness * 10 - 1)) / 10 for t in times]):
        one = run(rule)
        order = sorted(range(len(times)), key=lambda number: arrivals[number])
        for number in order:
            one.advance(arrivals[number])
            one.alerts += one.engine.event(make_event(times[number], f"e{number:05}"))
        one.advance(1_000)
        alerts.append(one.alerts)
    assert alerts[0] == alerts[1]


@SETTINGS
@given(st.lists(st.integers(1, 80), min_size=1, max_size=60), st.integers(1, 30))
def test_what_comes_late_counts_where_it_belongs(times, window):
    body = FrequencyBody(condition=parse_condition("value >= 1"), window=window)
    cell, seen = body.start(), []
    for number, time in enumerate(times):
        id_ = f"e{number * 7919 % 10_007:05}"
        now = max([time, *(t for t, _ in seen)])
        measure = cell.see(Seen(time, id_, None, lambda _: None), 0)
        if time <= now - window:
            assert measure is None
            continue
        seen.append((time, id_))
        inside = sorted(pair for pair in seen if pair[0] > now - window)
        assert measure.value == len(inside)
        assert list(measure.events) == [id_ for _, id_ in inside]


@pytest.mark.parametrize("seed", range(5))
def test_a_busy_group_keeps_only_as_much_as_its_limit_and_is_right_nonetheless(make_rule, run, make_event, seed):
    chance = random.Random(seed)
    rule = make_rule(
        kind="frequency",
        dataset="test",
        window="60s",
        condition="value >= 50",
        limits={"events": 50},
    )
    plain = make_rule(kind="frequency", dataset="test", window="60s", condition="value >= 50")
    told = []
    for each in (rule, plain):
        one, second = run(each), 0.0
        chance.seed(seed)
        for number in range(3_000):
            second += chance.choice([0.1, 0.2, 4])
            one.alerts += one.engine.event(make_event(second, f"e{number:05}"))
        one.advance(second + 1_000)
        told.append(one.steps)
        given_up = one.engine.states[0].given_up
    assert told[0] == told[1]
    assert told[0]
    assert given_up == 0
    one = run(rule)
    for number in range(80):
        one.engine.event(make_event(number / 100, f"e{number:05}"))
    assert one.engine.states[0].given_up == 30


def test_an_alert_names_the_events_in_its_window_the_newest_hundred(make_rule, play):
    rule = make_rule(kind="frequency", dataset="test", window="1h", condition="value >= 120")
    one = play(rule, [(second, {}) for second in range(130)], end=200)
    assert one.alerts[0].event_ids == tuple(f"e{number:05}" for number in range(20, 120))


def test_readings_are_counted_too(make_rule, run):
    rule = make_rule(kind="frequency", data="x", window="10s", condition="value >= 3", group_by=["device"])
    one = run(rule)
    for second in range(0, 12, 4):
        one.read(second, {"device": "a", "port": str(second)}, x=1)
    one.advance(100)
    assert one.steps == [(8, "firing"), (10, "resolved")]


def test_a_restart_is_no_silence(make_rule, run, make_event):
    rule = make_rule(kind="frequency", dataset="test", window="10s", condition="value < 1")
    one = run(rule)
    for second in range(0, 21, 2):
        one.advance(second)
        one.alerts += one.engine.event(make_event(second))
    one.restart(away=3600)
    one.alerts += one.engine.event(make_event(3622))
    one.advance(3630)
    assert one.steps == []
    one.advance(4000)
    assert one.steps == [(3632, "firing")]


def test_a_group_forgotten_is_let_go_and_its_alert_resolved(make_rule, run, make_event):
    rule = make_rule(kind="frequency", dataset="test", window="10s", condition="value < 1", forget="1m")
    one = run(rule)
    one.engine.event(make_event(0))
    one.advance(1_000)
    assert one.steps == [(10, "firing"), (70, "resolved")]
    assert one.alerts[-1].evidence["reason"] == "forgotten"
    assert not one.engine.states[0].cells
    assert one.engine.due is None


def test_nothing_is_kept_of_a_group_whose_window_is_empty(make_rule, run, make_event):
    rule = make_rule(kind="frequency", dataset="test", window="10s", condition="value >= 3", group_by=["source.ip"])
    one = run(rule)
    for number in range(100):
        one.engine.event(make_event(number / 10, source__ip=f"10.0.0.{number}"))
    assert len(one.engine.states[0].cells) == 100
    one.advance(60)
    assert not one.engine.states[0].cells
    assert one.engine.due is None


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"condition": "value >= 20000"}, "a count of 20000 is asked for, only 10000 are kept"),
        ({"condition": "count >= 2"}, "unknown name 'count'"),
        ({"condition": "value >= 2", "level": {"high": "speed > 3"}}, "level: unknown name 'speed'"),
        ({"condition": "value >= 2", "clear": "rate < 2 for 5m"}, "clear"),
        ({"condition": "value >= 2", "window": "0s"}, "window"),
        ({}, "condition"),
    ],
)
def test_what_makes_no_sense_is_refused(keys, complaint):
    import yaml

    from fenghuo.rules.files.load import parse_rules

    frame = {"title": "A rule", "id": "00000000-0000-4000-8000-000000000001", "name": "a.rule", "kind": "frequency"}
    text = yaml.safe_dump({**frame, "dataset": "test", "window": "5m", **keys})
    rules, problems = parse_rules(text.encode(), "rule.yaml")
    assert not rules
    assert any(complaint in str(problem) for problem in problems), problems
