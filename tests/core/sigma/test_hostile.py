"""Sigma documents that nobody writes in earnest: each ends in words at a place, quickly, never in a traceback."""

import random
import string
import time

import pytest
import yaml

from fenghuo.errors import Place
from fenghuo.rules.files.load import read_rules
from fenghuo.rules.sigma import SigmaDocument, read_sigma


def nested(depth, inner):
    for _ in range(depth):
        inner = [inner]
    return inner


def rule(**more):
    return {
        "title": "t",
        "logsource": {"category": "dns"},
        "detection": {"s": {"query": "x"}, "condition": "s"},
        **more,
    }


def detection(**parts):
    return rule(detection={"condition": "s", **parts})


def correlation(**parts):
    return {
        "title": "c",
        "correlation": {"type": "event_count", "rules": ["t"], "timespan": "1m", "condition": {"gte": 1}, **parts},
    }


HOSTILE = {
    "deep lists": detection(s=nested(200, {"a": 1})),
    "deep values": detection(s={"a": nested(200, "x")}),
    "deep brackets": detection(s=["a"], condition="(" * 500 + "s" + ")" * 500),
    "a row of nots": detection(s=["a"], condition="not " * 5000 + "s"),
    "brackets without end": detection(s=["a"], condition="(" * 5000),
    "a long condition": detection(s=["a"], condition=" or ".join(["s"] * 100_000)),
    "stars in a pattern of names": detection(s=["a"], condition="1 of " + "a*" * 2000 + "b"),
    "a huge list": detection(s={"query": [f"x{number}" for number in range(40_000)]}),
    "a huge list of patterns": detection(s={"query": [f"x{number}*y" for number in range(20_000)]}),
    "a long text": detection(s={"query|contains": "x" * 1_000_000}),
    "stars in a text": detection(s={"query": "*a" * 10_000}),
    "a regular expression that is endless elsewhere": detection(s={"query|re": "(a+)+$"}),
    "a regular expression of many states": detection(s={"query|re": "(x{1000}){1000}"}),
    "a deep regular expression": detection(s={"query|re": "(" * 900 + ")" * 900}),
    "many selections": detection(**{f"s{number}": {"a": number} for number in range(5000)}, s=["a"]),
    "many modifiers": detection(s={"a" + "|contains" * 1000: "x"}),
    "wrong modifiers in a row": detection(s={"a|re|re|re": "x"}),
    "many dashes": detection(s={"a|windash": "-a " * 1000}),
    "placeholders without end": detection(s={"a|expand": "%x%" * 1000}),
    "number as detection": rule(detection=5),
    "condition is a mapping": detection(s=["a"], condition={"a": 1}),
    "no title": {"detection": {}},
    "title is a list": rule(title=[1]),
    "tags are numbers": rule(tags=[1, [2]]),
    "id is a list": rule(id=[1]),
    "name is a mapping": rule(name={"a": 1}),
    "related is text": rule(related="x"),
    "logsource is text": rule(logsource="dns"),
    "logsource holds lists": rule(logsource={"category": ["dns"]}),
    "fields are mappings": rule(fields=[{"a": 1}]),
    "nan": detection(s={"a|lt": float("nan")}),
    "infinite": detection(s={"a": float("inf")}),
    "correlation is text": {"title": "c", "correlation": "x"},
    "many rules": correlation(rules=["t"] * 100_000),
    "rules are mappings": correlation(rules=[{"a": 1}]),
    "group-by is a number": correlation(**{"group-by": 5}),
    "group-by is long": correlation(**{"group-by": [f"a{number}" for number in range(1000)]}),
    "timespan without end": correlation(timespan="9" * 5000 + "s"),
    "timespan is a list": correlation(timespan=["1m"]),
    "count without end": correlation(condition={"gte": 10**300}),
    "count is infinite": correlation(condition={"gte": float("inf")}),
    "field is a mapping": correlation(type="value_count", condition={"gte": 1, "field": {"a": 1}}),
    "percentile is text": correlation(type="value_percentile", condition={"gte": 1, "field": "a", "percentile": "x"}),
    "deep expression": correlation(type="temporal", condition="(" * 400 + "t" + ")" * 400),
    "a row of nots in an expression": correlation(type="temporal", condition="not " * 3000 + "t"),
    "aliases are text": correlation(aliases="x"),
    "aliases of lists": correlation(aliases={"a": {"t": ["x"]}}),
    "generate is text": correlation(generate="x"),
    "filter is text": {"title": "f", "logsource": {"category": "dns"}, "filter": "x"},
    "filter of mappings": {
        "title": "f",
        "logsource": {"category": "dns"},
        "filter": {"rules": {"a": 1}, "s": ["a"], "condition": "s"},
    },
    "pipeline is deep": {
        "pipeline": "x",
        "logsources": [{"logsource": {"product": "a"}, "where": [{"a": nested(50, 1)}]}],
    },
    "pipeline is nothing": {
        "pipeline": None,
        "maps": 5,
        "fields": [1],
        "placeholders": "x",
        "logsources": [None, 5, {"logsource": 5}],
    },
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_ends_in_words_and_soon(data):
    began = time.process_time()
    result = read_sigma([SigmaDocument(data, Place("hostile.yml", 1)), SigmaDocument(rule(), Place("good.yml", 1))])
    assert time.process_time() - began < 3
    good = [one for one in result.rules if one.place.file == "good.yml"]
    assert len(good) == 1
    told = [*result.problems, *result.inapplicable, *(one for one in result.rules if one.place.file == "hostile.yml")]
    assert told
    assert all(len(problem.message) < 1000 for problem in result.problems)


def test_correlations_that_stand_on_many_others_are_refused(read):
    texts = ["title: t\nname: c0\nlogsource: {category: dns}\ndetection: {s: {query: x}, condition: s}"]
    texts += [
        f"title: c{number}\nname: c{number}\ncorrelation: {{type: event_count, rules: [c{number - 1}], timespan: 1m, condition: {{gte: 1}}}}"
        for number in range(1, 600)
    ]
    result = read(*texts)
    assert len([one for one in result.rules if one.frame.written != "c0"]) == 8
    assert "more than 8 correlations stand on one another" in {
        problem.message.partition(": ")[2] for problem in result.problems
    }
    assert len(read(*reversed(texts)).rules) == len(result.rules)
    assert "is refused" in result.inapplicable[0].reason


def test_a_circle_of_many_correlations_is_refused(read):
    texts = [
        f"title: c{number}\nname: c{number}\ncorrelation: {{type: event_count, rules: [c{(number + 1) % 1200}], timespan: 1m, condition: {{gte: 1}}}}"
        for number in range(1200)
    ]
    result = read(*texts)
    assert not result.rules
    assert result.problems


def _junk(chance, depth=0):
    kind = chance.randrange(7 if depth < 4 else 5)
    if kind == 5:
        return [_junk(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {_word(chance): _junk(chance, depth + 1) for _ in range(chance.randrange(4))}
    return [_word(chance), chance.randrange(-5, 5), None, True, 0.5][kind]


WORDS = [
    "s",
    "condition",
    "rules",
    "type",
    "event_count",
    "temporal",
    "timespan",
    "1m",
    "a|re",
    "a|cidr",
    "a|b",
    "|all",
    "not s",
    "1 of s*",
    "*",
    "%x%",
    "(",
    "category",
    "dns",
    "logsource",
    "aliases",
    "group-by",
    "gte",
    "field",
    "t",
    "any",
    "",
    "-",
    "é",
]


def _word(chance):
    return chance.choice(WORDS) if chance.random() < 0.8 else "".join(chance.choices(string.printable, k=5))


def test_random_documents_never_end_in_a_traceback():
    chance = random.Random(4)
    for _ in range(1500):
        data = {
            chance.choice(["detection", "correlation", "filter", "pipeline"]): _junk(chance),
            **{
                key: _junk(chance)
                for key in chance.sample(
                    [
                        "title",
                        "id",
                        "name",
                        "logsource",
                        "level",
                        "tags",
                        "status",
                        "related",
                        "date",
                        "generate",
                        "taxonomy",
                        "fields",
                    ],
                    4,
                )
            },
        }
        if chance.random() < 0.7:
            data |= {"title": "t", "logsource": {"category": "dns"}}
        for key in ("correlation", "detection", "filter"):
            if isinstance(data.get(key), dict) and chance.random() < 0.7:
                data[key] |= {"condition": chance.choice(["s", "not s", {"gte": 1}, "1 of them"]), "s": _junk(chance)}
        read_sigma([SigmaDocument(data, Place("x.yml", 1)), SigmaDocument(rule(name="s"), Place("y.yml", 1))])


def test_places_are_those_of_the_file(tmp_path):
    file = tmp_path / "rules.yml"
    file.write_text("""\
title: one
logsource: {category: dns}
detection:
  selection:
    query|contians: x
  condition: selection
---
title: two
correlation:
  type: event_count
  rules:
    - nowhere
  timespan: 1m
  condition: {gte: 3}
""")
    loaded, problems = read_rules([file])
    assert not loaded.rules
    assert [(problem.place.line, problem.place.column) for problem in problems] == [(5, 21), (12, 7)]
    assert {one.title for one in loaded.refused} == {"one", "two"}


def test_a_bomb_of_aliases_is_the_loader_s_to_refuse(tmp_path):
    file = tmp_path / "bomb.yml"
    layers = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    layers += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefg", "bcdefgh", strict=True)
    ]
    file.write_text(
        "\n".join([*layers, "title: t", "logsource: {category: dns}", "detection: {s: *h, condition: s}", ""])
    )
    loaded, problems = read_rules([file])
    assert not loaded.rules
    assert "values" in problems[0].message
    assert yaml.__version__
