from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.rules.language.columns import Frame, compile_node
from fenghuo.rules.language.expression import ExpressionError, fields_of, is_truth, parse, rated_fields, with_rates


def evaluate(text, **fields):
    names = list(fields)
    height = len(next(iter(fields.values()))) if fields else 1
    node = parse(text)
    rates = {name: fields[name] for name in rated_fields(node)}
    return list(
        compile_node(node, {name: i for i, name in enumerate(names)})(
            Frame(list(fields.values()), height, rates.get, {})
        )
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("-2 - -3", 1),
        ("--2", 2),
        ("5m", 300),
        ("1h30m", 5400),
        ("64MiB", 64 * 2**20),
        ("90%", 0.9),
        ("1.5kB", 1500),
        ("1e3", 1000.0),
        ("abs(2 - 5)", 3),
        ("min(3, 1, 2) + max(3, 4)", 5),
        ("2 > 1", True),
        ("2 in (1, 2, 3)", True),
        ("2 not in (1, 2, 3)", False),
        ("-1 in (-1, 5m)", True),
        ("not 1 == 2 and 2 >= 2", True),
        ("1 == 2 or 2 != 3", True),
        ("not (1 < 2 or 3 < 2)", False),
        ("not not 1 < 2", True),
    ],
)
def test_an_expression_means_what_it_says(text, result):
    assert evaluate(text) == [pytest.approx(result)]


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("1 +", 3, "ends here"),
        ("1 > 2 > 3", 6, "do not chain"),
        ("a b", 2, "unexpected 'b'"),
        ("value = 3", 6, "unexpected '='"),
        ("1 + (2 > 1)", 2, "takes numbers"),
        ("a and b", 2, "joins conditions"),
        ("not 3", 0, "turns a condition round"),
        ("-(1 > 2)", 0, "takes numbers"),
        ("sqrt(2)", 0, "unknown function"),
        ("abs(1, 2)", 0, "takes 1 arguments"),
        ("min(1)", 0, "takes 2 to 8"),
        ("rate(a + b)", 0, "one field"),
        ("rate", 0, "is a function"),
        ("previous > 1", 0, "means nothing here"),
        ("5 parsecs", 2, "unexpected"),
        ("5parsecs", 1, "unknown unit"),
        ("a in 3", 5, "unexpected"),
        ("a in (b)", 6, "unexpected"),
        ("a in ()", 6, "unexpected"),
        ("a.b > 1", 1, "unexpected '.'"),
        ("__import__('os')", 11, "unexpected"),
        ("a[0]", 1, "unexpected"),
        ("1e999", 0, "too large"),
        ("(" * 40 + "1" + ")" * 40, 30, "too many nested"),
        ("1 " + "+ 1 " * 300, 0, "characters"),
        ("and", 0, "unexpected"),
        ("x )", 2, "unexpected"),
    ],
)
def test_a_mistake_is_told_at_its_place(text, offset, message):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text)
    assert caught.value.offset == offset


@given(st.text(max_size=60) | st.text("()<>=!+-*/.,%andortiv 0123456789", max_size=60))
def test_no_text_makes_the_parser_fail_otherwise(text):
    try:
        parse(text, frozenset({"value"}))
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)


def test_absent_values_make_absent_results_and_kleene_decides():
    assert evaluate("a + 1", a=[1, None]) == [2, None]
    assert evaluate("a / b", a=[1, 1, None], b=[2, 0, 1]) == [0.5, None, None]
    assert evaluate("a == 1", a=[1, None, 2]) == [True, None, False]
    assert evaluate("a != 1", a=[1, None, 2]) == [False, None, True]
    assert evaluate("a in (1, 2)", a=[1, None, 3]) == [True, None, False]
    assert evaluate("a == b", a=[None, 1], b=[None, 1]) == [None, True]
    assert evaluate("not a > 1", a=[2, None]) == [False, None]
    truths = [True, False, None]
    left = [1 if t else 0 if t is False else None for t in truths for _ in truths]
    right = [1 if t else 0 if t is False else None for _ in truths for t in truths]
    assert evaluate("a == 1 and b == 1", a=left, b=right) == [True, False, None, False, False, False, None, False, None]
    assert evaluate("a == 1 or b == 1", a=left, b=right) == [True, True, True, True, False, None, True, None, None]


def test_a_field_that_a_table_lacks_is_absent():
    assert evaluate("gone > 1", a=[1, 2]) == [None, None]


def test_fields_and_rates_are_found():
    node = parse("rate(a) / b + max(c, rate(a))")
    assert fields_of(node) == ("a", "b", "c")
    assert rated_fields(node) == ("a",)
    assert rated_fields(with_rates(parse("a / (b + 1)"))) == ("a", "b")
    assert not is_truth(node)


OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    ">=": operator.ge,
    "==": operator.eq,
}
VALUES = st.none() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from(list(OPERATORS)), st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8), st.integers(0, 9))
def test_columns_agree_with_one_row_at_a_time(symbol, rows, constant):
    def one(a, b):
        try:
            return None if a is None or b is None else OPERATORS[symbol](a, b)
        except (ZeroDivisionError, OverflowError):
            return None

    lefts, rights = [a for a, _ in rows], [b for _, b in rows]
    assert evaluate(f"a {symbol} b", a=lefts, b=rights) == [one(a, b) for a, b in rows]
    assert evaluate(f"a {symbol} {constant}", a=lefts) == [one(a, constant) for a in lefts]
