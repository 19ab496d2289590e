"""`where` on the labels of readings: the same modifiers, and case counts."""

from __future__ import annotations

import pytest

from fenghuo.model import Layout
from fenghuo.rules.detection import WhereError
from fenghuo.rules.language.where import Where, matcher, rows_for

LAYOUT = Layout(
    "interface",
    {"device": "sw1", "ifName": "shared", "instance": "10.20.0.7"},
    {"ifName": ["Gi1/0/1", "Gi1/0/2", "Te1/1/1", ""], "ifAlias": ["uplink", "", "Uplink core", ""]},
    ("ifOperStatus",),
)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ifName": ["Gi1/0/1"]}, [0]),
        ({"ifName": ["gi1/0/1"]}, []),
        ({"ifName": ["Gi*", "shared"]}, [0, 1, 3]),
        ({"ifAlias": [""]}, [1, 3]),
        ({"device": ["sw?"]}, [0, 1, 2, 3]),
        ({"device": ["sw2"]}, []),
        ({"room": [""]}, [0, 1, 2, 3]),
        ({"ifName|startswith": ["Gi"]}, [0, 1]),
        ({"ifName|startswith": ["gi"]}, []),
        ({"ifName|re|i": ["^gi"]}, [0, 1]),
        ({"ifAlias|contains": ["link"]}, [0, 2]),
        ({"ifAlias|contains|all": ["link", "core"]}, [2]),
        ({"ifAlias|exists": ["true"]}, [0, 2]),
        ({"ifAlias|exists": ["false"]}, [1, 3]),
        ({"ifAlias|neq": ["uplink"]}, [1, 2, 3]),
        ({"instance|cidr": ["10.0.0.0/8"], "ifName": ["Te*"]}, [2]),
        ({"instance|cidr|neq": ["10.0.0.0/8"]}, []),
        ({"ifName|endswith": ["/1"], "ifAlias|startswith": ["Up"]}, [2]),
        ({"ifName|fieldref": ["device"]}, []),
    ],
)
def test_rows_are_chosen_by_their_labels(where, rows):
    compiled = Where(where)
    assert compiled.rows(LAYOUT) == rows
    assert [row for row, labels in enumerate(LAYOUT.rows) if compiled.meets(labels)] == rows


def test_exceptions_take_rows_out():
    exceptions = [Where({"ifAlias|contains": ["core"]}), Where({"ifName": ["Gi1/0/2"]})]
    assert rows_for(Where({"ifName": ["*/*"]}), exceptions, LAYOUT) == [0]


def test_the_labels_of_a_where_are_told_without_their_modifiers():
    assert Where({"ifName|re": ["x"], "device": ["a"], "ifName|neq": ["y"]}).labels == ("ifName", "device")


def test_a_wrong_modifier_is_refused():
    with pytest.raises(WhereError, match="unknown modifier"):
        Where({"ifName|like": ["x"]})


def test_a_list_may_hold_labels():
    class Lists:
        def get(self, name):
            return {"core": self}.get(name)

        def contains(self, value):
            return value == "Te1/1/1"

    assert Where({"ifName|list": ["core"]}, lists=Lists()).rows(LAYOUT) == [2]


@pytest.mark.parametrize(
    ("pattern", "text", "met"),
    [("[a]*", "[a]b", True), ("[a]*", "ab", False), ("a.c?", "a.cd", True), ("a.c?", "abcd", False)],
)
def test_only_stars_and_question_marks_are_wildcards(pattern, text, met):
    assert matcher([pattern, "other"])(text) is met
