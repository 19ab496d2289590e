"""The index and the closures against an interpreter that is slow and plain; no condition reads another event."""

from __future__ import annotations

import math
import re
from contextlib import nullcontext
from ipaddress import ip_address, ip_network
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.rules.detection import EventIndex, Every, Not, Some, Test, View, compile_detection, simplify
from fenghuo.rules.detection.checks import (
    Affix,
    Cidr,
    Compare,
    Equals,
    Exists,
    FieldRef,
    Glob,
    Listed,
    Null,
    Regex,
    TimePart,
)
from fenghuo.rules.detection.pattern import Wild
from fenghuo.rules.detection.tree import parts_of

INDEX = "fenghuo.rules.detection.index"
FEW = {
    "few evaluated": nullcontext(),
    "all filed": mock.patch.multiple(INDEX, _FEW=0),
    "no plans but of groups": mock.patch.multiple(INDEX, _FEW=0, _MOST_PLANS=0),
}
"""As if a few conditions were many, so that all are looked up; and as if the sources were many."""
SETTINGS = settings(max_examples=50, deadline=None)
FIELDS = ["event.dataset", "b.c", "event.module", "e.f.g", "ip"]
WORDS = [
    "",
    "1",
    "a",
    "A",
    "ab",
    "ABC",
    "x.ab.com",
    "ab.com",
    ".com",
    "b.ab.COM",
    "22",
    "2",
    "true",
    "É",
    "ΑΣ",
    "Σ",
    "10.1.2.3",
]
ADDRESSES = ["10.1.2.3", "10.9.0.1", "192.168.1.1", "::ffff:10.1.2.3", "fe80::1%eth0", "2001:db8::5"]

scalars = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(ADDRESSES),
    st.sampled_from([22, 22.0, 2.5, -1, 1, True, False, 10**20, math.nan, math.inf]),
    st.text(alphabet="abAB.xΣ", max_size=6),
)
values = st.one_of(st.none(), scalars, st.lists(st.one_of(st.none(), scalars), max_size=3))


@st.composite
def documents(draw):
    """Fields in either spelling, and lists of objects."""
    document = {}
    for field in FIELDS:
        if draw(st.booleans()):
            continue
        value, (head, _, rest) = draw(values), field.partition(".")
        spelling = draw(st.sampled_from(["nested", "dotted", "objects"])) if rest else "dotted"
        if spelling == "dotted":
            document[field] = value
        elif spelling == "nested":
            inner = document.setdefault(head, {})
            if isinstance(inner, dict):
                inner[rest] = value
        else:
            document[head] = [{rest: value}, {rest: draw(values)}, None]
    return document


class Words:
    """A list from a file."""

    def contains(self, value):
        return value in ("ab", "22", "x.ab.com")


LIST = Words()
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)
patterns = st.lists(st.one_of(st.sampled_from(["a", "B", ".com", "Σ"]), st.sampled_from(list(Wild))), max_size=5).map(
    tuple
)
checks = st.one_of(
    st.builds(Equals, words.map(frozenset), st.booleans()),
    st.builds(Affix, st.sampled_from(["startswith", "endswith", "contains"]), words.map(tuple), st.booleans()),
    st.builds(
        Affix,
        st.just("contains"),
        st.lists(st.text("abcx.", min_size=1, max_size=3), min_size=13, max_size=16).map(tuple),
    ),
    st.builds(Glob, st.lists(patterns, min_size=1, max_size=2).map(tuple), st.booleans()),
    st.builds(
        Regex, st.sampled_from(["a+b", "^$", "(?:a|b)*c", r"\.com$", "[0-9]{2}"]), st.sampled_from(["", "i", "ims"])
    ),
    st.builds(
        Cidr,
        st.lists(st.sampled_from(["10.0.0.0/8", "10.1.2.3", "fe80::/10", "::/0", "0.0.0.0/0"]), min_size=1).map(tuple),
    ),
    st.builds(Compare, st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from([22, 2.5, 0])),
    st.builds(TimePart, st.sampled_from(["hour", "year"]), st.just(frozenset([1970]))),
    st.just(Listed("words", LIST)),
)
field_checks = st.one_of(
    checks,
    st.just(Null()),
    st.builds(Exists, st.booleans()),
    st.builds(
        FieldRef,
        st.sampled_from(FIELDS),
        st.sampled_from(["equals", "startswith", "endswith", "contains"]),
        st.booleans(),
    ),
)
tests = st.one_of(st.builds(Test, st.sampled_from(FIELDS), field_checks), st.builds(Test, st.none(), checks))
trees = st.recursive(
    tests,
    lambda node: st.one_of(
        st.builds(Every, st.lists(node, max_size=3).map(tuple)),
        st.builds(Some, st.lists(node, max_size=3).map(tuple)),
        st.builds(Not, node),
    ),
    max_leaves=8,
)


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def glob(pattern):
    wild = {Wild.ONE: ".", Wild.MANY: ".*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in pattern), re.DOTALL)


def number(value):
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def in_network(value, network):
    try:
        address = ip_address(value.partition("%")[0])
    except (ValueError, AttributeError):
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address in ip_network(network, strict=False)


def folded(text, cased):
    return text if cased else text.lower()


def holds(check, value):
    """One check of one scalar, by the book."""
    if isinstance(check, Equals):
        return folded(text(value), check.cased) in {folded(one, check.cased) for one in check.values}
    if isinstance(check, Affix):
        mine, known = folded(text(value), check.cased), [folded(one, check.cased) for one in check.values]
        how = {"startswith": mine.startswith, "endswith": mine.endswith, "contains": mine.__contains__}[check.how]
        return any(how(one) for one in known)
    if isinstance(check, Glob):
        lower = [tuple(p if isinstance(p, Wild) else folded(p, check.cased) for p in one) for one in check.patterns]
        return any(glob(one).fullmatch(folded(text(value), check.cased)) for one in lower)
    if isinstance(check, Regex):
        flags = sum(getattr(re, flag.upper()) for flag in check.flags)
        return (
            re.search(
                check.pattern.replace("$", r"\Z") if "m" not in check.flags else check.pattern, text(value), flags
            )
            is not None
        )
    if isinstance(check, Cidr):
        return any(in_network(value, network) for network in check.networks)
    if isinstance(check, Compare):
        mine = number(value)
        return (
            mine is not None
            and {
                "lt": mine < check.bound,
                "lte": mine <= check.bound,
                "gt": mine > check.bound,
                "gte": mine >= check.bound,
            }[check.order]
        )
    if isinstance(check, TimePart):
        return not isinstance(value, (bool, str)) and check.part == "year" and 0 <= value < 1e7
    return check.entries.contains(text(value))


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def interpret(node, view):
    """A condition, by the book."""
    if isinstance(node, Every):
        return all(interpret(part, view) for part in node.parts)
    if isinstance(node, Some):
        return any(interpret(part, view) for part in node.parts)
    if isinstance(node, Not):
        return not interpret(node.part, view)
    check = node.check
    if node.field is None:
        return any(holds(check, value) for value in view.values())
    found = as_list(view.get(node.field))
    if isinstance(check, Null):
        return not found
    if isinstance(check, Exists):
        return view.exists(node.field) == check.wanted
    if isinstance(check, FieldRef):
        how = {"equals": "Equals"}.get(check.how)
        others = [text(other) for other in as_list(view.get(check.other))]
        return any(
            holds(Equals(frozenset([other]), check.cased) if how else Affix(check.how, (other,), check.cased), value)
            for value in found
            for other in others
        )
    return any(holds(check, value) for value in found)


class Recording(View):
    """A view that records what is asked of it."""

    def __init__(self, document):
        super().__init__(document)
        self.asked = set()

    def get(self, field):
        self.asked.add(field)
        return super().get(field)

    def exists(self, field):
        self.asked.add(field)
        return super().exists(field)


@given(trees, documents())
@SETTINGS
def test_closures_say_what_an_interpreter_says(node, document):
    assert compile_detection(node)(View(document)) == interpret(node, View(document))


@given(trees, documents())
@SETTINGS
def test_a_simpler_tree_means_the_same(node, document):
    assert interpret(simplify(node), View(document)) == interpret(node, View(document))


@pytest.mark.parametrize("few", FEW.values(), ids=FEW)
@given(st.lists(trees, max_size=25), st.lists(documents(), min_size=1, max_size=4))
@SETTINGS
def test_the_index_finds_what_asking_every_condition_finds(few, nodes, many):
    with few:
        index = EventIndex((node, number) for number, node in enumerate(nodes))
        for document in many:
            expected = [number for number, node in enumerate(nodes) if interpret(node, View(document))]
            assert index.matching(View(document)) == expected


@pytest.mark.parametrize("few", FEW.values(), ids=FEW)
@given(
    st.lists(st.tuples(st.sampled_from(FIELDS[:2]), words, st.booleans(), trees), min_size=8, max_size=40),
    st.lists(documents(), max_size=4),
)
@SETTINGS
def test_the_index_finds_them_too_where_many_conditions_ask_the_same_fields(few, shapes, many):
    nodes = [Every((Test(field, Equals(frozenset(known), cased)), node)) for field, known, cased, node in shapes]
    with few:
        index = EventIndex((node, number) for number, node in enumerate(nodes))
        for document in many:
            expected = [number for number, node in enumerate(nodes) if interpret(node, View(document))]
            assert index.matching(View(document)) == expected


def fields_named(node):
    if isinstance(node, Test):
        return {node.field} | ({node.check.other} if isinstance(node.check, FieldRef) else set())
    return {name for part in parts_of(node) for name in fields_named(part)}


@given(st.lists(trees, min_size=1, max_size=10), documents())
@SETTINGS
def test_no_condition_reads_a_thing_outside_its_event_or_a_field_that_no_rule_names(nodes, document):
    view = Recording(document)
    before = repr(document)
    EventIndex((node, None) for node in nodes).matching(view)
    assert view.asked <= {name for node in nodes for name in fields_named(node)}
    assert repr(document) == before


@given(st.lists(trees, min_size=1, max_size=10), documents(), documents())
@SETTINGS
def test_what_an_event_meets_does_not_depend_on_the_event_before(nodes, first, second):
    index = EventIndex((node, number) for number, node in enumerate(nodes))
    alone = index.matching(View(second))
    index.matching(View(first))
    assert index.matching(View(second)) == alone
