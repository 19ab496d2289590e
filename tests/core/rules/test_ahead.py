"""What a wrong clock dates into the future."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from fenghuo.model import Event
from fenghuo.rules import AHEAD_MS
from fenghuo.rules.runtime.telemetry import register_rules

YEARS = 4 * 365 * 86_400


def attempt(t0, second, number, ahead=0):
    document = {"event.dataset": "test", "source.ip": "10.0.0.1"}
    return Event(f"e{number}", t0 + (second + ahead) * 1000, document)


def run_frequency(make_rule, run, ahead, **options):
    rule = make_rule(
        kind="frequency", dataset="test", group_by=["source.ip"], window="1m", condition="value >= 3", forget="1d"
    )
    one = run(rule, **options)
    start = one.clock.now()
    for number, second in enumerate((0, 10, 20, 30)):
        one.advance(second)
        one.alerts += one.engine.event(attempt(start, second, number, ahead if number == 1 else 0))
    return one


def test_one_event_of_a_wrong_clock_does_not_hide_those_of_the_others(make_rule, run):
    believing = run_frequency(make_rule, run, YEARS)
    assert not believing.alerts
    one = run_frequency(make_rule, run, YEARS, ahead_ms=AHEAD_MS)
    assert [(step.time, list(step.event_ids)) for step in one.alerts] == [
        (one.clock.now() - 10_000, ["e0", "e1", "e2"]),
    ]
    assert one.engine.ahead == 1


def test_up_to_ten_minutes_are_believed(make_rule, run):
    one = run_frequency(make_rule, run, AHEAD_MS // 1000, ahead_ms=AHEAD_MS)
    assert not one.engine.ahead
    one = run_frequency(make_rule, run, AHEAD_MS // 1000 + 1, ahead_ms=AHEAD_MS)
    assert one.engine.ahead == 1


def test_a_reading_of_the_future_does_not_make_late_what_comes_after_it(make_rule, run):
    rule = make_rule(data="x", condition="value > 1")
    assert not watched(run(rule)).alerts
    one = watched(run(rule, ahead_ms=AHEAD_MS))
    assert [step.labels["device"] for step in one.alerts] == ["a"]
    assert one.engine.with_rules(one.rules).ahead == 1


def watched(one):
    one.read(YEARS, {"device": "a"}, x=0)
    for second in (60, 120):
        one.advance(second)
        one.read(second, {"device": "a"}, x=5)
    return one


def test_what_was_of_the_future_is_counted_for_all_to_see(make_rule, run):
    registry = CollectorRegistry()
    one = run_frequency(make_rule, run, YEARS, ahead_ms=AHEAD_MS)
    register_rules(registry, lambda: one.engine)
    assert b"fenghuo_rules_ahead_total 1.0" in generate_latest(registry)
