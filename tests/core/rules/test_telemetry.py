"""What rules say of their own cost."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fenghuo.model import Event
from fenghuo.rules.runtime.meter import SAMPLED, Meter
from fenghuo.rules.runtime.telemetry import register_rules


class Ticks:
    """A timer by which everything takes `step` nanoseconds."""

    def __init__(self, step):
        self.step, self.now, self.asked = step, 0, 0

    def __call__(self):
        self.now += self.step
        self.asked += 1
        return self.now


def values(registry, rule="test.rule"):
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels in ({"rule": rule}, {})
    }


def test_each_rule_tells_what_it_did(make_rule, run):
    registry = CollectorRegistry()
    play = run(make_rule(kind="threshold", data="x", condition="value > 1"))
    register_rules(registry, lambda: play.engine)
    for second in range(10):
        play.read(second, {"device": "a"}, x=second)
    play.read(3, {"device": "a"}, x=5)
    found = values(registry)
    assert found["fenghuo_rule_evaluations_total"] == 10
    assert found["fenghuo_rule_matches_total"] == 8
    assert found["fenghuo_rule_alerts_total"] == 1
    assert found["fenghuo_rule_groups"] == 1
    assert found["fenghuo_rule_late_total"] == 1
    assert found["fenghuo_rule_evictions_total"] == 0
    assert found["fenghuo_rule_cpu_seconds_total"] > 0


def test_cpu_is_what_samples_say_times_what_they_stand_for(make_rule, run):
    ticks = Ticks(1_000_000)
    play = run(make_rule(kind="threshold", data="x", condition="value > 1"), timer=ticks)
    count = 10 * SAMPLED + 1
    for second in range(count):
        play.read(second, {"device": "a"}, x=0)
    assert play.engine.states[0].meter.nanoseconds == count * 1_000_000
    assert ticks.asked == 2 * 11


def test_events_are_measured_too_and_what_finding_their_rules_costs(make_rule, run):
    registry = CollectorRegistry()
    play = run(make_rule(kind="match", where={"event.action": "deny"}, group_by=["source.ip"]), timer=Ticks(1_000_000))
    register_rules(registry, lambda: play.engine)
    for number in range(5 * SAMPLED + 1):
        play.engine.event(Event(f"e{number}", number, {"event": {"action": "deny"}, "source": {"ip": "10.0.0.1"}}))
    play.engine.event(Event("x", 0, {"event": {"action": "deny"}}))
    found = values(registry)
    assert found["fenghuo_rule_cpu_seconds_total"] == (5 * SAMPLED + 1) / 1000
    assert found["fenghuo_rules_matching_cpu_seconds_total"] == (5 * SAMPLED + 1) / 1000
    assert found["fenghuo_rule_ungrouped_total"] == 1


def test_a_reload_needs_no_new_registration_and_no_engine_is_no_error(make_rule, run):
    engine = None
    registry = CollectorRegistry()
    register_rules(registry, lambda: engine)
    assert values(registry) == {}
    engine = run(make_rule(data="x", condition="value > 1")).engine
    assert values(registry)["fenghuo_rule_evaluations_total"] == 0


def test_a_meter_never_falls():
    meter = Meter()
    seen = []
    for cost in (5, 0, 9):
        meter.add(cost)
        seen.append(meter.nanoseconds)
    assert seen == [5, 5 + SAMPLED, 5 + SAMPLED + 9 * SAMPLED]
