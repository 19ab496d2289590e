"""Fields of events, whatever way the document writes them."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from fenghuo.rules.detection import View
from fenghuo.rules.detection.view import MAX_VALUES

SPELLINGS = [
    {"dns": {"question": {"name": "a.cn"}}},
    {"dns.question.name": "a.cn"},
    {"dns": {"question.name": "a.cn"}},
    {"dns.question": {"name": "a.cn"}},
    {"dns": {"id": 7}, "dns.question": {"name": "a.cn"}},
    {"dns": {"question": None, "question.name": "a.cn"}},
    {"dns": [{"question": {"name": "a.cn"}}]},
    MappingProxyType({"dns": MappingProxyType({"question": {"name": "a.cn"}})}),
]


@pytest.mark.parametrize("document", SPELLINGS)
def test_a_field_is_found_in_every_spelling(document):
    view = View(document)
    assert view.get("dns.question.name") == "a.cn"
    assert view.get("dns.question.name") == "a.cn"
    assert view.exists("dns.question.name")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": None},
        {"a": []},
        {"a": [None, [None]]},
        {"a": {"c": 1}},
        {"a": "b"},
        {"a": {"b": {"c": 1}}},
        {"a.b": {}},
    ],
)
def test_what_is_absent_null_empty_or_an_object_has_no_value(document):
    assert View(document).get("a.b") is None


def test_a_value_is_found_beside_an_object_of_the_same_beginning():
    assert View({"a": {"x": 1}, "a.b": 7}).get("a.b") == 7
    assert View({"a": {"b": {"x": 1}, "b.c": 7}}).get("a.b.c") == 7


def test_a_list_gives_its_values_without_nulls_and_inner_lists():
    assert View({"a": ["x", None, [1, [2]], {"b": 3}]}).get("a") == ["x", 1, 2]


def test_a_list_of_one_is_that_value():
    assert View({"event": {"category": ["network"]}}).get("event.category") == "network"
    assert View({"a": [["x"]]}).get("a") == "x"


def test_a_list_of_objects_gives_the_values_of_all():
    answers = [{"data": "10.0.0.1"}, {"ttl": 60}, {"data": ["10.0.0.2", "10.0.0.3"]}, None, "text"]
    assert View({"dns": {"answers": answers}}).get("dns.answers.data") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert View({"dns": {"answers": [{"data": "a"}, {"data": "b"}]}}).get("dns.answers.data") == ["a", "b"]
    assert View({"dns": {"answers": [{"data": "a"}, {"data": None}]}}).get("dns.answers.data") == "a"


def test_false_and_zero_and_the_empty_text_are_values():
    view = View({"a": False, "b": 0, "c": ""})
    assert (view.get("a"), view.get("b"), view.get("c")) == (False, 0, "")


@pytest.mark.parametrize(
    ("document", "there"),
    [
        ({"a": {"b": None}}, True),
        ({"a": {"b": []}}, True),
        ({"a": {"b": {"c": 1}}}, True),
        ({"a.b": None}, True),
        ({"a": [{"c": 1}, {"b": None}]}, True),
        ({"a": {"c": None}}, False),
        ({"a": None}, False),
        ({}, False),
    ],
)
def test_a_field_exists_though_it_is_null(document, there):
    assert View(document).exists("a.b") is there


def test_all_values_are_those_of_every_depth_but_null():
    view = View({"a": {"b": [1, None, {"c": "X"}]}, "d": True})
    assert view.values() == [1, "X", True]
    assert view.text() == "1\nx\ntrue"


def test_a_huge_list_is_looked_at_only_so_far():
    assert len(View({"a": list(range(5 * MAX_VALUES))}).get("a")) == MAX_VALUES


def test_a_huge_document_is_looked_into_only_so_far():
    assert len(View({"a": [{"b": list(range(MAX_VALUES))}, {"c": 1}]}).values()) == MAX_VALUES


def test_a_document_or_a_name_of_great_depth_does_no_harm():
    deep = "x"
    for _ in range(900):
        deep = [{"a": deep}]
    name = ".".join(["a"] * 2_000)
    assert View({"a": deep}).get(name) is None
    assert View({"a": deep}).exists(name) is False
    assert View({"a": deep}).values() == []
    assert View({name: 1}).get("a.b") is None
