from __future__ import annotations

import pytest

STEPS = [{"where": {"event.action": "a"}}, {"where": {"event.action": "b"}}]


@pytest.fixture
def sequence(make):
    def sequence(**keys):
        return make(**{"kind": "sequence", "within": "60s", "steps": STEPS, **keys})

    return sequence


def test_steps_are_joined_by_fields_that_may_have_other_names(sequence, run):
    steps = [STEPS[0], {**STEPS[1], "by": {"source.ip": "destination.ip"}}]
    engine = run(sequence(steps=steps, group_by=["source.ip"], message="{source.ip} and {destination.ip}"))
    engine.event(0, event__action="a", source__ip="10.0.0.1")
    engine.event(1, event__action="b", source__ip="10.0.0.1", destination__ip="10.0.0.2")
    assert engine.told == []
    engine.event(2, event__action="b", source__ip="10.0.0.9", destination__ip="10.0.0.1")
    assert engine.told == [(2, "firing")]
    assert engine.alerts[0].labels == {"source_ip": "10.0.0.1"}
    assert engine.alerts[0].event_ids == ("e1", "e3")
    assert engine.alerts[0].message == "10.0.0.1 and 10.0.0.1"


def test_the_rules_own_where_and_exceptions_hold_for_every_step(sequence, run):
    rule = sequence(dataset="d", where={"host.name": "h"}, exceptions=[{"user.name": "root"}])
    engine = run(rule)
    whole = {"event__dataset": "d", "host__name": "h"}
    engine.event(0, event__action="a", **whole, user__name="root")
    engine.event(1, event__action="a", **whole | {"host__name": "other"})
    engine.event(2, event__action="b", **whole)
    assert engine.told == []
    engine.event(3, event__action="a", **whole)
    engine.event(4, event__action="b", event__dataset="d")
    assert engine.told == []
    engine.event(5, event__action="b", **whole)
    assert engine.told == [(5, "firing")]


def test_it_lasts_as_long_as_its_span_and_each_completion_is_told(sequence, run):
    engine = run(sequence())
    for second, action in enumerate("abab"):
        engine.event(second, event__action=action)
    engine.advance(100)
    assert engine.told == [(1, "firing"), (3, "firing"), (63, "resolved")]


def test_what_did_not_follow_is_told_when_its_time_is_over(sequence, run):
    steps = [STEPS[0], {**STEPS[1], "not": True}]
    engine = run(sequence(steps=steps, group_by=["host.name"], culprit={"name": "host.name"}))
    engine.event(0, event__action="a", host__name="one")
    engine.event(5, event__action="a", host__name="two")
    engine.event(60, event__action="b", host__name="one")
    engine.advance(80)
    assert engine.told == [(65, "firing")]
    assert engine.alerts[0].culprit == {"name": "two"}
    assert engine.alerts[0].event_ids == ("e2",)


def test_what_steps_remember_is_for_messages_and_parties(sequence, run):
    steps = [
        {**STEPS[0], "remember": {"first_user": "user.name"}},
        {"where": {"event.action": "c"}, "remember": {"second": "user.name"}},
        {**STEPS[1], "not": True},
    ]
    rule = sequence(steps=steps, message="{first_user} then {second}", culprit={"name": "first_user"})
    engine = run(rule)
    engine.event(0, event__action="a", user__name="li")
    engine.restart()
    engine.event(1, event__action="c", user__name="wang")
    engine.advance(100)
    assert engine.alerts[0].message == "li then wang"
    assert engine.alerts[0].culprit == {"name": "li"}


def test_a_restart_forgets_nothing(sequence, run):
    steps = [STEPS[0], {**STEPS[1], "count": 2}]
    engine = run(sequence(steps=steps))
    for second, action in enumerate("abb"):
        engine.restart()
        engine.event(second, event__action=action)
    engine.restart()
    engine.advance(200)
    assert engine.told == [(2, "firing"), (62, "resolved")]


def test_with_lateness_events_count_in_order(sequence, run):
    engine = run(sequence(lateness="10s"))
    engine.event(5, event__action="b")
    engine.event(3, event__action="a")
    engine.advance(30)
    assert engine.told == [(5, "firing")]


def test_without_lateness_a_late_first_step_counts_where_it_belongs(sequence, run):
    engine = run(sequence())
    engine.event(5, event__action="b")
    engine.event(3, event__action="a")
    assert engine.told == [(5, "firing")]
    assert engine.alerts[0].event_ids == ("e2", "e1")


def test_steps_may_be_alerts_of_other_rules(make, run):
    rules = [
        make(name=f"r.{name}", kind="match", where={"event.action": name}, group_by=["host.name"], lasts="1s")
        for name in "ab"
    ]
    steps = [{"rules": "r.a"}, {"rules": ["r.b"]}]
    chain = make(name="r.chain", kind="sequence", within="60s", steps=steps, group_by=["host.name"])
    engine = run(*rules, chain)
    engine.event(0, event__action="a", host__name="h")
    engine.event(1, event__action="b", host__name="i")
    engine.event(10, event__action="b", host__name="h")
    told = [alert for alert in engine.alerts if alert.rule_name == "r.chain"]
    assert [(alert.labels, alert.event_ids) for alert in told] == [({"host_name": "h"}, ("e1", "e3"))]


def test_groups_beyond_the_limit_are_given_up_and_counted(sequence, run):
    engine = run(sequence(group_by=["host.name"], limits={"groups": 10}))
    for number in range(100):
        engine.event(number / 100, event__action="a", host__name=f"h{number}")
    state = engine.engine.states[0]
    assert len(state.cells) == 10
    assert state.evictions == 90
    engine.event(2, event__action="b", host__name="h99")
    engine.event(2, event__action="b", host__name="h1")
    assert [alert.labels["host_name"] for alert in engine.alerts] == ["h99"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"steps": [{"where": {"a": "b"}, "not": True}]}, "every step is one that must not happen"),
        ({"steps": [{**STEPS[0], "not": True}, STEPS[1]]}, "the first step must be one that happens"),
        ({"steps": [STEPS[0], {"name": "x"}]}, "which events? say 'where'"),
        ({"steps": [STEPS[0], {**STEPS[1], "rules": ["x"]}]}, "about events or about alerts"),
        ({"steps": [STEPS[0], {**STEPS[1], "by": {"source.ip": "x"}}]}, "'by' speaks of 'source.ip'"),
        ({"steps": [{**STEPS[0], "name": "x"}, {**STEPS[1], "name": "x"}]}, "two steps are called 'x'"),
        ({"steps": [STEPS[0], {**STEPS[1], "not": True, "count": 2}]}, "it has no 'count'"),
        ({"steps": [STEPS[0], {**STEPS[1], "not": True, "within": "1s"}, STEPS[1]]}, "only the last may have"),
        ({"steps": [{**STEPS[0], "count": 100}] * 3}, "more than 200 events in all"),
        ({"ordered": False, "steps": [{**STEPS[0], "within": "1s"}, STEPS[1]]}, "for steps in order"),
        ({"condition": "step1 or step2"}, "say 'ordered: false'"),
        ({"ordered": False, "condition": "step1 or step3"}, "'step3' is none of the names"),
        ({"ordered": False, "condition": "step1"}, "does not speak of the step 'step2'"),
        ({"ordered": False, "condition": "not step1 or step2"}, "true where no step happened"),
        ({"within": "0s"}, "greater than 0"),
        ({"steps": []}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, keys, message):
    problems = refused(**{"kind": "sequence", "within": "60s", "steps": STEPS, **keys})
    assert any(message in problem for problem in problems), problems


def test_an_error_in_a_step_is_shown_where_it_is(refused):
    steps = [STEPS[0], {"where": {"source.ip|cidr": "nonsense"}}]
    (problem,) = refused(kind="sequence", within="60s", steps=steps)
    assert problem.startswith("rule.yaml:")
    assert "steps.1" in problem
    line = int(problem.split(":")[1])
    assert line > 5
