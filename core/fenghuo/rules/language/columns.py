"""Expressions as closures over whole columns.

A closure takes a `Frame` (one table being judged) and answers with one value a row. Each tries the plain loop first and
looks for absent values only where that fails: most columns are whole. An absent value makes what is computed from it
absent; conditions are true, false or absent (Kleene's three-valued logic).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fenghuo.model import Value
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
    rated,
)

if TYPE_CHECKING:
    from fenghuo.rules.runtime.memory import Memory

Column = Sequence[Any]
"""Values or truths, one a row; None where absent."""


class Frame:
    """One table while it is judged: its columns, its rates (made when first asked for) and the rule's variables.

    `memories`: what is remembered of the fields that rules compare with before.

    `levels`: the truth of the rule's levels, in their order, once one was asked for; None for one without a condition.
    """

    __slots__ = ("_value", "columns", "data", "elapsed", "height", "levels", "memories", "previous", "rate")

    def __init__(
        self,
        columns: Sequence[Sequence[Value]],
        height: int,
        rate: Callable[[str], Column],
        memories: Mapping[str, Memory],
    ) -> None:
        self.columns = columns
        self.height = height
        self.rate = rate
        self.memories = memories
        self.data: Evaluate = _nothing
        self._value: Column | None = None
        self.levels: list[Column | None] | None = None
        self.previous: Column = ()
        self.elapsed: Column = ()

    def watch(self, data: Evaluate) -> None:
        """Begin with another rule, whose data is `data`."""
        self.data = data
        self._value = None
        self.levels = None

    @property
    def value(self) -> Column:
        """The rule's data, computed when first asked for: a condition may have said no before."""
        if self._value is None:
            self._value = self.data(self)
        return self._value


Evaluate = Callable[[Frame], Column]


def _nothing(frame: Frame) -> Column:
    return [None] * frame.height


def _divide(dividend: Any, divisor: Any) -> Any:
    return dividend / divisor


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_FAILURES = (TypeError, ZeroDivisionError, OverflowError)


def compile_node(node: Node, positions: Mapping[str, int]) -> Evaluate:
    """The closure of an expression for tables whose fields stand at `positions`."""
    match node:
        case Number(value):
            return lambda frame: [value] * frame.height
        case Field(name):
            if name not in positions and rated(name) in positions:
                return _rate(rated(name))
            return _field(positions.get(name))
        case Variable(name):
            return operator.attrgetter(name)
        case Rate(field):
            return _rate(field) if field in positions else _field(None)
        case Call(function, arguments):
            return _call(function, [compile_node(argument, positions) for argument in arguments])
        case Arithmetic(symbol, left, right):
            return _pairwise(_ARITHMETIC[symbol], left, right, positions)
        case Comparison(symbol, left, right):
            return _pairwise(_COMPARE[symbol], left, right, positions, check=symbol in ("==", "!="))
        case Membership(item, members, negated):
            return _membership(compile_node(item, positions), members, negated=negated)
        case Logic(symbol, left, right):
            both = compile_node(left, positions), compile_node(right, positions)
            return _and(*both) if symbol == "and" else _or(*both)
        case Not(operand):
            return _not(compile_node(operand, positions))


def _rate(field: str) -> Evaluate:
    return lambda frame: frame.rate(field)


def _field(position: int | None) -> Evaluate:
    if position is None:
        return lambda frame: [None] * frame.height
    return lambda frame: frame.columns[position]


def careful(function: Callable[..., Any], *values: Any) -> Any:
    """`function` of the values; None where one is absent or the result is no number."""
    if None in values:
        return None
    try:
        return function(*values)
    except _FAILURES:
        return None


def _pairwise(
    function: Callable[[Any, Any], Any], left: Node, right: Node, positions: Mapping[str, int], *, check: bool = False
) -> Evaluate:
    """A function of two columns, with loops of their own where a side is a constant.

    `check`: the function does not fail on None by itself (equality), so look for it beforehand.
    """
    first, second = compile_node(left, positions), compile_node(right, positions)
    if isinstance(right, Number):
        return _with_constant(function, first, right.value, check=check)

    def evaluate(frame: Frame) -> Column:
        lefts, rights = first(frame), second(frame)
        if not (check and (None in lefts or None in rights)):
            try:
                return list(map(function, lefts, rights))
            except _FAILURES:
                pass
        return [careful(function, a, b) for a, b in zip(lefts, rights, strict=True)]

    return evaluate


def _with_constant(function: Callable[[Any, Any], Any], first: Evaluate, constant: Any, *, check: bool) -> Evaluate:
    loop = _CONSTANT_LOOPS[function]

    def evaluate(frame: Frame) -> Column:
        column = first(frame)
        if not (check and None in column):
            try:
                return loop(column, constant)
            except _FAILURES:
                pass
        return [careful(function, a, constant) for a in column]

    return evaluate


# An operator written in the loop costs half of a call of its function for each value.
_CONSTANT_LOOPS: dict[Callable[[Any, Any], Any], Callable[[Column, Any], Column]] = {
    operator.add: lambda column, k: [a + k for a in column],
    operator.sub: lambda column, k: [a - k for a in column],
    operator.mul: lambda column, k: [a * k for a in column],
    _divide: lambda column, k: [a / k for a in column],
    operator.lt: lambda column, k: [a < k for a in column],
    operator.le: lambda column, k: [a <= k for a in column],
    operator.gt: lambda column, k: [a > k for a in column],
    operator.ge: lambda column, k: [a >= k for a in column],
    operator.eq: lambda column, k: [a == k for a in column],
    operator.ne: lambda column, k: [a != k for a in column],
}


def _call(function: str, arguments: list[Evaluate]) -> Evaluate:
    if function == "abs":
        only = arguments[0]
        return lambda frame: [None if value is None else abs(value) for value in only(frame)]
    choose = min if function == "min" else max
    return lambda frame: [
        None if None in row else choose(row) for row in zip(*[argument(frame) for argument in arguments], strict=True)
    ]


def _membership(item: Evaluate, members: frozenset[int | float], *, negated: bool) -> Evaluate:
    if negated:
        return lambda frame: [None if value is None else value not in members for value in item(frame)]
    return lambda frame: [None if value is None else value in members for value in item(frame)]


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Column:
        lefts = left(frame)
        if True not in lefts and None not in lefts:
            return lefts
        return [
            False if a is False or b is False else None if a is None or b is None else True
            for a, b in zip(lefts, right(frame), strict=True)
        ]

    return evaluate


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Column:
        lefts, rights = left(frame), right(frame)
        if True not in lefts and None not in lefts:
            return rights
        return [
            True if a or b else None if a is None or b is None else False for a, b in zip(lefts, rights, strict=True)
        ]

    return evaluate


def _not(operand: Evaluate) -> Evaluate:
    return lambda frame: [None if value is None else not value for value in operand(frame)]
