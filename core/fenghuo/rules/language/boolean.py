"""The language of conditions over names: which rules fire, which steps were seen.

    truth := and ("or" and)*       and := not ("and" not)*       not := "not" not | atom
    atom  := name | (number | "all" | "any") "of" "(" truth ("," truth)* ")" | "(" truth ")"

A name may hold dots and hyphens (`network.link-flap`). A condition becomes an expression (`fenghuo.rules.language.expression`) over
the number that is known of each name: it is true from one up. So `2 of (a, b, c)` is a sum, and nothing new computes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from fenghuo.config.words import allow
from fenghuo.rules.language.expression import (
    MAX_DEPTH,
    Arithmetic,
    Call,
    Comparison,
    ExpressionError,
    Field,
    Logic,
    Node,
    Not,
    Number,
    fields_of,
)
from fenghuo.rules.language.scalar import compile_scalar
from fenghuo.rules.language.tokens import MAX_LENGTH

MAX_MEMBERS = 32
_TOKEN = re.compile(r"\s*(?:([A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*)|([(),]))")
_NO_ATOMS = frozenset({"and", "or", "not", "of", ",", ")"})


def parse_boolean(text: str, names: Iterable[str] | None = None) -> Node:
    """The condition of a text; `ExpressionError` for anything else, or for a name that is not among `names`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(0, f"a condition of {len(text)} characters; at most {MAX_LENGTH}")
    return _Parser(text, None if names is None else frozenset(names)).parse()


def all_of(names: Iterable[str]) -> Node:
    """True where each of these names is."""
    node: Node | None = None
    for name in names:
        node = seen(name) if node is None else Logic("and", node, seen(name))
    assert node is not None
    return node


def seen(name: str) -> Node:
    """True where one or more is known of a name."""
    return Comparison(">=", Field(name), Number(1))


def names_of(node: Node) -> tuple[str, ...]:
    """The names that a condition speaks of, in order of appearance."""
    return fields_of(node)


def holds(node: Node, counts: Mapping[str, int]) -> bool:
    """Whether a condition is true of these numbers; a name that is not there counts as none."""
    return compile_scalar(node)({**dict.fromkeys(names_of(node), 0), **counts}) is True


class _Parser:
    def __init__(self, text: str, names: frozenset[str] | None) -> None:
        self._text = text
        self._names = names
        self._tokens = _tokens(text)
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._truth()
        if self._position < len(self._tokens):
            self._fail(f"expected 'and', 'or' or the end, not {self._next!r}")
        return node

    @property
    def _next(self) -> str:
        return self._tokens[self._position][1] if self._position < len(self._tokens) else ""

    @property
    def _offset(self) -> int:
        return self._tokens[self._position][0] if self._position < len(self._tokens) else len(self._text)

    def _take(self, token: str) -> bool:
        if self._next != token:
            return False
        self._position += 1
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            self._fail(f"expected {token!r}" + (f", not {self._next!r}" if self._next else ""))

    def _fail(self, message: str, hint: str = "") -> NoReturn:
        raise ExpressionError(self._offset, message, hint)

    def _truth(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"nested more than {MAX_DEPTH} deep")
        node = self._and()
        while self._take("or"):
            node = Logic("or", node, self._and())
        self._depth -= 1
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._take("and"):
            node = Logic("and", node, self._not())
        return node

    def _not(self) -> Node:
        negations = 0
        while self._take("not"):
            negations += 1
        node = self._atom()
        return Not(node) if negations % 2 else node

    def _atom(self) -> Node:
        if self._take("("):
            node = self._truth()
            self._need(")")
            return node
        word = self._next
        if not word or word in _NO_ATOMS:
            self._fail("expected a name or '('" + (f", not {word!r}" if word else ""))
        following = self._tokens[self._position + 1][1] if self._position + 1 < len(self._tokens) else ""
        if following == "of":
            return self._of(word)
        if self._names is not None and word not in self._names:
            self._fail(f"{word[:60]!r} is none of the names", allow(word, self._names))
        self._position += 1
        return seen(word)

    def _of(self, number: str) -> Node:
        """So many of a list."""
        if number not in ("all", "any") and not re.fullmatch(r"[1-9][0-9]?", number):
            self._fail(
                f"how many of them? {number[:60]!r} is no number", "write e.g. `2 of (a, b, c)`, or `all of`, `any of`"
            )
        start = self._position
        self._position += 2
        self._need("(")
        members = [self._truth()]
        while self._take(","):
            members.append(self._truth())
            if len(members) > MAX_MEMBERS:
                self._fail(f"more than {MAX_MEMBERS} in one list")
        self._need(")")
        wanted = {"all": len(members), "any": 1}.get(number) or int(number)
        if wanted > len(members):
            self._position = start
            self._fail(f"{wanted} of {len(members)} can never be")
        return _at_least(wanted, members)


def _at_least(wanted: int, members: list[Node]) -> Node:
    if wanted in (1, len(members)):
        node = members[0]
        for member in members[1:]:
            node = Logic("or" if wanted == 1 else "and", node, member)
        return node
    total: Node = _one(members[0])
    for member in members[1:]:
        total = Arithmetic("+", total, _one(member))
    return Comparison(">=", total, Number(wanted))


def _one(member: Node) -> Node:
    """1 where a name is known, 0 where it is not."""
    match member:
        case Comparison(">=", Field() as field, Number(1)):
            return Call("min", (field, Number(1)))
        case _:
            raise ExpressionError(0, "a number of them is counted over names only, not over conditions")


def _tokens(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            raise ExpressionError(len(text) - len(rest), f"unexpected {rest[0]!r}", "names, and, or, not, N of (…)")
        found.append((match.start(match.lastindex or 0), match[match.lastindex or 0]))
        position = match.end()
    return found
