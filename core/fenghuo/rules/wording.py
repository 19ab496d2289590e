"""Conditions over values in plain words, English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fenghuo.rules.expression import (
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
