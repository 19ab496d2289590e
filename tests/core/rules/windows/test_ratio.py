"""`ratio` against a reference that divides anew at every moment."""

from __future__ import annotations

import itertools

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.files.load import parse_rules

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENTS = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=40)
FAILED = {"where": {"event.outcome": "failure"}}


@SETTINGS
@given(
    EVENTS,
    st.integers(1, 40),
    st.sampled_from(["value >= 0.5", "value < 30%", "value == 0.25"]),
    st.integers(1, 4),
    st.data(),
)
def test_alerts_are_those_of_a_ratio_computed_anew(make_rule, play, reference, items, window, condition, fewest, data):
    times = list(itertools.accumulate(gap for gap, _ in items))
    rule = make_rule(
        kind="ratio", dataset="test", part=FAILED, window=f"{window}s", condition=condition, min_count=fewest
    )
    pairs = [(t, failed) for t, (_, failed) in zip(times, items, strict=True)]
    played = play(
        rule,
        [(t, {"event.outcome": "failure" if failed else "success"}) for t, failed in pairs],
        tell=data.draw(st.sets(st.sampled_from(times))),
        restart_after=data.draw(st.sets(st.integers(0, len(times) - 1), max_size=2)),
    )
    plain = condition.replace("30%", "0.3")

    def is_on(held):
        return len(held) >= fewest and eval(plain, {"value": sum(held) / len(held)})

    assert played.steps == reference(pairs, window, is_on).steps()


def test_an_alert_names_the_events_of_the_part(make_rule, play):
    rule = make_rule(
        kind="ratio",
        dataset="test",
        part=FAILED,
        window="1m",
        condition="value > 0.4",
        min_count=5,
        message="{part:.0f} of {whole:.0f}",
    )
    outcomes = ["success", "failure", "success", "failure", "success", "failure"]
    one = play(rule, [(t, {"event.outcome": outcome}) for t, outcome in enumerate(outcomes)], end=20)
    assert one.steps == [(5, "firing")]
    assert one.alerts[0].event_ids == ("e00001", "e00003", "e00005")
    assert one.alerts[0].message == "3 of 6"


def test_over_readings_it_is_a_sum_over_a_sum(make_rule, run):
    rule = make_rule(
        kind="ratio",
        data="rate(ifInErrors)",
        of="rate(ifInUcastPkts)",
        window="3m",
        condition="value > 10%",
        group_by=["device"],
    )
    one = run(rule)
    errors, packets = 0, 0
    for minute in range(12):
        errors += 3000 if minute in (5, 6) else 0
        packets += 6000
        counters = {"ifInErrors": 64, "ifInUcastPkts": 64}
        one.read(minute * 60, {"device": "sw1"}, counters=counters, ifInErrors=errors, ifInUcastPkts=packets)
    assert one.steps == [(300, "firing"), (540, "resolved")]
    assert one.alerts[0].value == pytest.approx(50 / 300)


def test_when_nothing_is_left_of_the_whole_the_alert_is_over(make_rule, play):
    rule = make_rule(
        kind="ratio", dataset="test", part=FAILED, window="10s", condition="value > 0.4", clear="value < 0.1"
    )
    one = play(rule, [(0, {"event.outcome": "failure"})], end=100)
    assert one.steps == [(0, "firing"), (10, "resolved")]
    assert not one.engine.states[0].cells


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"dataset": "test"}, "needs 'part'"),
        ({"data": "x"}, "of: "),
        ({"data": "x", "of": "y", "part": FAILED}, "'part'"),
        ({"dataset": "test", "part": {}}, "which events"),
    ],
)
def test_what_makes_no_sense_is_refused(keys, complaint):
    frame = {"title": "A rule", "id": "00000000-0000-4000-8000-000000000001", "name": "a.rule", "kind": "ratio"}
    text = yaml.safe_dump({**frame, "window": "5m", "condition": "value > 0.5", **keys})
    rules, problems = parse_rules(text.encode(), "rule.yaml")
    assert not rules
    assert any(complaint in str(problem) for problem in problems), problems
