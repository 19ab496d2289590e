"""Regular expressions run in linear time, or are refused when they are loaded."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from fenghuo.rules.detection import View, WhereError, compile_detection, read_where, regex
from fenghuo.rules.detection.literals import contains
from fenghuo.rules.detection.regex import MAX_REGEX, RegexError, compile_regex, regex_set, text_set


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "^(a|a?)+$", "(a+b?)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_an_endless_expression_ends_soon(pattern):
    meets = compile_detection(read_where({"x|re": pattern}))
    begin = time.process_time()
    assert not meets(View({"x": "a" * 100_000 + "!"}))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(?:[a-z]*)*x", r"(?P<x>\w{2,})+", "(?i:.+?)*", r"([^\]()]+)+"])
def test_a_repetition_of_a_repetition_is_refused(pattern):
    with pytest.raises(RegexError, match="a repetition of nothing but a repetition") as caught:
        compile_regex(pattern)
    assert "one of them says the same" in caught.value.hint


@pytest.mark.parametrize("pattern", ["([a-z]+\\.)+com", "(a+)?b", "(ab)+", r"\(a+\)+", "[(a+)+]", "(a{2})+", "(a|b+)+"])
def test_other_repetitions_are_taken(pattern):
    compile_regex(pattern)


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", r"(?P<x>a)(?P=x)", "(?>a+)b"])
def test_what_cannot_run_in_linear_time_is_refused_with_a_reason(pattern):
    with pytest.raises(RegexError, match="linear time: ") as caught:
        compile_regex(pattern)
    assert "RE2" in caught.value.hint
    assert 0 <= caught.value.offset < len(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a", "[a", "a{1001}", "((a{1000}){1000}){1000}", "*a", "a" * (MAX_REGEX + 1), "\\"]
)
def test_what_is_no_expression_or_too_large_is_refused(pattern):
    with pytest.raises(ValueError, match="regular expression"):
        compile_regex(pattern)


def test_the_key_is_named_where_an_expression_is_refused():
    with pytest.raises(WhereError) as caught:
        read_where({"url.path|re": "a(?=b)"})
    assert caught.value.key == "url.path|re"
    assert "RE2" in caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "found"),
    [
        ("b+", "", "abba", True),
        ("B", "", "abba", False),
        ("B", "i", "abba", True),
        ("^b", "", "a\nb", False),
        ("^b", "m", "a\nb", True),
        ("a$", "m", "a\nb", True),
        ("a.b", "", "a\nb", False),
        ("a.b", "s", "a\nb", True),
        ("É", "i", "é", True),
        ("^.$", "", "中", True),
        (r"^\d{2}$", "", "12", True),
        ("^$", "", "", True),
    ],
)
def test_expressions_are_sought_anywhere_and_case_counts_unless_flags_say_otherwise(pattern, flags, text, found):
    assert compile_regex(pattern, flags)(text) is found
    which, left = regex_set([(pattern, flags)])
    assert not left
    assert list(which(text)) == ([0] if found else [])


def test_half_a_surrogate_pair_in_an_event_does_no_harm():
    assert compile_regex("a")("\ud800a")
    assert compile_detection(read_where({"x|contains": [f"{n}z" for n in range(20)]}))(View({"x": "\ud8007z"}))


def test_expressions_too_large_to_share_a_set_are_named():
    which, left = regex_set([("a+b", ""), ("(x{20}){50}", ""), ("c", "i")])
    assert left == [1]
    assert sorted(which("aab C")) == [0, 2]


def test_texts_are_sought_in_as_many_sets_as_they_need():
    texts = [("contains", f"text {number:04} ") for number in range(4_000)]
    which = text_set(texts, lambda _: [-1])
    assert sorted(which("a text 0007 and a text 3999 .")) == [7, 3999]
    assert list(which("nothing")) == []


def test_texts_are_found_one_by_one_where_re2_has_too_little_memory(monkeypatch):
    monkeypatch.setattr(regex, "_MAX_MEMORY", 2_000)
    values = [f"value{number}" for number in range(50)]
    assert contains(values)("a value33")
    assert not contains(values)("a value")
    monkeypatch.setattr(regex, "_MAX_MEMORY", 10_000)
    which, _ = regex_set([("(?:ab|ac){50}", "")])
    assert list(which("b")) == [0]  # it may be there: RE2 cannot tell


def test_an_answer_that_re2_gave_up_on_is_not_taken_for_no(monkeypatch):
    real = regex._engine()

    class GivesUp:
        """RE2's set when its memory runs out at a text: it finds nothing, not even the empty expression."""

        SearchSet = classmethod(lambda cls, options: cls())
        Add = staticmethod(lambda pattern: 20)
        Compile = staticmethod(lambda: None)
        Match = staticmethod(lambda text: None)

    engine = type("Engine", (), {"Set": GivesUp, "Options": real.Options, "error": real.error, "escape": real.escape})
    monkeypatch.setattr(regex, "_engine", lambda: engine)
    values = [f"value{number}" for number in range(20)]
    assert contains(values)("a value13")
    assert not contains(values)("a value")


def test_re2_is_loaded_for_rules_with_expressions_alone():
    code = (
        "import sys; from fenghuo.rules.detection import EventIndex, View, read_where;"
        "index = EventIndex([(read_where({'a': ['x*', 'y'], 'b|contains': 'z', 'c|endswith': '.cn'}), 1)] * 20);"
        "assert index.matching(View({'a': 'xy', 'b': 'z', 'c': 'a.cn'})) == [1] * 20;"
        "assert 're2' not in sys.modules and 'sigma' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
