from __future__ import annotations

import pytest

KEYS = {"kind": "match", "where": {"event.action": "a"}}


def test_labels_that_the_alerts_do_not_have_are_refused(refused):
    (problem,) = refused(**KEYS, group_by=["source.ip"], suppress_if={"rules": "other"})
    assert "suppress_if.by: alerts of this rule have no label 'device'" in problem
    assert "group_by" in problem


@pytest.mark.parametrize(
    "keys",
    [
        {"group_by": ["host.name"], "suppress_if": {"rules": "other", "by": "host_name"}},
        {"group_by": ["host.name"], "suppress_if": {"rules": "other", "by": "host.name"}},
        {"labels": {"device": "all"}, "suppress_if": {"rules": "other"}},
    ],
)
def test_labels_by_the_names_of_fields_or_with_underscores(make, keys):
    assert make(**KEYS, **keys)


def test_events_that_come_while_another_rule_holds_back_go_into_the_next_telling(make, run):
    rule = make(**KEYS, name="r.a", group_by=["host.name"], lasts="1m", suppress_if={"rules": "r.b", "by": "host.name"})
    other = make(name="r.b", kind="match", where={"event.action": "b"}, group_by=["host.name"], lasts="10s")
    engine = run(rule, other)
    engine.event(0, event__action="a", host__name="h")
    engine.event(5, event__action="b", host__name="h")
    engine.event(6, event__action="a", host__name="h")
    engine.event(30, event__action="a", host__name="h")
    told = [alert for alert in engine.alerts if alert.rule_name == "r.a"]
    assert [alert.event_ids for alert in told] == [("e1",), ("e3", "e4")]
    assert told[1].evidence["throttled"] == 1
