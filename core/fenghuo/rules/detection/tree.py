"""The condition of a rule as a tree: all of, one of, not, and tests of fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fenghuo.rules.detection.checks import Check

MAX_DEPTH = 40
MAX_NODES = 20_000


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold; true where there is none."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them holds; false where there is none."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class Test:
    """A field's value, or one of them, meets the check; `field` None: any value of the event."""

    __test__ = False  # pytest would take it for tests

    field: str | None
    check: Check


Node = Every | Some | Not | Test
TRUE = Every(())
FALSE = Some(())


class TreeError(ValueError):
    """A condition that is too deep or too large."""


def simplify(node: Node) -> Node:
    """The same condition, flat and without constants; TreeError where it exceeds the bounds."""
    _check_bounds(node)
    return _simplify(node)


def _simplify(node: Node) -> Node:
    if isinstance(node, Test):
        return node
    if isinstance(node, Not):
        part = _simplify(node.part)
        if isinstance(part, Not):
            return part.part
        if part == TRUE:
            return FALSE
        return TRUE if part == FALSE else Not(part)
    kind = type(node)
    decided = FALSE if kind is Every else TRUE
    parts: dict[Node, None] = {}
    for part in map(_simplify, node.parts):
        if part == decided:
            return decided
        parts.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    return next(iter(parts)) if len(parts) == 1 else kind(tuple(parts))


def _check_bounds(node: Node) -> None:
    level: list[Node] = [node]
    count = 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if not level:
            return
        if count > MAX_NODES:
            raise TreeError(f"a condition of more than {MAX_NODES} parts")
        level = [part for one in level for part in parts_of(one)]
    if level:
        raise TreeError(f"a condition nested more than {MAX_DEPTH} deep")


def parts_of(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Test):
        return ()
    return (node.part,) if isinstance(node, Not) else node.parts


def tests_of(node: Node) -> Iterator[Test]:
    """Every test of a tree, in reading order."""
    if isinstance(node, Test):
        yield node
    for part in parts_of(node):
        yield from tests_of(part)


def every(parts: Iterable[Node]) -> Node:
    """All of these, as simply as can be said."""
    found = tuple(parts)
    return found[0] if len(found) == 1 else Every(found)


def some(parts: Iterable[Node]) -> Node:
    """One of these, as simply as can be said."""
    found = tuple(parts)
    return found[0] if len(found) == 1 else Some(found)
