"""What the index evaluates: nothing that cannot hold, and nothing twice."""

from __future__ import annotations

import math
import operator
import time

import pytest

from fenghuo.rules.detection import EventIndex, Every, Not, Some, Test, TreeError, View, read_where
from fenghuo.rules.detection.checks import Affix, Equals, Listed, Null
from fenghuo.rules.detection.needs import MAX_ATOMS, Atom, needs_of
from fenghuo.rules.detection.tree import MAX_DEPTH, MAX_NODES


class Counting:
    """A list from a file that counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def get(self, name):
        return self

    def contains(self, value):
        self.asked += 1
        return True


def rule(lists=None, **where):
    return read_where({key.replace("__", "."): value for key, value in where.items()}, lists=lists)


def test_lists_of_the_same_name_are_told_apart():
    class Empty(Counting):
        def contains(self, value):
            return False

    first, second = Test("a", Listed("x", Counting())), Test("a", Listed("x", Empty()))
    assert first != second
    assert EventIndex([(first, 1), (second, 2)] * 5).matching(View({"a": "b"})) == [1] * 5


def test_two_fields_of_very_many_values_are_compared_soon():
    node = rule(**{"a|fieldref|contains": "b"})
    view = View({"a": [f"x{n}" for n in range(10_000)], "b": [f"y{n}" for n in range(10_000)]})
    begin = time.process_time()
    assert EventIndex([(node, 1)]).matching(view) == []
    assert time.process_time() - begin < 0.5


def test_conditions_come_in_the_order_in_which_they_were_given():
    nodes = [rule(b="x"), rule(), rule(a="x"), rule(a=["x", "y"], b="x"), rule(a="z")] * 10
    index = EventIndex((node, number) for number, node in enumerate(nodes))
    expected = [number for number in range(50) if number % 5 != 4]
    assert index.matching(View({"a": ["x", "y", "x"], "b": "X"})) == expected
    assert len(index) == 50


def test_no_condition_at_all_matches_nothing():
    assert EventIndex([]).matching(View({"a": 1})) == []


SHAPES = [
    {"a": "x{}"},
    {"a": ["x{}", "y{}"]},
    {"a|endswith": ".x{}.com"},
    {"a|endswith": "x{}"},
    {"a|startswith": "x{}"},
    {"a|contains": "x{}x"},
    {"a|re": "^x{}y+$"},
    {"a": "*.x{}*.q?"},
    {"a": ["x{}", "*.y{}.cn", "z{}*"]},
    {"n|gte": 1000, "b{}": "x"},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_cannot_hold_is_not_evaluated_however_many_there_are(shape):
    counting = Counting()
    shapes = [{key.format(n): _filled(value, n) for key, value in shape.items()} for n in range(100)]
    index = EventIndex((read_where({**where, "b|list": "any"}, lists=counting), n) for n, where in enumerate(shapes))
    assert index.matching(View({"a": "www.example.com", "b": "x", "n": 10})) == []
    assert counting.asked == 0


@pytest.mark.parametrize(
    ("how", "values", "text"),
    [
        ("endswith", [".cn", ".b.cn", ".a.b.cn", "n", "cn", "b.cn", "x.cn", ".a.b.c", "www.a.b.cn"], "www.a.b.cn"),
        ("startswith", ["w", "www.", "www.a.b.cn", "www.a.b.cn.", "x"], "www.a.b.cn"),
        ("contains", [f".{n}." for n in range(40)], "a.7.8.cn"),
    ],
)
def test_every_start_end_and_part_that_a_text_has_is_found(how, values, text):
    meets = {"endswith": text.endswith, "startswith": text.startswith, "contains": text.__contains__}[how]
    index = EventIndex((rule(**{f"a|{how}": value}), value) for value in values * 2)
    assert index.matching(View({"a": text.upper()})) == [value for value in values * 2 if meets(value)]


@pytest.mark.parametrize("key", ["a", "a|startswith", "a|endswith", "a|contains"])
def test_what_was_found_whatever_its_case_is_tested_again_where_case_counts(key):
    nodes = [rule(**{f"{key}|cased": [text, f"{text}{n}"]}) for n in range(10) for text in ("AB", "ab", "Ab")]
    index = EventIndex((node, number) for number, node in enumerate(nodes))
    assert index.matching(View({"a": "Ab"})) == [number for number in range(30) if number % 3 == 2]


def test_a_letter_whose_lower_case_depends_on_its_place_is_found():
    nodes = [rule(**{"a|contains|cased": "Σ", "b": f"x{n}"}) for n in range(10)]
    nodes += [Every((rule(**{"a|contains|cased": "Σ"}),)) for n in range(10)]
    index = EventIndex((node, number) for number, node in enumerate(nodes))
    assert index.matching(View({"a": "ΑΣ", "b": "x3"})) == [3, *range(10, 20)]


@pytest.mark.parametrize("number", [0, 1, 1.5, 2, 3, math.nan, math.inf, -math.inf, "2", "x", 2**70])
def test_numbers_are_compared_with_all_bounds_at_once(number):
    orders = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}
    bounds = [(order, bound) for bound in (1, 1.5, 2, 2, 2**70) for order in orders]
    index = EventIndex((rule(**{f"a|{order}": bound}), (order, bound)) for order, bound in bounds)
    value = 2 if number == "2" else math.nan if number == "x" else number
    assert index.matching(View({"a": number})) == [
        (order, bound) for order, bound in bounds if orders[order](value, bound)
    ]


def _filled(value, number):
    if isinstance(value, list):
        return [one.format(number) for one in value]
    return value.format(number) if isinstance(value, str) else value


def test_an_event_of_another_kind_meets_no_condition_at_all():
    counting = Counting()
    index = EventIndex(
        (rule(counting, event__dataset=dataset, **{"b|list": "any"}), (dataset, n))
        for dataset in ("dns", "conn", "http")
        for n in range(20)
    )
    assert index.matching(View({"event": {"dataset": "ssl"}, "b": "x"})) == []
    assert counting.asked == 0
    assert index.matching(View({"event.dataset": "DNS", "b": "x"})) == [("dns", n) for n in range(20)]
    assert counting.asked == 1


SOURCE = Some((rule(event__dataset="dns"), rule(**{"event.dataset|endswith": ".dns"}), rule(**{"dns.id|exists": True})))


def test_where_an_event_comes_from_is_decided_once_for_each_source():
    asked = []

    class Recording(View):
        def exists(self, field):
            asked.append(field)
            return super().exists(field)

    index = EventIndex((Every((SOURCE, rule(a=f"x{n}"))), n) for n in range(10))
    for name in ("zeek.dns", "ZEEK.DNS", "zeek.dns", "conn", "conn"):
        expected = [3] if name.lower() == "zeek.dns" else []
        assert index.matching(Recording({"event": {"dataset": name}, "a": "x3"})) == expected
    assert asked == ["dns.id"] * 3  # for three names, not for five events
    assert index.matching(Recording({"event": {"dataset": "conn"}, "dns": {"id": None}, "a": "x3"})) == [3]


def test_events_of_one_source_are_told_apart_by_what_is_null_and_what_is_absent():
    nodes = [
        Some((rule(event__dataset="x"), rule(**{"dns.id|exists": True}))),
        Some((rule(event__dataset="x"), rule(**{"dns.id": None}))),
    ]
    index = EventIndex((node, number) for number, node in enumerate(nodes))
    for _ in range(2):
        assert index.matching(View({"dns": {"id": 1}})) == [0]
        assert index.matching(View({"dns": {"id": None}})) == [0, 1]
        assert index.matching(View({"dns": {"type": "A"}})) == [1]
        assert index.matching(View({"type": "A"})) == [1]


def test_sources_are_told_apart_by_the_text_of_their_values():
    index = EventIndex((rule(event__module=text), text) for text in ("1", "true", "a"))
    for _ in range(2):
        assert index.matching(View({"event": {"module": 1}})) == ["1"]
        assert index.matching(View({"event": {"module": True}})) == ["true"]
        assert index.matching(View({"event": {"module": 1.0}})) == ["1"]
        assert index.matching(View({"event": {"module": ["a", True]}})) == ["true", "a"]
        assert index.matching(View({"event.module": "1"})) == ["1"]
        assert index.matching(View({"event": {"module": None}})) == []


def test_ever_new_sources_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("fenghuo.rules.detection.profile._MOST", 50)
    index = EventIndex((rule(**{"event.dataset|contains": f"-{n}-", "a": "x"}), n) for n in range(200))
    for number in range(2_000):
        name = f"x-{number % 200}-{number}-"
        expected = [n for n in range(200) if f"-{n}-" in name]
        assert index.matching(View({"event": {"dataset": name}, "a": "x"})) == expected
    assert len(index._profiles._found) <= 50
    assert len(index._plans) <= 64


def test_a_test_that_conditions_share_runs_once_an_event():
    counting = Counting()
    shared = Test("b", Listed("any", counting))
    index = EventIndex(
        (Every((Some((Test("a", Null()), shared)), Test("b", Equals(frozenset({"x"}))))), n) for n in range(30)
    )
    for asked in (1, 2):
        assert index.matching(View({"a": "a", "b": "x"})) == list(range(30))
        assert counting.asked == asked


def test_what_a_look_up_has_shown_is_not_tested_again():
    asked = []

    class Recording(View):
        def get(self, field):
            asked.append(field)
            return super().get(field)

    index = EventIndex((rule(a=f"x{n}"), n) for n in range(30))
    assert index.matching(Recording({"a": "x7"})) == [7]
    assert asked == ["a"]


def test_keywords_are_looked_up_too():
    counting = Counting()
    nodes = [
        Every((Test(None, Affix("contains", (f"word{n} ",))), Test("b", Listed("any", counting)))) for n in range(30)
    ]
    index = EventIndex((node, n) for n, node in enumerate(nodes))
    assert index.matching(View({"a": ["x", {"c": "a Word7 b"}], "b": "x"})) == [7]
    assert counting.asked == 1


@pytest.mark.parametrize(
    ("node", "atoms"),
    [
        (rule(a="X"), [{Atom("equals", "a", "x")}]),
        (rule(a="x", b="y"), [{Atom("equals", "a", "x")}, {Atom("equals", "b", "y")}]),
        (Some((rule(a="x"), rule(b="y"))), [{Atom("equals", "a", "x"), Atom("equals", "b", "y")}]),
        (Some((rule(a="x", b="p"), rule(a="y"))), [{Atom("equals", "a", "x"), Atom("equals", "a", "y")}]),
        (Some((rule(a="x"), Not(rule(b="y")))), []),
        (Not(rule(a="x")), []),
        (rule(**{"a|exists": True}), []),
        (rule(**{"a|fieldref": "b"}), [{Atom("has", "a", "")}]),
        (rule(a="pre*x*"), [{Atom("starts", "a", "pre")}]),
        (rule(a="*x*.com"), [{Atom("ends", "a", ".com")}]),
        (rule(a="*x*yz*"), [{Atom("contains", "a", "yz")}]),
        (rule(a="*?*"), [{Atom("has", "a", "")}]),
        (rule(a=[f"x{n}" for n in range(MAX_ATOMS + 1)]), [{Atom("has", "a", "")}]),
        (Some(()), [set()]),
    ],
)
def test_what_a_condition_needs_is_derived_from_its_tests(node, atoms):
    assert [set(need.atoms) for need in needs_of(node)] == atoms


def test_a_condition_that_is_too_deep_or_too_large_is_refused():
    deep = rule(a="x")
    for _ in range(MAX_DEPTH * 50):
        deep = Not(deep)
    with pytest.raises(TreeError, match="nested"):
        EventIndex([(deep, 1)])
    wide = Some((Every((rule(a="x"),) * 200),) * 200)
    assert MAX_NODES < 200 * 200
    with pytest.raises(TreeError, match="more than"):
        EventIndex([(wide, 1)])


def test_a_thousand_conditions_that_cannot_hold_cost_no_more_than_a_hundred():
    def build(count):
        return EventIndex(
            (rule(event__dataset=f"set{n % 10}", **{"a|contains": [f"x{n}y", f"z{n}q"]}), n) for n in range(count)
        )

    view = {"event": {"dataset": "set3"}, "a": "www.example.com"}

    def cost(index):
        best = 1.0
        for _ in range(7):
            begin = time.process_time()
            for _ in range(300):
                index.matching(View(view))
            best = min(best, time.process_time() - begin)
        return best

    assert cost(build(1_000)) < 2.5 * cost(build(100))
