"""Our detections against SQLite, told by pySigma's own backend what a rule means."""

import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.errors import Place
from fenghuo.rules.detection import View, compile_detection
from fenghuo.rules.sigma import SigmaDocument, read_sigma

sqlite_backend = pytest.importorskip(
    "sigma.backends.sqlite", reason="the oracle needs pysigma-backend-sqlite (pip install pysigma-backend-sqlite)"
)

LETTERS = "abAB"
texts = st.text(LETTERS + "%_.", max_size=5)
patterns = st.lists(
    st.sampled_from(["a", "b", "A", "B", "*", "?", r"\*", r"\?", "\\\\", "%", "_", "."]), max_size=5
).map("".join)
numbers = st.integers(-3, 3)
documents = st.fixed_dictionaries(
    {},
    optional={
        "a": texts.map(str) | st.sampled_from(["a*b", "a?b", "a\\b", "*", ""]),
        "b": texts,
        "n": numbers,
        "t": st.sampled_from(["2025-08-02T14:30:00", "2025-01-31T00:00:59", "2024-12-31T23:59:00"]),
        "ip": st.sampled_from(["10.0.0.1", "10.1.0.1", "11.0.0.1", "192.168.1.1"]),
    },
)


def keyed(key, values):
    return st.one_of(values, st.lists(values, min_size=1, max_size=3)).map(lambda value: {key: value})


def keyed_list(key, values):
    return st.lists(values, min_size=2, max_size=3, unique=True).map(lambda value: {key: value})


items = st.one_of(
    *(
        keyed(f"{field}{modifier}", patterns)
        for field in "ab"
        for modifier in ("", "|contains", "|startswith", "|endswith", "|neq")
    ),
    *(keyed_list(f"a|{modifier}", patterns) for modifier in ("contains|all", "startswith|all")),
    keyed("a|cased", texts.filter(bool)),
    keyed("n", numbers),
    keyed("n|neq", numbers),
    *(keyed(f"n|{modifier}", numbers) for modifier in ("lt", "lte", "gt", "gte")),
    st.just({"a": None}),
    st.booleans().map(lambda wanted: {"b|exists": wanted}),
    st.sampled_from(["b", "t"]).map(lambda other: {"a|fieldref": other}),
    st.sampled_from(["contains", "startswith", "endswith"]).map(lambda how: {f"a|fieldref|{how}": "b"}),
    keyed("ip|cidr", st.sampled_from(["10.0.0.0/8", "10.0.0.0/16", "192.168.1.1/32"])),
    keyed("t|hour", st.integers(0, 23)),
    keyed("t|day", st.sampled_from([2, 31])),
    keyed("t|year", st.sampled_from([2024, 2025])),
)
selections = st.one_of(
    st.lists(items, min_size=1, max_size=3).map(
        lambda parts: {key: value for part in parts for key, value in part.items()}
    ),
    st.lists(items, min_size=1, max_size=3),
)
conditions = st.sampled_from(
    [
        "s1",
        "s1 and s2",
        "s1 or s2",
        "not s1",
        "s1 and not s2",
        "1 of s*",
        "all of them",
        "not (s1 and s2)",
        "not 1 of s*",
        ["s1", "s2"],
    ]
)


def ours(rule, events):
    result = read_sigma([SigmaDocument(rule, Place("rule.yml"))])
    assert not result.problems, result.problems
    assert not result.inapplicable
    meets = compile_detection(result.rules[0].node)
    return {number for number, event in enumerate(events) if meets(View(event))}


def theirs(rule, events):
    from sigma.collection import SigmaCollection

    queries = sqlite_backend.sqliteBackend().convert(SigmaCollection.from_yaml(json.dumps(rule)))
    with sqlite3.connect(":memory:") as connection:
        connection.execute(
            "CREATE TABLE logs (id INTEGER, a TEXT COLLATE NOCASE, b TEXT COLLATE NOCASE, n INTEGER, t TEXT, ip TEXT)"
        )
        rows = [
            (number, *(event.get(key) for key in ("a", "b", "n", "t", "ip"))) for number, event in enumerate(events)
        ]
        connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", rows)
        found = {row[0] for query in queries for row in connection.execute(query.replace("SELECT *", "SELECT id"))}
    connection.close()
    return found


@settings(max_examples=150, deadline=None)
@given(first=selections, second=selections, condition=conditions, events=st.lists(documents, min_size=4, max_size=8))
def test_detections_mean_what_pysigma_s_sqlite_backend_says(first, second, condition, events):
    rule = {
        "title": "t",
        "logsource": {"product": "fenghuo"},
        "detection": {"s1": first, "s2": second, "condition": condition},
    }
    assert ours(rule, events) == theirs(rule, events)
