"""What tests show of a rule: their shape, and the parts that they need."""

from __future__ import annotations

import pytest
import yaml

from fenghuo.rules.files.load import load_rules
from fenghuo.rules.language.expression import parse_condition
from fenghuo.rules.tools.changes import decided, dropped_conditions, moved_numbers, show
from fenghuo.rules.tools.coverage import coverage, parts_of, shape_of

FRAME = {"title": "x", "id": "00000000-0000-4000-8000-000000000001", "name": "a.b", "flap": False}


@pytest.fixture
def load(tmp_path):
    def make(*tests, **keys):
        keys = {{"hold": "for"}.get(key, key): value for key, value in keys.items()}
        cases = [
            {"title": f"boundary test {n}", "input": given, "expect": expected}
            for n, (given, expected) in enumerate(tests)
        ]
        file = tmp_path / "rule.yaml"
        file.write_text(yaml.safe_dump({**FRAME, **keys, "tests": cases}, sort_keys=False))
        rules = load_rules([file])
        return rules.rules[0], rules

    return make


def reading(at, x, **labels):
    return [{"at": at, "device": "d", "x": x, **labels}]


def event(**fields):
    return [{"at": "0s", "event": {key.replace("__", "."): value for key, value in fields.items()}}]


FIRES = {"at": "0s"}
HOT = {"kind": "threshold", "data": "x", "condition": "value > 100"}


@pytest.mark.parametrize(
    ("near", "missing"), [(50, ["boundary"]), (89, ["boundary"]), (91, []), (100, []), (None, ["negative", "boundary"])]
)
def test_a_test_within_a_tenth_of_the_limit_is_at_the_edge(load, near, missing):
    tests = [(reading("0s", 200), [FIRES]), *([(reading("0s", near), [])] if near else [])]
    assert list(shape_of(*load(*tests, **HOT)).missing) == missing


def test_a_test_that_fires_beyond_the_edge_is_none_at_it(load):
    tests = [(reading("0s", 101), [FIRES]), (reading("0s", 10), [])]
    assert list(shape_of(*load(*tests, **HOT)).missing) == ["boundary"]


@pytest.mark.parametrize(("over", "missing"), [("5m", ["boundary"]), ("9m30s", []), ("9m59s", [])])
def test_a_span_has_an_edge_too(load, over, missing):
    steps = [*reading(["0s", "4m"], 200), *reading(over, 1)]
    tests = [([{"every": "1m", "until": "20m", "device": "d", "x": 200}], [{"at": "10m"}]), (steps, [])]
    assert list(shape_of(*load(*tests, **HOT, hold="10m")).missing) == missing


def test_a_rule_that_never_fires_lacks_a_positive_test(load):
    assert "positive" in shape_of(*load((reading("0s", 99), []), **HOT)).missing


def test_of_match_the_edge_is_an_event_that_fails_one_condition(load):
    keys = {"kind": "match", "dataset": "d", "where": {"event.action": "deny", "source.ip|cidr": "10.0.0.0/8"}}
    fires = (event(event__action="deny", source__ip="10.0.0.1"), [FIRES])
    far = (event(event__action="allow", source__ip="192.0.2.1"), [])
    near = (event(event__action="allow", source__ip="10.0.0.1"), [])
    assert list(shape_of(*load(fires, far, **keys)).missing) == ["boundary"]
    assert not shape_of(*load(fires, near, **keys)).missing


def test_of_match_an_exception_is_an_edge(load):
    keys = {"kind": "match", "where": {"event.action": "deny"}, "exceptions": [{"source.ip": "10.0.0.9"}]}
    fires = (event(event__action="deny", source__ip="10.0.0.1"), [FIRES])
    assert not shape_of(*load(fires, (event(event__action="deny", source__ip="10.0.0.9"), []), **keys)).missing


def test_of_match_with_one_condition_any_other_event_is_at_the_edge(load):
    keys = {"kind": "match", "where": {"event.action": "deny"}}
    assert not shape_of(
        *load((event(event__action="deny"), [FIRES]), (event(event__action="allow"), []), **keys)
    ).missing


def test_where_nothing_can_be_left_out_an_event_that_is_let_be_is_at_the_edge(load, tmp_path):
    (tmp_path / "names.txt").write_text("bad.example\n")
    keys = {"kind": "indicator", "lists": ["names.txt"]}
    fires = (event(dns__question__name="bad.example", source__ip="10.0.0.1"), [FIRES])
    let_be = (event(dns__question__name="good.example", source__ip="10.0.0.1"), [])
    elsewhere = (event(host__name="x"), [])
    assert not shape_of(*load(fires, let_be, **keys)).missing
    assert list(shape_of(*load(fires, elsewhere, **keys)).missing) == ["boundary"]


def test_what_was_never_false_or_never_true_is_named(load):
    tests = [(reading("0s", 200, y=1, z=0), [FIRES]), (reading("0s", 99, y=1, z=0), [])]
    rule, rules = load(*tests, **{**HOT, "condition": "value > 100 and (y > 0 or z > 0)"})
    found = [(part.says, part.as_if) for part in parts_of(rule, rules) if not part.noticed]
    assert found == [("y > 0", "always"), ("z > 0", "always"), ("z > 0", "never")]


def test_parts_are_told_in_the_order_in_which_they_stand(load):
    tests = [(reading("0s", 200), [FIRES])]
    _, rules = load(*tests, **HOT, level={"low": "value > 1", "high": "value > 150"}, where={"device": "d"})
    lines = [part.place.line for part in coverage(rules)]
    assert lines == sorted(lines)
    assert {part.key for part in coverage(rules)} == {"condition", "level.low", "level.high", "where.device"}


def test_tests_of_a_rule_that_is_in_no_file_are_judged_without_their_edge(make_rule):
    from fenghuo.rules import RuleSet

    rule = make_rule(data="x", condition="value > 1", tests=[{"title": "t", "input": reading("0s", 0), "expect": []}])
    assert list(shape_of(rule, RuleSet((rule,))).missing) == ["positive"]


def changes(function, **data):
    return [(change.key, change.now) for change in function(data)]


def test_numbers_are_moved_by_a_tenth_and_at_least_by_one():
    assert changes(moved_numbers, condition="value > 100 and y == 7") == [
        ("condition", "value > 90 and y == 7"),
        ("condition", "value > 110 and y == 7"),
    ]
    assert changes(moved_numbers, condition="value >= 3") == [("condition", "value >= 2"), ("condition", "value >= 4")]
    assert changes(moved_numbers, condition="value > 90%")[0] == ("condition", "value > 0.81")
    assert changes(moved_numbers, condition="value > 5m")[1] == ("condition", "value > 330.0")
    assert changes(moved_numbers, condition="a in (1, 2) and b1 != 3 and 0 < c") == [
        ("condition", "a in (1, 2) and b1 != 3 and (-1) < c"),
        ("condition", "a in (1, 2) and b1 != 3 and 1 < c"),
    ]


def test_spans_and_numbers_of_the_kind_are_moved_and_those_of_all_rules_are_not():
    assert changes(moved_numbers, window="10m", forget="1h", stale="5m", lateness="10s", steps=[{"count": 3}]) == [
        ("window", "9m"),
        ("window", "11m"),
        ("window", "8m50s"),
        ("steps.1.count", "2"),
        ("steps.1.count", "4"),
    ]


def test_conditions_are_left_out_one_by_one_wherever_they_stand():
    data = {"where": {"a": 1, "b": 2}, "steps": [{"where": {"c": 3}}], "detection": {"s": {"d": 4}, "condition": "s"}}
    assert [change.key for change in dropped_conditions(data)] == [
        "where.a",
        "where.b",
        "steps.1.where.c",
        "detection.s.d",
    ]


def test_a_condition_that_cannot_be_read_as_an_expression_is_let_be():
    assert changes(decided, condition="2 of (a.b, c)") == []


@pytest.mark.parametrize(
    "text",
    [
        "value > 32",
        "(a == 1 and not (b < 2)) or rate(c) >= 0.5",
        "abs(a - b) / max(c, 1) != 3 and d not in (1, 2)",
        "value in (1, 2) or value > -5",
    ],
)
def test_an_expression_shown_as_text_reads_the_same(text):
    node = parse_condition(text)
    assert parse_condition(show(node)) == node
