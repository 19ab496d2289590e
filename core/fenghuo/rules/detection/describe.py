"""A condition in plain words, English or Chinese, for `fenghuo rules explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fenghuo.config.words import printable
from fenghuo.rules.detection.checks import (
    Affix,
    Check,
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
from fenghuo.rules.detection.pattern import text_of, written
from fenghuo.rules.detection.tree import FALSE, TRUE, Every, Node, Not, Some, Test, simplify

Language = Literal["en", "zh"]
_SHOWN = 8
"""So many of a list's values are told; of the rest, how many they are."""


@dataclass(frozen=True)
class _Words:
    """How a language says things; braces hold the field (`f`) and the values (`v`)."""

    always: str
    never: str
    both: str
    either: str
    negation: str
    brackets: str
    separator: str
    more: str
    any_field: str
    cased: str
    one: Mapping[str, str]
    """With one value, by the check."""
    several: Mapping[str, str]
    """With a list of them."""
    parts: Mapping[str, str]


_ENGLISH = _Words(
    always="always",
    never="never",
    both=" and ",
    either=" or ",
    negation="not {}",
    brackets="({})",
    separator=", ",
    more="… ({} in all)",
    any_field="any value",
    cased=" (case-sensitive)",
    one={
        "equals": "{f} is {v}",
        "startswith": "{f} starts with {v}",
        "endswith": "{f} ends with {v}",
        "contains": "{f} contains {v}",
        "glob": "{f} is like {v}",
        "regex": "{f} meets the expression {v}",
        "regexi": "{f} meets the expression {v}, whatever its case",
        "cidr": "{f} lies in {v}",
        "lt": "{f} < {v}",
        "lte": "{f} ≤ {v}",
        "gt": "{f} > {v}",
        "gte": "{f} ≥ {v}",
        "exists": "{f} is present",
        "absent": "{f} is not present",
        "null": "{f} has no value",
        "list": "{f} is on the list {v}",
        "part": "the {p} of {f} is {v}",
        "partorder": "the {p} of {f} is {v}",
        "refequals": "{f} is the same as {v}",
        "refstartswith": "{f} starts with the value of {v}",
        "refendswith": "{f} ends with the value of {v}",
        "refcontains": "{f} contains the value of {v}",
    },
    several={
        "equals": "{f} is one of {v}",
        "startswith": "{f} starts with one of {v}",
        "endswith": "{f} ends with one of {v}",
        "contains": "{f} contains one of {v}",
        "glob": "{f} is like one of {v}",
        "cidr": "{f} lies in one of {v}",
        "part": "the {p} of {f} is one of {v}",
    },
    parts={
        "minute": "minute",
        "hour": "hour",
        "day": "day",
        "week": "week",
        "month": "month",
        "year": "year",
    },
)
_CHINESE = _Words(
    always="总是成立",
    never="从不成立",
    both=" 且 ",
    either=" 或 ",
    negation="不满足（{}）",
    brackets="（{}）",
    separator="、",
    more="……（共 {} 项）",
    any_field="任一字段",
    cased="（区分大小写）",
    one={
        "equals": "{f} 为 {v}",
        "startswith": "{f} 以 {v} 开头",
        "endswith": "{f} 以 {v} 结尾",
        "contains": "{f} 包含 {v}",
        "glob": "{f} 形如 {v}",
        "regex": "{f} 匹配正则表达式 {v}",
        "regexi": "{f} 匹配正则表达式 {v}（不区分大小写）",
        "cidr": "{f} 属于 {v}",
        "lt": "{f} 小于 {v}",
        "lte": "{f} 不大于 {v}",
        "gt": "{f} 大于 {v}",
        "gte": "{f} 不小于 {v}",
        "exists": "存在 {f}",
        "absent": "不存在 {f}",
        "null": "{f} 无值",
        "list": "{f} 在名单 {v} 中",
        "part": "{f} 的{p}为 {v}",
        "partorder": "{f} 的{p} {v}",
        "refequals": "{f} 与 {v} 的值相同",
        "refstartswith": "{f} 以 {v} 的值开头",
        "refendswith": "{f} 以 {v} 的值结尾",
        "refcontains": "{f} 包含 {v} 的值",
    },
    several={
        "equals": "{f} 为 {v} 之一",
        "startswith": "{f} 以 {v} 之一开头",
        "endswith": "{f} 以 {v} 之一结尾",
        "contains": "{f} 包含 {v} 之一",
        "glob": "{f} 形如 {v} 之一",
        "cidr": "{f} 属于 {v} 之一",
        "part": "{f} 的{p}为 {v} 之一",
    },
    parts={"minute": "分钟", "hour": "小时", "day": "日", "week": "周", "month": "月份", "year": "年份"},
)
_SIGNS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}


def describe(node: Node, language: Language = "en") -> str:
    """What a condition asks for, on one line. ValueError where it is too deep."""
    words = _CHINESE if language == "zh" else _ENGLISH
    return _node(simplify(node), words)


def _node(node: Node, words: _Words) -> str:
    if isinstance(node, Test):
        return _test(node, words)
    if isinstance(node, Not):
        return _negation(node.part, words)
    if node in (TRUE, FALSE):
        return words.always if node == TRUE else words.never
    link = words.both if isinstance(node, Every) else words.either
    return link.join(_inner(part, words) for part in node.parts)


def _inner(node: Node, words: _Words) -> str:
    text = _node(node, words)
    return words.brackets.format(text) if isinstance(node, Every | Some) and node.parts else text


def _negation(part: Node, words: _Words) -> str:
    text = _node(part, words)
    if words is _CHINESE:
        return words.negation.format(text)
    return words.negation.format(words.brackets.format(text))


def _test(test: Test, words: _Words) -> str:
    field = words.any_field if test.field is None else printable(test.field)
    name, values, part = _said(test.check)
    is_list = len(values) > 1 and name in words.several
    form = words.several[name] if is_list else words.one[name]
    text = form.format(f=field, v=_values(values, words), p=words.parts.get(part, ""))
    return text + (words.cased if getattr(test.check, "cased", False) else "")


def _values(values: Sequence[str], words: _Words) -> str:
    shown = words.separator.join(printable(value) for value in values[:_SHOWN])
    return shown if len(values) <= _SHOWN else shown + words.separator + words.more.format(len(values))


Said = tuple[str, Sequence[str], str]
"""The check's name in `_Words`, its values as a person writes them, the part of a time."""


def _said(check: Check) -> Said:
    match check:
        case Equals():
            return "equals", [_quoted(value) for value in sorted(check.values, key=_natural)], ""
        case Affix():
            return check.how, [_quoted(value) for value in check.values], ""
        case Glob():
            return "glob", [_quoted(written(pattern)) for pattern in check.patterns], ""
        case Regex():
            return "regexi" if "i" in check.flags else "regex", [f"/{check.pattern}/"], ""
        case Cidr():
            return "cidr", check.networks, ""
        case Compare():
            return check.order, [text_of(check.bound)], ""
        case Exists():
            return "exists" if check.wanted else "absent", [], ""
        case Null():
            return "null", [], ""
        case Listed():
            return "list", [_quoted(check.name)], ""
        case FieldRef():
            return f"ref{check.how}", [check.other], ""
        case TimePart():
            return _part(check)


def _quoted(text: str) -> str:
    """Texts that would not be seen as one stand in quotes."""
    return f"'{text}'" if not text or text != text.strip() or any(char in text for char in " ,、") else text


def _natural(text: str) -> tuple[bool, int, str]:
    """Numbers by size, before texts."""
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return (not is_number, int(text) if is_number else 0, text)


def _part(check: TimePart) -> Said:
    numbers = [str(value) for value in sorted(check.values)]
    if check.order is None:
        return "part", numbers, check.part
    return "partorder", [f"{_SIGNS[check.order]} {numbers[0]}"], check.part
