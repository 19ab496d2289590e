"""Conditions as trees: simplified, and told in words."""

from __future__ import annotations

import pytest

from fenghuo.rules.detection import Every, Not, Some, Test, compile_detection, read_where, simplify, tree
from fenghuo.rules.detection.checks import Affix, Equals, Exists, FieldRef
from fenghuo.rules.detection.describe import describe
from fenghuo.rules.detection.tree import FALSE, TRUE

A, B, C = (Test(name, Equals(frozenset({"x"}))) for name in "abc")


@pytest.mark.parametrize(
    ("node", "simple"),
    [
        (Every((A,)), A),
        (Some((Some((A, B)), C)), Some((A, B, C))),
        (Every((Every((A, Every((B,)))), A)), Every((A, B))),
        (Not(Not(A)), A),
        (Not(TRUE), FALSE),
        (Not(FALSE), TRUE),
        (Every((A, FALSE)), FALSE),
        (Some((A, TRUE)), TRUE),
        (Every((A, TRUE)), A),
        (Every((Some((FALSE, Not(FALSE))), B)), B),
        (Every(()), TRUE),
    ],
)
def test_trees_become_flat_and_lose_their_constants(node, simple):
    assert simplify(node) == simple


def test_the_tests_of_a_tree_come_in_reading_order():
    assert list(tree.tests_of(Every((A, Not(Some((B, C))))))) == [A, B, C]


@pytest.mark.parametrize("check", [Exists(), FieldRef("a")])
def test_an_absent_or_another_field_cannot_be_sought_in_all_values(check):
    with pytest.raises(ValueError, match="whole event"):
        compile_detection(Test(None, check))


class Words:
    def get(self, name):
        return self

    def contains(self, value):
        return False


WORDS = [
    ({}, "always", "总是成立"),
    ({"a": "x"}, "a is x", "a 为 x"),
    ({"a": ["10", "9", ""]}, "a is one of 9, 10, ''", "a 为 9、10、'' 之一"),
    ({"source.ip|cidr": "10.0.0.0/8"}, "source.ip lies in 10.0.0.0/8", "source.ip 属于 10.0.0.0/8"),
    (
        {"source.ip|cidr": "10.0.0.0/8", "a|neq": ["x*", "y z"]},
        "source.ip lies in 10.0.0.0/8 and not (a is 'y z' or a starts with x)",
        "source.ip 属于 10.0.0.0/8 且 不满足（a 为 'y z' 或 a 以 x 开头）",
    ),
    ({"a|contains|cased": ["x", "y"]}, "a contains one of x, y (case-sensitive)", "a 包含 x、y 之一（区分大小写）"),
    ({"a": "x?y*z"}, "a is like x?y*z", "a 形如 x?y*z"),
    ({"a|re|i": "x+"}, "a meets the expression /x+/, whatever its case", "a 匹配正则表达式 /x+/（不区分大小写）"),
    ({"p|gte": 1024, "p|lt": 2.5}, "p ≥ 1024 and p < 2.5", "p 不小于 1024 且 p 小于 2.5"),
    ({"a|exists": False, "b": None}, "a is not present and b has no value", "不存在 a 且 b 无值"),
    ({"t|hour": [22, 23]}, "the hour of t is one of 22, 23", "t 的小时为 22、23 之一"),
    ({"t|month|gte": 9}, "the month of t is ≥ 9", "t 的月份 ≥ 9"),
    ({"a|fieldref": "b"}, "a is the same as b", "a 与 b 的值相同"),
    ({"a|list": "staff"}, "a is on the list staff", "a 在名单 staff 中"),
    (
        {"a": [f"v{n}" for n in range(10)]},
        "a is one of v0, v1, v2, v3, v4, v5, v6, v7, … (10 in all)",
        "a 为 v0、v1、v2、v3、v4、v5、v6、v7、……（共 10 项） 之一",
    ),
]


@pytest.mark.parametrize(("where", "english", "chinese"), WORDS)
def test_a_condition_is_told_in_both_languages(where, english, chinese):
    node = read_where(where, lists=Words())
    assert describe(node) == english
    assert describe(node, "zh") == chinese


def test_brackets_show_what_belongs_together():
    node = Every((Some((A, Every((B, C)))), Test(None, Affix("contains", ("k",)))))
    assert describe(node) == "(a is x or (b is x and c is x)) and any value contains k"
    assert describe(node, "zh") == "（a 为 x 或 （b 为 x 且 c 为 x）） 且 任一字段 包含 k"


def test_control_characters_of_a_rule_do_not_reach_the_terminal():
    assert describe(read_where({"a": "x\x1b[31m\n"})) == r"a is 'x\x1b[31m\n'"
