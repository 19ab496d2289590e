"""Texts with wildcards: what they mean, and that they cost no more than the text is long."""

from __future__ import annotations

import time

import pytest

from fenghuo.rules.detection.pattern import Wild, compile_pattern, parse_pattern, text_of, written

MANY, ONE = Wild.MANY, Wild.ONE


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("a*b?c", ("a", MANY, "b", ONE, "c")),
        (r"C:\Windows\x", ("C:\\Windows\\x",)),
        (r"C:\\Windows", ("C:\\Windows",)),
        (r"\*", ("*",)),
        (r"\?", ("?",)),
        (r"\\*", ("\\", MANY)),
        (r"\\\*", ("\\*",)),
        (r"a\\\b", ("a\\\\b",)),
        (r"a\\\\b", ("a\\\\b",)),
        ("end\\", ("end\\",)),
    ],
)
def test_wildcards_and_backslashes_are_read_as_sigma_says(text, parts):
    assert parse_pattern(text) == parts


@pytest.mark.parametrize("text", ["plain", "a*b?c", r"C:\Windows\*", r"\*\?x", "end\\", r"\\*", r"a\\\\b"])
def test_a_pattern_is_written_as_it_is_read(text):
    assert parse_pattern(written(parse_pattern(text))) == parse_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "text", "meets"),
    [
        ("*", "", True),
        ("?", "", False),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ba*", "aba", False),
        ("*ab*ba*", "abba", True),
        ("*ab*ba*", "xaba", False),
        ("prog?.exe", "prog1.exe", True),
        ("prog?.exe", "prog.exe", False),
        ("a?c*?f", "abcdef", True),
        ("a?c*?f", "abcf", False),
        ("*?b?*", "aab", False),
        ("*?b?*", "aabc", True),
        ("*??*", "a", False),
        ("a*\n*b", "a\n\nb", True),
        ("**", "x", True),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_wildcards_match_the_whole_text(pattern, text, meets):
    assert compile_pattern(parse_pattern(pattern))(text) is meets


@pytest.mark.parametrize("pattern", ["*a*a*a*a*b", "*a?a*a?a*b", "*" + "a*" * 50 + "b", "*?a?b*", "a*" * 60 + "c"])
def test_many_wildcards_cost_no_more_than_the_text_is_long(pattern):
    meets = compile_pattern(parse_pattern(pattern))
    short, long = "a" * 20_000, "a" * 200_000
    assert not meets(short)
    begin = time.process_time()
    assert not meets(long)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (22, "22"),
        (22.0, "22"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        ("X", "X"),
        (b"\xffa", "�a"),
        (1e20, "1" + "0" * 20),
    ],
)
def test_values_have_one_text(value, text):
    assert text_of(value) == text


def test_infinity_is_a_text_too():
    assert text_of(float("inf")) == "inf"
    assert text_of(float("nan")) == "nan"
