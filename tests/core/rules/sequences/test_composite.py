from __future__ import annotations

import pytest

from fenghuo.model import Alert, AlertState


@pytest.fixture
def rules(make):
    def rules(**keys):
        parts = [
            make(name=f"r.{name}", kind="match", where={"event.action": name}, group_by=["host.name"], lasts="10s")
            for name in "abc"
        ]
        whole = {"kind": "composite", "name": "r.whole", "group_by": ["host.name"], "of": ["r.a", "r.b"], **keys}
        return [*parts, make(**whole)]

    return rules


def told(engine):
    return [step for step, alert in zip(engine.told, engine.alerts, strict=True) if alert.rule_name == "r.whole"]


def test_all_of_the_rules_must_fire_for_the_same_labels(rules, run):
    engine = run(*rules())
    engine.event(0, event__action="a", host__name="h")
    engine.event(1, event__action="b", host__name="i")
    engine.event(5, event__action="b", host__name="h")
    engine.advance(30)
    assert told(engine) == [(5, "firing"), (10, "resolved")]


def test_it_names_the_events_behind_the_alerts(rules, run):
    engine = run(*rules())
    engine.event(0, event__action="a", host__name="h")
    engine.event(5, event__action="b", host__name="h")
    assert engine.alerts[-1].rule_name == "r.whole"
    assert engine.alerts[-1].event_ids == ("e1", "e2")
    assert engine.alerts[-1].value == 2


def test_it_must_hold_for_its_time_and_be_clear_for_its_time(rules, run):
    engine = run(*rules(**{"for": "5s", "clear": "for 20s"}))
    engine.event(0, event__action="a", host__name="h")
    engine.event(8, event__action="b", host__name="h")
    engine.event(9, event__action="a", host__name="h")
    engine.advance(60)
    # b ends at 18, a at 19
    assert told(engine) == [(13, "firing"), (38, "resolved")]


def test_a_rule_that_fires_for_several_groups_counts_while_one_does(rules, make, run):
    parts = rules()[:3]
    wide = make(kind="composite", name="r.whole", condition="r.a and not r.c")
    engine = run(*parts, wide)
    engine.event(0, event__action="a", host__name="h")
    engine.event(5, event__action="a", host__name="i")
    engine.advance(12)
    assert told(engine) == [(0, "firing")]
    engine.event(13, event__action="c", host__name="j")
    assert told(engine) == [(0, "firing"), (13, "resolved")]


def test_a_restart_forgets_nothing(rules, run):
    engine = run(*rules())
    engine.event(0, event__action="a", host__name="h")
    engine.restart()
    engine.event(1, event__action="b", host__name="h")
    engine.restart()
    engine.advance(30)
    assert told(engine) == [(1, "firing"), (10, "resolved")]


def test_rules_that_are_throttled_still_count(make, run):
    first = make(name="r.a", kind="match", where={"event.action": "a"}, lasts="5s", throttle="1h")
    engine = run(first, make(kind="composite", name="r.whole", of="r.a"))
    engine.event(0, event__action="a")
    engine.event(60, event__action="a")
    engine.advance(100)
    assert told(engine) == [(0, "firing"), (5, "resolved"), (60, "firing"), (65, "resolved")]
    assert [alert.rule_name for alert in engine.alerts].count("r.a") == 2


def test_composites_may_stand_on_composites(rules, make, run):
    engine = run(*rules(), make(kind="composite", name="r.higher", condition="r.whole and not r.c"))
    engine.event(0, event__action="a", host__name="h")
    engine.event(1, event__action="b", host__name="h")
    assert engine.alerts[-1].rule_name == "r.higher"


def alert(agent, name, fingerprint, *, state=AlertState.FIRING, time=0, **labels):
    return Alert(fingerprint, "id", name, "T", "", state, "medium", labels, time, time)


def test_at_the_collector_it_sees_the_alerts_of_all_agents(make, run):
    rule = make(kind="composite", name="r.whole", condition="r.a and r.b", group_by=["site"], runs="collector")
    engine = run(rule, agent="bj/collector")
    site = "bj/haidian/zgc-no1"
    now = engine.clock.now()
    engine.engine.alert(alert("gw1", "r.a", "f1", time=now), f"{site}/gw1")
    assert engine.engine.alert(alert("gw2", "r.b", "f2", time=now), "bj/haidian/other/gw1") == []
    (told,) = engine.engine.alert(alert("gw2", "r.b", "f3", time=now), f"{site}/gw2")
    assert told.labels == {"site": site}
    (over,) = engine.engine.alert(alert("gw2", "r.b", "f3", state=AlertState.RESOLVED, time=now), f"{site}/gw2")
    assert over.state is AlertState.RESOLVED


def test_an_alert_that_was_not_heard_of_for_long_no_longer_counts(make, run):
    engine = run(make(kind="composite", name="r.whole", of="r.a", forget="1h"))
    engine.alerts += engine.engine.alert(alert("gw1", "r.a", "f1", time=engine.clock.now()), "bj/x/gw1")
    engine.advance(4000)
    assert told(engine) == [(0, "firing"), (3600, "resolved")]


def test_memory_is_bounded_however_many_alerts_fire(make, run):
    engine = run(make(kind="composite", name="r.whole", condition="r.a and r.b"))
    for number in range(1200):
        engine.engine.alert(alert("gw1", "r.a", f"f{number}", time=engine.clock.now()), "bj/x/gw1")
    (place,) = engine.engine.states[0].cells.values()
    assert sum(map(len, place.cell._firing)) == 1000
    assert engine.engine.states[0].given_up == 200


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "which rules? say 'of' or 'condition'"),
        ({"condition": "not a"}, "true where none of the rules fires"),
        ({"condition": "a and test.rule"}, "cannot stand on its own alerts"),
        ({"of": ["a", "b"], "condition": "a and c"}, "'c' is none of the names"),
        ({"condition": "a and and"}, "expected a name"),
        ({"of": ["a"], "clear": "b for 5m"}, "'b' is none of the names"),
        ({"of": ["a"], "where": {"x": "y"}}, "about alerts of other rules"),
        ({"of": ["a"], "clear": "not a for soon"}, "clear:"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, keys, message):
    problems = refused(kind="composite", **keys)
    assert any(message in problem for problem in problems), problems


def test_names_of_rules_that_are_not_and_circles_are_refused(tmp_path, make):
    import yaml

    from fenghuo.rules.files.load import read_rules

    frame = {"title": "T", "kind": "composite"}
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]
    documents = [
        {**frame, "name": "one", "id": ids[0], "of": ["two"]},
        {**frame, "name": "two", "id": ids[1], "of": ["one"]},
        {**frame, "name": "three", "id": ids[2], "condition": "nothing or two"},
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump_all(documents))
    rules, problems = read_rules([tmp_path])
    messages = " ".join(str(problem) for problem in problems)
    assert "a circle: one → two → one" in messages
    assert "no rule is named 'nothing'" in messages
    assert not rules.rules
