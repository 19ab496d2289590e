from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.rules.language.boolean import holds, names_of, parse_boolean
from fenghuo.rules.language.expression import ExpressionError

NAMES = ("net.port-errors", "net.link-flap", "uplink-ok")


def truth_table(text, names="abc"):
    node = parse_boolean(text, names)
    return [
        "".join(chosen)
        for count in range(len(names) + 1)
        for chosen in itertools.combinations(names, count)
        if holds(node, dict.fromkeys(chosen, 1))
    ]


@pytest.mark.parametrize(
    ("text", "true_of"),
    [
        ("a", ["a", "ab", "ac", "abc"]),
        ("a and b", ["ab", "abc"]),
        ("a or b and c", ["a", "ab", "ac", "bc", "abc"]),
        ("(a or b) and not c", ["a", "b", "ab"]),
        ("not not a and b", ["ab", "abc"]),
        ("2 of (a, b, c)", ["ab", "ac", "bc", "abc"]),
        ("1 of (a, b)", ["a", "b", "ab", "ac", "bc", "abc"]),
        ("all of (a, b, c)", ["abc"]),
        ("any of (b and c, a)", ["a", "ab", "ac", "bc", "abc"]),
        ("not 2 of (a, b, c)", ["", "a", "b", "c"]),
    ],
)
def test_a_condition_is_true_of_these(text, true_of):
    assert truth_table(text) == true_of


def test_a_name_counts_once_however_often_it_is_seen():
    assert not holds(parse_boolean("2 of (a, b, c)"), {"a": 5})


def test_names_may_hold_dots_and_hyphens():
    node = parse_boolean("net.port-errors and (net.link-flap or not uplink-ok)", NAMES)
    assert names_of(node) == NAMES
    assert holds(node, {"net.port-errors": 1})
    assert not holds(node, {"net.port-errors": 1, "uplink-ok": 2})


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "expected a name"),
        ("a and", 5, "expected a name"),
        ("a b", 2, "expected 'and', 'or' or the end"),
        ("(a or b", 7, "expected ')'"),
        ("a and d", 6, "'d' is none of the names"),
        ("3 of (a, b)", 0, "3 of 2 can never be"),
        ("x of (a, b)", 0, "'x' is no number"),
        ("2 of (a, b and c, c)", 0, "over names only"),
        ("a & b", 2, "unexpected '&'"),
        ("not", 3, "expected a name"),
        ("a, b", 1, "expected 'and', 'or' or the end"),
        ("2 of ()", 6, "expected a name"),
        ("(" * 40 + "a" + ")" * 40, 30, "nested more than"),
        ("a or " * 300 + "a", 0, "at most 1000"),
        ("2 of (" + ", ".join(["a"] * 40) + ")", 0, "more than 32"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text, offset, message):
    with pytest.raises(ExpressionError, match="^.*" + message.replace("(", r"\(").replace(")", r"\)")) as caught:
        parse_boolean(text, "abc")
    if offset or "expected" in message:
        assert caught.value.offset == offset


def test_a_hint_names_what_was_probably_meant():
    with pytest.raises(ExpressionError) as caught:
        parse_boolean("net.link-flip", NAMES)
    assert "did you mean 'net.link-flap'?" in caught.value.hint


@given(st.text(alphabet="ab()not, rd2f.&-", max_size=60))
def test_any_text_is_a_condition_or_refused(text):
    try:
        parse_boolean(text)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
