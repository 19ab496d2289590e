"""Conditions over values in plain words, English and Chinese; and other values as one would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel

from fenghuo.config import format_duration
from fenghuo.config.reference import describe as type_of
from fenghuo.rules.language.expression import (
    Arithmetic,
    Call,
    Comparison,
    Field,
    Logic,
    Membership,
    Node,
    Not,
    Number,
    Rate,
    Variable,
)

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Language = Literal["en", "zh"]
Pair = tuple[str, str]
"""In English, in Chinese."""

_ORDERS: Mapping[str, Pair] = {
    "<": ("is below", "小于"),
    "<=": ("is at most", "不超过"),
    ">": ("is above", "大于"),
    ">=": ("is at least", "不小于"),
    "==": ("is", "等于"),
    "!=": ("is not", "不等于"),
}
_LOGIC: Mapping[str, Pair] = {"and": ("and", "且"), "or": ("or", "或")}
_CALLS: Mapping[str, Pair] = {
    "abs": ("the size of {}", "{} 的绝对值"),
    "min": ("the smallest of {}", "{} 中的最小值"),
    "max": ("the largest of {}", "{} 中的最大值"),
}


def in_words(node: Node, language: Language, names: Mapping[str, Pair]) -> str:
    """An expression as one would say it; `names` are what `value` and others mean here."""
    return _Speaker(0 if language == "en" else 1, names).say(node)


class _Speaker:
    def __init__(self, language: int, names: Mapping[str, Pair]) -> None:
        self._language = language
        self._names = names

    def _pick(self, pair: Pair) -> str:
        return pair[self._language]

    def say(self, node: Node) -> str:
        match node:
            case Number(value):
                return f"{value:g}" if isinstance(value, float) else str(value)
            case Field(name) | Variable(name):
                return self._pick(self._names[name]) if name in self._names else f"`{name}`"
            case Rate(name):
                return self._pick((f"the growth of `{name}` per second", f"`{name}` 每秒的增长"))
            case Call(function, arguments):
                inner = self._pick((" and ", " 与 ")).join(self.say(each) for each in arguments)
                return self._pick(_CALLS[function]).format(inner)
            case Arithmetic(operator, left, right):
                return f"{self._inner(left)} {operator} {self._inner(right)}"
            case Comparison(operator, left, right):
                return f"{self.say(left)} {self._pick(_ORDERS[operator])} {self.say(right)}"
            case Membership(item, members, negated):
                return self._membership(item, sorted(members), negated=negated)
            case Logic(operator, left, right):
                return f"{self._inner(left, operator)} {self._pick(_LOGIC[operator])} {self._inner(right, operator)}"
            case Not(operand):
                return self._pick(("not ({})", "并非（{}）")).format(self.say(operand))

    def _membership(self, item: Node, members: list[int | float], *, negated: bool) -> str:
        choices = self._pick((" or ", " 或 ")).join(f"{member:g}" for member in members)
        verb = self._pick(("is none of", "不是") if negated else ("is", "为"))
        return f"{self.say(item)} {verb} {choices}"

    def _inner(self, node: Node, operator: str = "") -> str:
        """A part, in brackets where it would read otherwise without."""
        text = self.say(node)
        is_joined = isinstance(node, Arithmetic) or (isinstance(node, Logic) and node.operator != operator)
        return self._pick(("({})", "（{}）")).format(text) if is_joined else text


def shown(value: Any, field: FieldInfo | None = None) -> str:
    """A value as one would write it in YAML; the field's type tells whether it is a span of time."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        told = [(each.alias or name, getattr(value, name), each) for name, each in fields.items()]
        return ", ".join(
            f"{name}: {shown(inner, each)}"
            for name, inner, each in told
            if inner != each.get_default(call_default_factory=True)
        )
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(item)}" for key, item in cast("dict[str, Any]", value).items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in cast("list[Any]", value))
    if field is not None and isinstance(value, float) and "duration" in type_of(field.annotation, field.metadata):
        return format_duration(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
