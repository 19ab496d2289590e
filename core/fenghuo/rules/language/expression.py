"""The language of conditions and data: parsed by hand into a small typed tree, never evaluated as Python.

    truth    := and ("or" and)*          and := not ("and" not)*        not := "not" not | relation
    relation := sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum | ["not"] "in" "(" number ("," number)* ")"]
    sum      := product (("+" | "-") product)*      product := unary (("*" | "/") unary)*      unary := "-" unary | atom
    atom     := number [unit] | name | function "(" sum ("," sum)* ")" | "(" truth ")"

Units are those of durations (`5m` is 300), sizes (`64MiB` is 67108864) and `%` (`90%` is 0.9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from fenghuo.rules.language.tokens import ExpressionError, Token, tokens_of

MAX_DEPTH = 30

VARIABLES = ("value", "previous", "elapsed")
KEYWORDS = ("and", "or", "not", "in")
FUNCTIONS: Mapping[str, tuple[int, int]] = {"rate": (1, 1), "abs": (1, 1), "min": (2, 8), "max": (2, 8)}
"""Function → the fewest and the most arguments it takes."""


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the reading, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """`value` (the rule's data), `previous` (the data before), `elapsed` (seconds since then)."""

    name: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The change of a field per second; of a counter with its wrap and resets known."""

    field: str


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Membership:
    item: Node
    members: frozenset[int | float]
    negated: bool


@dataclass(frozen=True, slots=True)
class Logic:
    """`operator` is `and` or `or`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


Node = Number | Field | Variable | Rate | Call | Arithmetic | Comparison | Membership | Logic | Not


def is_truth(node: Node) -> bool:
    """Whether an expression is a condition; otherwise it is a number."""
    return isinstance(node, Comparison | Membership | Logic | Not)


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Call(_, arguments):
            return arguments
        case Arithmetic(_, left, right) | Comparison(_, left, right) | Logic(_, left, right):
            return (left, right)
        case Membership(item, _, _):
            return (item,)
        case Not(operand):
            return (operand,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def fields_of(node: Node) -> tuple[str, ...]:
    """The fields that an expression reads, in order of appearance."""
    found = [
        part.name if isinstance(part, Field) else part.field for part in walk(node) if isinstance(part, Field | Rate)
    ]
    return tuple(dict.fromkeys(found))


RATE = "_rate"


def rated(name: str) -> str:
    """`x` of `x_rate`, which is the rate of `x` where a reading has no value of this very name; else an empty text."""
    return name.removesuffix(RATE) if name.endswith(RATE) else ""


def rated_fields(node: Node) -> tuple[str, ...]:
    """The fields of which an expression takes the rate, or may take it (`x_rate`)."""
    found = [
        part.field if isinstance(part, Rate) else rated(part.name)
        for part in walk(node)
        if isinstance(part, Field | Rate)
    ]
    return tuple(dict.fromkeys(name for name in found if name))


def variables_of(node: Node) -> set[str]:
    return {part.name for part in walk(node) if isinstance(part, Variable)}


def with_rates(node: Node) -> Node:
    """The same expression over the rates of its fields."""
    match node:
        case Field(name):
            return Rate(name)
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, with_rates(left), with_rates(right))
        case Call(function, arguments):
            return Call(function, tuple(with_rates(argument) for argument in arguments))
        case _:
            return node


def parse(text: str, variables: frozenset[str] = frozenset()) -> Node:
    """The tree of an expression. `variables` are those of `VARIABLES` that mean something here.

    Raises `ExpressionError` with the place of the first mistake.
    """
    return _Parser(tokens_of(text), variables).whole()


def parse_number(text: str, variables: frozenset[str] = frozenset()) -> Node:
    """The tree of an expression that must be a number."""
    node = parse(text, variables)
    if is_truth(node):
        raise ExpressionError(0, "a number is wanted here, this is a condition", "e.g. ifInErrors")
    return node


def parse_condition(text: str, variables: frozenset[str] = frozenset({"value"})) -> Node:
    """The tree of an expression that must be a condition."""
    node = parse(text, variables)
    if not is_truth(node):
        raise ExpressionError(0, "a condition is wanted here, this is a number", "e.g. value > 32")
    return node


class _Parser:
    """Recursive descent, one token ahead, bounded depth."""

    def __init__(self, tokens: list[Token], variables: frozenset[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._variables = variables

    def whole(self) -> Node:
        if self._token.kind == "end":
            raise ExpressionError(0, "an empty expression")
        node = self._or()
        if self._token.kind != "end":
            self._unexpected("an operator or the end")
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> Token | None:
        token = self._token
        if token.kind in ("name", "symbol") and token.text in texts:
            self._next += 1
            return token
        return None

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._token
        what = "the expression ends here" if token.kind == "end" else f"unexpected {token.text!r}"
        raise ExpressionError(token.offset, what, f"expected {wanted}")

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(self._token.offset, "too many nested parentheses", f"at most {MAX_DEPTH}")
        node = self._and()
        while token := self._take("or"):
            node = self._logic(token, node, self._and())
        self._depth -= 1
        return node

    def _and(self) -> Node:
        node = self._not()
        while token := self._take("and"):
            node = self._logic(token, node, self._not())
        return node

    def _logic(self, token: Token, left: Node, right: Node) -> Node:
        if not (is_truth(left) and is_truth(right)):
            raise ExpressionError(token.offset, f"{token.text!r} joins conditions; one side is a number")
        return Logic(token.text, left, right)

    def _not(self) -> Node:
        first = self._token
        inversions = 0
        while self._take("not"):
            inversions += 1
        node = self._relation()
        if inversions and not is_truth(node):
            raise ExpressionError(first.offset, "'not' turns a condition round; this is a number")
        return Not(node) if inversions % 2 else node

    def _relation(self) -> Node:
        left = self._sum()
        if token := self._take("<", "<=", ">", ">=", "==", "!="):
            node = Comparison(token.text, self._numeric(left, token), self._numeric(self._sum(), token))
            if chained := self._take("<", "<=", ">", ">=", "==", "!="):
                raise ExpressionError(chained.offset, "comparisons do not chain", "join two with 'and'")
            return node
        negated = self._token.text == "not" and self._tokens[self._next + 1].text == "in"
        if negated:
            self._next += 1
        if token := self._take("in"):
            return Membership(self._numeric(left, token), self._members(), negated)
        return left

    def _members(self) -> frozenset[int | float]:
        if not self._take("("):
            self._unexpected("(")
        members = [self._literal()]
        while self._take(","):
            members.append(self._literal())
        if not self._take(")"):
            self._unexpected(", or )")
        return frozenset(members)

    def _literal(self) -> int | float:
        sign = -1 if self._take("-") else 1
        token = self._token
        if token.kind != "number":
            self._unexpected("a number")
        self._next += 1
        return sign * token.value

    def _numeric(self, node: Node, token: Token) -> Node:
        if is_truth(node):
            raise ExpressionError(token.offset, f"{token.text!r} takes numbers; one side is a condition")
        return node

    def _sum(self) -> Node:
        node = self._product()
        while token := self._take("+", "-"):
            node = Arithmetic(token.text, self._numeric(node, token), self._numeric(self._product(), token))
        return node

    def _product(self) -> Node:
        node = self._unary()
        while token := self._take("*", "/"):
            node = Arithmetic(token.text, self._numeric(node, token), self._numeric(self._unary(), token))
        return node

    def _unary(self) -> Node:
        first = self._token
        negative = False
        while self._take("-"):
            negative = not negative
        node = self._atom()
        if first.text == "-":
            self._numeric(node, first)
        if not negative:
            return node
        return Number(-node.value) if isinstance(node, Number) else Arithmetic("-", Number(0), node)

    def _atom(self) -> Node:
        token = self._token
        if token.kind == "number":
            self._next += 1
            return Number(token.value)
        if self._take("("):
            node = self._or()
            if not self._take(")"):
                self._unexpected(")")
            return node
        if token.kind != "name" or token.text in KEYWORDS:
            self._unexpected("a number, a name or (")
        self._next += 1
        if self._token.text == "(":
            return self._call(token)
        return self._name(token)

    def _name(self, token: Token) -> Node:
        if token.text in self._variables:
            return Variable(token.text)
        if token.text in VARIABLES:
            raise ExpressionError(token.offset, f"{token.text!r} means nothing here")
        if token.text in FUNCTIONS:
            raise ExpressionError(token.offset, f"{token.text!r} is a function", f"write {token.text}(…)")
        return Field(token.text)

    def _call(self, token: Token) -> Node:
        bounds = FUNCTIONS.get(token.text)
        if bounds is None:
            from difflib import get_close_matches  # noqa: PLC0415 — needed for mistakes alone

            close = get_close_matches(token.text, FUNCTIONS, 1)
            hint = f"did you mean {close[0]}?" if close else "known are " + ", ".join(FUNCTIONS)
            raise ExpressionError(token.offset, f"unknown function {token.text!r}", hint)
        self._take("(")
        arguments = [self._or()]
        while self._take(","):
            arguments.append(self._or())
        if not self._take(")"):
            self._unexpected(", or )")
        fewest, most = bounds
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise ExpressionError(token.offset, f"{token.text} takes {wanted} arguments, not {len(arguments)}")
        for argument in arguments:
            self._numeric(argument, token)
        if token.text != "rate":
            return Call(token.text, tuple(arguments))
        if not isinstance(arguments[0], Field):
            raise ExpressionError(token.offset, "rate() takes the name of one field", "e.g. rate(ifInErrors)")
        return Rate(arguments[0].name)
