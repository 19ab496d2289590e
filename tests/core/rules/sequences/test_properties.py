"""Order of arrival, restarts and damage, through the whole engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files.load import parse_rules

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CASES = Path(__file__).parents[3] / "cases" / "rules"
LATENESS = 10
START = VirtualClock().now()

EVENTS = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from("abn"), st.sampled_from(["x", "y"]), st.floats(0, LATENESS - 1)),
    max_size=25,
)
"""When it happens (in seconds), what it is, of which group, how late it arrives."""

RULES = {
    "in order": {"steps": ["a", "b"]},
    "repeated": {"steps": ["a", "a", "b"]},
    "not between": {"steps": ["a", "!n", "b"]},
    "not after": {"steps": ["a", "!b"]},
    "any order": {"steps": ["a", "b", "n"], "ordered": False},
}


def rule_of(make, steps, **keys):
    sections = [{"where": {"event.action": step.strip("!")}, "not": step.startswith("!")} for step in steps]
    return make(kind="sequence", within="20s", group_by=["host.name"], lateness=f"{LATENESS}s", steps=sections, **keys)


def alerts_of(rule, arrivals):
    clock = VirtualClock(START)
    engine = Engine(RuleSet((rule,)), clock=clock, agent="bj/a/b/c")
    told = []
    for arrives, event in arrivals:
        clock.set(max(clock.now(), START + round(arrives * 1000)))
        told += engine.advance(clock.now())
        told += engine.event(event)
    clock.set(START + 1_000_000)
    told += engine.advance(clock.now())
    return [(alert.time, alert.state, alert.labels["host_name"], alert.event_ids) for alert in told]


@pytest.mark.parametrize("name", RULES)
@SETTINGS
@given(EVENTS)
def test_the_order_of_arrival_within_the_lateness_does_not_change_the_alerts(make, name, events):
    rule = rule_of(make, **RULES[name])
    made = [
        (second, late, Event(f"e{number:02}", START + second * 1000, {"event.action": action, "host.name": host}))
        for number, (second, action, host, late) in enumerate(events)
    ]
    on_time = [(second, event) for second, _, event in sorted(made, key=lambda each: (each[0], each[2].id))]
    late = [(second + delay, event) for second, delay, event in sorted(made, key=lambda each: each[0] + each[1])]
    assert sorted(alerts_of(rule, late)) == sorted(alerts_of(rule, on_time))


DOCUMENTS = [
    document
    for file in sorted(CASES.glob("*/rule.yaml"))
    for document in file.read_text().split("\n---\n")
    if any(word in document for word in ("kind: sequence", "kind: composite", "kind: beacon", "schedule:", "throttle:"))
]


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_damaged_rule_is_loaded_or_refused_with_its_place(number, data):
    document = DOCUMENTS[number]
    place = data.draw(st.integers(0, len(document) - 1))
    length = data.draw(st.integers(0, 12))
    put = data.draw(st.sampled_from(["", "x", "0", "-", ": ", "[", "not ", "9" * 20, "true", "'", "{}", "(", "\n"]))
    text = document[:place] + put + document[place + length :]
    rules, problems = parse_rules(text.encode(), "rule.yaml")
    assert rules or problems or not yaml.safe_load(text) or "calendar" in text
    for problem in problems:
        assert problem.place.line >= 1
        assert problem.message


@pytest.mark.slow
def test_a_hundred_thousand_groups_take_no_more_room_than_the_limit(make):
    rule = make(
        kind="sequence",
        within="1h",
        group_by=["host.name"],
        limits={"groups": 500},
        steps=[{"where": {"event.action": "a"}}, {"where": {"event.action": "b"}}],
    )
    clock = VirtualClock(START)
    engine = Engine(RuleSet((rule,)), clock=clock, agent="bj/a/b/c")
    for number in range(100_000):
        engine.event(Event(f"e{number}", START + number, {"event.action": "a", "host.name": f"h{number}"}))
    state = engine.states[0]
    assert len(state.cells) == 500
    assert state.evictions == 99_500
    assert len(engine._groups.timers) < 25_000
