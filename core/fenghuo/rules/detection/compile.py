"""A condition becomes closures. They see one event through its view and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from fenghuo.rules.detection.checks import (
    Affix,
    Ask,
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
    Scalar,
    Textual,
    TimePart,
)
from fenghuo.rules.detection.pattern import text_of
from fenghuo.rules.detection.tree import FALSE, TRUE, Every, Node, Not, Test, parts_of, simplify
from fenghuo.rules.detection.view import View

Detection = Callable[[View], bool]


def compile_detection(node: Node) -> Detection:
    """Whether an event meets the condition. ValueError where it is too deep or holds what cannot be run."""
    return compile_node(simplify(node), compile_test)


def compile_node(node: Node, of_test: Callable[[Test], Detection]) -> Detection:
    """Closures for a simple tree; `of_test` makes those of its tests."""
    if isinstance(node, Test):
        return of_test(node)
    if isinstance(node, Not):
        part = compile_node(node.part, of_test)
        return lambda view: not part(view)
    if node in (TRUE, FALSE):
        constant = node == TRUE
        return lambda _: constant
    parts = [compile_node(part, of_test) for part in sorted(node.parts, key=cost_of)]
    return _all_of(parts) if isinstance(node, Every) else _any_of(parts)


_COSTS: Mapping[type, int] = {
    Equals: 1,
    Compare: 1,
    Exists: 1,
    Null: 1,
    Affix: 2,
    Glob: 3,
    FieldRef: 3,
    Cidr: 4,
    Listed: 5,
    TimePart: 5,
    Regex: 6,
}
_ANYWHERE = 50


def cost_of(node: Node) -> int:
    """About what a test costs beside others; the cheap ones, which mostly decide, come first."""
    if isinstance(node, Test):
        return _COSTS[type(node.check)] if node.field is not None else _ANYWHERE
    return sum(cost_of(part) for part in parts_of(node))


def _all_of(parts: list[Detection]) -> Detection:
    if len(parts) == 2:
        first, second = parts
        return lambda view: first(view) and second(view)

    def meets(view: View) -> bool:
        for part in parts:  # noqa: SIM110 — `all` with a generator costs twice as much
            if not part(view):
                return False
        return True

    return meets


def _any_of(parts: list[Detection]) -> Detection:
    if len(parts) == 2:
        first, second = parts
        return lambda view: first(view) or second(view)

    def meets(view: View) -> bool:
        for part in parts:  # noqa: SIM110 — `any` with a generator costs twice as much
            if part(view):
                return True
        return False

    return meets


def compile_test(test: Test) -> Detection:
    """Whether an event's value, or one of its values, meets the check."""
    field, check = test.field, test.check
    if field is None:
        return _any_value(check)
    if isinstance(check, Exists):
        wanted = check.wanted
        return lambda view: view.exists(field) is wanted
    if isinstance(check, Null):
        return lambda view: view.get(field) is None
    if isinstance(check, FieldRef):
        return _reference(field, check)
    if isinstance(check, Equals | Affix | Glob):
        return _of_text(field, check)
    ask = check.bind()

    def meets(view: View) -> bool:
        value = view.get(field)
        if value is None:
            return False
        return any(ask(one) for one in as_list(value)) if value.__class__ is list else ask(value)

    return meets


def _of_text(field: str, check: Textual) -> Detection:
    """The same for the texts of values, which most tests are about: each call that is spared counts."""
    on_text, ask = check.on_text(), bind(check)

    def meets_as_is(view: View) -> bool:
        value = view.get(field)
        if value.__class__ is str:
            return on_text(cast("str", value))
        return value is not None and any(ask(one) for one in as_list(value))

    def meets(view: View) -> bool:
        value = view.get(field)
        if value.__class__ is str:
            return on_text(cast("str", value).lower())
        return value is not None and any(ask(one) for one in as_list(value))

    return meets_as_is if check.cased else meets


def bind(check: Textual | Scalar) -> Ask:
    """The function that asks a check of one scalar value."""
    if not isinstance(check, Equals | Affix | Glob):
        return check.bind()
    on_text = check.on_text()
    if check.cased:
        return lambda value: on_text(text_of(value))
    return lambda value: on_text(text_of(value).lower())


def as_list(value: Any) -> list[Any]:
    """What `View.get` gave, as a list: absent ones are empty."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _any_value(check: Check) -> Detection:
    if isinstance(check, Exists | Null | FieldRef):
        raise ValueError("only values are sought in the whole event, no absent or other fields")  # noqa: TRY004
    ask = bind(check)
    return lambda view: any(ask(value) for value in view.values())


def _reference(field: str, check: FieldRef) -> Detection:
    other_field, compare = check.other, check.compare

    return lambda view: compare(as_list(view.get(field)), as_list(view.get(other_field)))
