"""Expressions as closures over single values: the conditions of rules that observe one thing at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

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

Scalar = Callable[[Mapping[str, Any]], Any]
"""Values by name (`value` among them) → a number or a truth; None where absent."""


def _divide(dividend: Any, divisor: Any) -> Any:
    return dividend / divisor


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_FAILURES = (TypeError, ZeroDivisionError, OverflowError)


def compile_scalar(node: Node) -> Scalar:
    """The closure of an expression. What is absent makes absent what is computed from it; Kleene's logic in conditions."""
    match node:
        case Number(value):
            return lambda _: value
        case Field(name) | Variable(name):
            return lambda values: values.get(name)
        case Rate(field):
            return lambda values: values.get(f"{field}_rate")
        case Call(function, arguments):
            return _call(function, [compile_scalar(argument) for argument in arguments])
        case Arithmetic(symbol, left, right) | Comparison(symbol, left, right):
            return _binary(_OPERATORS[symbol], compile_scalar(left), compile_scalar(right))
        case Membership(item, members, negated):
            return _membership(compile_scalar(item), members, negated=negated)
        case Logic(symbol, left, right):
            return _logic(compile_scalar(left), compile_scalar(right), decides=symbol == "or")
        case Not(operand):
            return _not(compile_scalar(operand))


def _binary(function: Callable[[Any, Any], Any], left: Scalar, right: Scalar) -> Scalar:
    def evaluate(values: Mapping[str, Any]) -> Any:
        a, b = left(values), right(values)
        if a is None or b is None:
            return None
        try:
            return function(a, b)
        except _FAILURES:
            return None

    return evaluate


def _call(function: str, arguments: list[Scalar]) -> Scalar:
    if function == "abs":
        return _absolute(arguments[0])
    choose = min if function == "min" else max

    def evaluate(values: Mapping[str, Any]) -> Any:
        row = [argument(values) for argument in arguments]
        return None if None in row else choose(row)

    return evaluate


def _absolute(argument: Scalar) -> Scalar:
    def evaluate(values: Mapping[str, Any]) -> Any:
        value = argument(values)
        return None if value is None else abs(value)

    return evaluate


def _membership(item: Scalar, members: frozenset[int | float], *, negated: bool) -> Scalar:
    def evaluate(values: Mapping[str, Any]) -> Any:
        value = item(values)
        return None if value is None else (value in members) is not negated

    return evaluate


def _logic(left: Scalar, right: Scalar, *, decides: bool) -> Scalar:
    """`or` is decided by one True, `and` by one False."""

    def evaluate(values: Mapping[str, Any]) -> Any:
        a = left(values)
        if a is decides:
            return decides
        b = right(values)
        if b is decides:
            return decides
        return None if a is None or b is None else not decides

    return evaluate


def _not(operand: Scalar) -> Scalar:
    def evaluate(values: Mapping[str, Any]) -> Any:
        value = operand(values)
        return None if value is None else not value

    return evaluate
