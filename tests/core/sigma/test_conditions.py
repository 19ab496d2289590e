"""Selections and the condition over them."""

import pytest


def both(first, second):
    return {"event": {"first": first, "second": second}}


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("a and b", [False, False, False, True]),
        ("a or b", [False, True, True, True]),
        ("not a", [True, False, True, False]),
        ("a and not b", [False, True, False, False]),
        ("not a and not b", [True, False, False, False]),
        ("not (a or b)", [True, False, False, False]),
        ("a or b and a", [False, True, False, True]),
        ("1 of them", [False, True, True, True]),
        ("any of them", [False, True, True, True]),
        ("all of them", [False, False, False, True]),
        (["a", "b"], [False, True, True, True]),
        ("(((a)))", [False, True, False, True]),
        ("not not a", [False, True, False, True]),
    ],
)
def test_conditions_follow_the_logic_of_the_specification(matches, condition, truth):
    detection = {"a": {"event.first": "x"}, "b": {"event.second": "x"}, "condition": condition}
    events = [both("-", "-"), both("x", "-"), both("-", "x"), both("x", "x")]
    assert [matches(detection, event) for event in events] == truth


def test_of_a_pattern_speaks_of_the_selections_with_such_names(matches):
    detection = {
        "selection_a": {"a": 1},
        "selection_b": {"b": 1},
        "filter_main_x": {"x": 1},
        "_hidden": {"h": 1},
        "condition": "all of selection_* and not 1 of filter_main_*",
    }
    assert matches(detection, {"a": 1, "b": 1})
    assert not matches(detection, {"a": 1})
    assert not matches(detection, {"a": 1, "b": 1, "x": 1})


def test_them_leaves_out_selections_with_an_underscore(matches):
    detection = {"a": {"a": 1}, "_b": {"b": 1}, "condition": "all of them"}
    assert matches(detection, {"a": 1})
    assert not matches({**detection, "condition": "1 of them"}, {"b": 1})
    assert matches({**detection, "condition": "_b"}, {"b": 1})


def test_names_may_begin_with_a_word_of_the_language(matches):
    detection = {"notepad": {"a": 1}, "or_else": {"b": 1}, "condition": "notepad and not or_else"}
    assert matches(detection, {"a": 1})


def test_keys_of_a_mapping_must_all_hold_and_one_mapping_of_a_list(matches):
    mapping = {"s": {"a": 1, "b": [2, 3]}, "condition": "s"}
    assert matches(mapping, {"a": 1, "b": 3})
    assert not matches(mapping, {"a": 1, "b": 4})
    either = {"s": [{"a": 1, "b": 2}, {"c": 3}], "condition": "s"}
    assert matches(either, {"a": 1, "b": 2})
    assert matches(either, {"c": 3})
    assert not matches(either, {"a": 1})


def test_keywords_are_sought_within_every_value_of_the_event(matches):
    detection = {"keywords": ["EVILSERVICE", "svchost.exe -n evil"], "condition": "keywords"}
    assert matches(detection, {"message": "it is an EvilService, stop it"})
    assert matches(detection, {"process": {"args": ["x", "c:\\svchost.exe -n evil -q"]}})
    assert not matches(detection, {"message": "svchost.exe"})
    every = {"keywords": {"|all": ["one", "tw?o"]}, "condition": "keywords"}
    assert matches(every, {"message": "one and twoo", "x": "twXo"})
    assert not matches(every, {"message": "one"})
    alone = {"keywords": "evil", "condition": "keywords"}
    assert matches(alone, {"a": "an evil one"})


def test_keywords_are_not_sought_in_what_says_how_an_event_came(matches):
    detection = {"keywords": ["cisco"], "condition": "keywords"}
    about = {"event": {"dataset": "cisco.aaa", "category": ["cisco"], "action": "x"}, "observer": {"vendor": "Cisco"}}
    assert not matches(detection, {**about, "message": "show version"})
    assert not matches(detection, {"event.dataset": "cisco.aaa", "observer.vendor": "Cisco", "message": "x"})
    assert matches(detection, {**about, "message": "a cisco switch"})
    assert matches(detection, {"event": {"action": "cisco-login"}})


def test_keywords_with_modifiers(matches):
    assert matches({"k": {"|re": "x[0-9]+"}, "condition": "k"}, {"message": "ax55"})
    assert matches({"k": {"|startswith": "x"}, "condition": "k"}, {"message": "xa"})
    assert not matches({"k": {"|startswith": "x"}, "condition": "k"}, {"message": "ax"})
    assert not matches({"k": {"|cased": "X"}, "condition": "k"}, {"message": "ax"})


def test_keywords_and_mappings_may_stand_in_one_list(matches):
    detection = {"s": ["evil", {"a": 1}], "condition": "s"}
    assert matches(detection, {"message": "evil!"})
    assert matches(detection, {"a": 1})
    assert not matches(detection, {"a": 2})


def test_null_needs_every_name_of_a_field_to_be_absent(matches):
    detection = {"s": {"query": None}, "condition": "s"}
    event = {"event": {"dataset": "dns"}, "network": {"protocol": "dns"}}
    source = {"logsource": {"category": "dns"}}
    assert matches(detection, event, **source)
    assert not matches(detection, {**event, "dns": {"question": {"name": "a"}}}, **source)
    assert not matches(detection, {**event, "query": "a"}, **source)


def test_the_old_timeframe_is_no_selection(matches):
    detection = {"a": {"a": 1}, "timeframe": "5m", "condition": "all of them"}
    assert matches(detection, {"a": 1})


RULE = """
title: t
logsource: {{category: dns}}
detection: {detection}
"""


@pytest.mark.parametrize(
    ("detection", "depth", "message"),
    [
        ("{s: {a: 1}, condition: t}", 2, "no selection is named 't'"),
        ("{s: {a: 1}, condition: 1 of x*}", 2, "no selection has such a name"),
        ("{s: {a: 1}, condition: s and}", 2, "not a condition"),
        ("{s: {a: 1}, condition: s or (s}", 2, "not a condition"),
        ("{s: {a: 1}, condition: 3}", 2, "expected a condition"),
        ("{s: {a: 1}, condition: []}", 2, "an empty list"),
        ("{s: {a: 1}, condition: [s, x]}", 3, "no selection is named 'x'"),
        ("{s: {a: 1}}", 1, "a condition is missing"),
        ("{condition: s}", 2, "no selection is named 's'"),
        ("{s: {}, condition: s}", 2, "an empty selection"),
        ("{s: [], condition: s}", 2, "an empty selection"),
        ("[a]", 1, "expected a mapping"),
        ("{s: [a, null], condition: s}", 2, "null stands for a field"),
        ("{s: {a: {b: 1}}, condition: s}", 3, "expected a text"),
        ("{s: [{a|lt: x}], condition: s}", 4, "incompatible"),
    ],
)
def test_a_mistake_is_told_where_it_stands(read, detection, depth, message):
    result = read(RULE.format(detection=detection))
    assert not result.rules
    assert result.problems[0].place.column == depth
    assert message in result.problems[0].message


def test_all_mistakes_of_a_document_are_told_not_only_the_first(read):
    result = read("""
title: t
id: no-uuid
level: worst
status: fine
date: yesterday
logsource: {category: dns}
detection:
  a: {x|foo: 1, y|bar: 2}
  b: {z|re: '['}
  condition: c
""")
    told = " ".join(problem.message for problem in result.problems)
    for word in (
        "UUID",
        "'worst'",
        "'fine'",
        "yesterday",
        "modifier 'foo'",
        "modifier 'bar'",
        "'[' is invalid",
        "named 'c'",
    ):
        assert word in told
    assert len(result.refused) == 1


def test_a_condition_that_counts_with_a_pipe_is_told_as_inapplicable(read):
    result = read(RULE.format(detection="{s: {a: 1}, condition: s | count() > 5}"))
    assert not result.problems
    assert "correlation document" in result.inapplicable[0].reason


def test_a_selection_that_cannot_be_run_matters_only_where_the_condition_asks_for_it(read):
    result = read(RULE.format(detection="{s: {a: 1}, t: {b|re: '(?=x)'}, condition: s}"))
    assert len(result.rules) == 1
