"""The tests inside rules: what may come in them, and what may be expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from fenghuo.config import Section
from fenghuo.model import Alert, Event, Table
from fenghuo.rules import RuleSet, load_rules
from fenghuo.rules.files.load import parse_rules
from fenghuo.rules.files.section import RuleTest, RuleTestInput
from fenghuo.rules.tools.readings import START, Readings
from fenghuo.rules.tools.testing import run_case, run_tests

GUIDE = Path(__file__).parents[3] / "docs/guides/writing-rules.md"


def came(*entries, dataset=""):
    case = RuleTest.model_validate({"title": "t", "input": list(entries), "expect": []})
    return Readings(None, dataset).of(case)


def events(*entries, dataset=""):
    return [
        (each.what.id, (each.what.time - START) / 1000, each.what.document) for each in came(*entries, dataset=dataset)
    ]


def values(entries, field):
    return [(id_, document[field]) for id_, _, document in events(*entries)]


def test_events_are_numbered_as_they_are_written_and_come_in_order_of_time():
    found = events({"at": "9s", "event": {"a": 1}}, {"at": ["1s", "5s"], "event": {"a": 2}})
    assert [(id_, second) for id_, second, _ in found] == [("e2", 1), ("e3", 5), ("e1", 9)]


def test_an_event_may_be_given_an_id_which_is_numbered_where_it_happens_often():
    assert [id_ for id_, *_ in events({"at": "0s", "id": "x", "event": {"a": 1}})] == ["x"]
    assert [id_ for id_, *_ in events({"at": ["0s", "1s"], "id": "x", "event": {"a": 1}})] == ["x1", "x2"]


def test_fields_may_be_nested_or_have_dots_and_are_nested_in_the_end():
    entry = {"at": "1s", "event": {"event.action": "a", "event": {"outcome": "b"}, "source": {"nat.ip": "c"}}}
    assert events(entry, dataset="d")[0][2] == {
        "event": {"action": "a", "outcome": "b", "dataset": "d"},
        "source": {"nat": {"ip": "c"}},
        "@timestamp": "2026-01-01T00:00:01.000Z",
    }


def test_the_dataset_is_the_rules_unless_the_event_names_one():
    entry = {"at": "0s", "event": {"event.dataset": "own"}}
    assert events(entry, dataset="d")[0][2]["event"]["dataset"] == "own"
    assert "event" not in events({"at": "0s", "event": {"a": 1}})[0][2]


def test_varying_fields_take_their_values_in_turn_and_begin_again():
    entry = {"every": "1s", "until": "4s", "event": {"a": 0}, "vary": {"p": [1, 2, 3]}}
    assert [value for _, value in values([entry], "p")] == [1, 2, 3, 1, 2]


def test_a_range_counts_within_a_text():
    entry = {"every": "1s", "until": "2s", "event": {"a": 0}, "vary": {"ip": {"range": [9, 11], "format": "10.0.0.{}"}}}
    assert [value for _, value in values([entry], "ip")] == ["10.0.0.9", "10.0.0.10", "10.0.0.11"]
    entry["vary"] = {"ip": {"range": [1, 2]}}
    assert [value for _, value in values([entry], "ip")] == [1, 2, 1]


def test_one_event_does_not_share_its_document_with_the_next():
    first, second = events({"at": ["0s", "1s"], "event": {"a": {"b": 1}}})
    first[2]["a"]["b"] = 9
    assert second[2]["a"]["b"] == 1


def test_what_arrives_late_keeps_its_own_time():
    (arrival,) = came({"at": "1s", "arrives": "1m", "event": {"a": 1}})
    assert (arrival.moment - START, arrival.what.time - START) == (60_000, 1000)


def test_alerts_and_restarts_come_too():
    alert, restart, table = came(
        {"at": "1s", "alert": {"rule": "a.b", "source.ip": "10.0.0.1", "state": "resolved"}},
        {"at": "2s", "restart": True},
        {"at": "3s", "x": 1},
    )
    assert isinstance(alert.what, Alert)
    assert (alert.what.rule_name, alert.what.labels, alert.what.state.value) == (
        "a.b",
        {"source_ip": "10.0.0.1"},
        "resolved",
    )
    assert restart.what is None
    assert isinstance(table.what, Table)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"at": "0s", "event": {"a": 1}, "device": "x"}, "'device' cannot stand beside 'event'"),
        ({"at": "0s", "event": {"a": 1}, "restart": True}, "'restart' cannot stand beside 'event'"),
        ({"at": "0s", "x": 1, "id": "e"}, "'vary' and 'id' belong to an 'event'"),
        ({"at": "0s", "x": 1, "vary": {"a": [1]}}, "'vary' and 'id' belong to an 'event'"),
        ({"at": "0s", "event": {"a": 1, "a.b": 2}}, "'a' has a value, and 'a.b' means fields below it"),
        ({"at": "0s", "event": {"a.b": 2, "a": 1}}, "'a' has a value and fields below it"),
        ({"at": "0s", "event": {"a": 1}, "vary": {"b": []}}, "the list is empty"),
        ({"at": "0s", "event": {"a": 1}, "vary": {"b": {"range": [2, 1]}}}, "a range goes from a number up to another"),
        ({"at": "0s", "event": {"a": 1}, "vary": {"b": {"range": [0, 1 << 40]}}}, "at most 100000 of them"),
        ({"at": "0s", "event": {"a": 1}, "vary": {"b": {"range": [1, 2], "format": "x"}}}, "the format has one {}"),
        ({"at": "0s", "event": {"a": 1}, "vary": {"a.b": [1]}}, "means fields below it"),
        ({"at": "0s", "source.ip": "x"}, "fields of an event stand in 'event'"),
        ({"at": "0s"}, "no value is given"),
        ({"event": {"a": 1}}, "give either 'at' or 'every'"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(entry, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        Readings(None).check(RuleTestInput.model_validate(entry))


def test_an_alert_needs_the_name_of_its_rule():
    with pytest.raises(ValidationError):
        RuleTestInput.model_validate({"at": "0s", "alert": {"state": "firing"}})


def test_wrong_inputs_are_located():
    text = """\
title: x
id: 11111111-0000-4000-8000-000000000001
name: a.b
kind: match
where: {event.action: x}
tests:
  - title: t
    input:
      - {at: 0s, event: {a: 1}}
      - {at: 0s, event: {a: 1}, vary: {b: []}}
    expect: []
"""
    _, problems = parse_rules(text.encode(), "r.yaml")
    assert [(each.place.line, each.message) for each in problems] == [
        (10, "tests.0.input.1: vary: b: the list is empty")
    ]


@pytest.fixture
def judge(make_rule):
    """The differences of a test of a rule that tells each event that is denied."""
    rule = make_rule(
        kind="match",
        where={"event.action": "deny"},
        group_by=["source.ip"],
        labels={"team": "net"},
        message="{source.ip}",
    )

    def run(**expected):
        entry = {"at": ["1s", "3s"], "event": {"event.action": "deny", "source.ip": "10.0.0.1"}}
        steps = [{"at": "1s"}, {"at": "3s", **expected}]
        case = RuleTest.model_validate({"title": "t", "input": [entry], "expect": steps})
        return list(run_case(rule, case, RuleSet((rule,))).differences)

    return run


@pytest.mark.parametrize(
    "expected",
    [
        {"events": ["e2"]},
        {"count": 1},
        {"first": "3s", "last": "3s"},
        {"group": {"source.ip": "10.0.0.1"}},
        {"group": {"source_ip": "10.0.0.1"}},
        {"source.ip": "10.0.0.1", "source_ip": "10.0.0.1", "team": "net"},
        {"message": "10.0.0.1"},
    ],
)
def test_what_is_expected_of_the_events_behind_an_alert_and_comes_passes(judge, expected):
    assert judge(**expected) == []


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"events": ["e1", "e2"]}, "alert 2: events should be ['e1', 'e2'], is ['e2']"),
        ({"count": 2}, "alert 2: count should be 2, is 1"),
        ({"first": "1s"}, "alert 2: first should be 1s, is 3s"),
        ({"last": "1s"}, "alert 2: last should be 1s, is 3s"),
        ({"group": {}}, "alert 2: group should be {}, is {'source_ip': '10.0.0.1'}"),
        ({"source.ip": "10.0.0.2"}, "alert 2: source.ip should be 10.0.0.2, is 10.0.0.1"),
    ],
)
def test_what_differs_is_told(judge, expected, told):
    assert judge(**expected) == [told]


def test_the_rules_of_the_guide_pass_their_tests(tmp_path):
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)[:2]):
        (tmp_path / f"{number}.yaml").write_text(block)
    outcomes = run_tests(load_rules([tmp_path]))
    assert len(outcomes) == 5
    assert [outcome.differences for outcome in outcomes if not outcome.passed] == []


def test_inputs_and_expectations_are_sections_so_that_unknown_forms_are_refused():
    assert issubclass(RuleTestInput, Section)
    assert isinstance(came({"at": "0s", "event": {}})[0].what, Event)
