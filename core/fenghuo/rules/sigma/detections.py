"""`detection` and `filter` sections: named selections, and the condition over them → one condition over an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
    SigmaCondition,
)
from sigma.exceptions import SigmaError

from fenghuo.config.words import suggest
from fenghuo.rules.detection import Node
from fenghuo.rules.detection.pattern import compile_pattern, parse_pattern
from fenghuo.rules.detection.tree import Not, TreeError, every, simplify, some
from fenghuo.rules.sigma.documents import CannotApply, Path, Wrong
from fenghuo.rules.sigma.items import first_line, read_item
from fenghuo.rules.sigma.values import ItemReader

MAX_CONDITION = 10_000
_MAX_NESTED = 30
_MAX_WORDS = 2_000
_NO_SELECTIONS = ("condition", "timeframe", "rules")
_OLD_COUNT = (
    "its condition counts with `|`, as Sigma did before it had correlations; a correlation document says the same"
)

Selected = Callable[[], Node]
"""A selection; raises CannotApply where it is one that cannot be run and the condition asks for it."""


def read_detection(section: Mapping[str, Any], path: Path, items: ItemReader) -> tuple[Node, list[Wrong]]:
    """The condition that a section states, and all that is wrong with it (then the condition is not to be used).

    CannotApply where it is right but cannot be run.
    """
    wrong: list[Wrong] = []
    selections: dict[str, Selected] = {}
    for name, definition in section.items():
        if name not in _NO_SELECTIONS:
            selections[name] = _selection(definition, (*path, name), items, wrong)
    conditions = section.get("condition")
    if conditions is None:
        wrong.append(
            Wrong("a condition is missing, which says how the selections belong together", path, _hint(selections))
        )
    nodes: list[Node] = []
    many = isinstance(conditions, list)
    for number, text in enumerate(
        cast("list[Any]", conditions) if many else [] if conditions is None else [conditions]
    ):
        where = (*path, "condition", str(number)) if many else (*path, "condition")
        try:
            nodes.append(_Condition(selections, where).node(text))
        except Wrong as error:
            wrong.append(error)
    if many and not conditions:
        wrong.append(Wrong("an empty list", (*path, "condition")))
    if wrong:
        return every(()), wrong
    try:
        return simplify(some(nodes)), []
    except TreeError as error:
        return every(()), [Wrong(str(error), path)]


def _hint(selections: Mapping[str, Selected]) -> str:
    return f"e.g. condition: {next(iter(selections))}" if selections else ""


def _selection(definition: Any, path: Path, items: ItemReader, wrong: list[Wrong]) -> Selected:
    try:
        node = _defined(definition, path, items, wrong)
    except CannotApply as error:
        reason = error

        def refuse() -> Node:
            raise reason

        return refuse
    return lambda: node


def _defined(definition: Any, path: Path, items: ItemReader, wrong: list[Wrong]) -> Node:
    """A mapping: all of it. A list of texts: one of them, anywhere. A list of mappings: one of them."""
    if isinstance(definition, Mapping):
        mapping = cast("Mapping[str, Any]", definition)
        if not mapping:
            wrong.append(Wrong("an empty selection", path))
        return every(_item(key, value, (*path, key), items, wrong) for key, value in mapping.items())
    if isinstance(definition, list):
        entries = cast("list[Any]", definition)
        if not entries:
            wrong.append(Wrong("an empty selection", path))
        if not any(isinstance(entry, Mapping | list) for entry in entries):
            return _item(None, entries, path, items, wrong)
        return some(_defined(entry, (*path, str(number)), items, wrong) for number, entry in enumerate(entries))
    return _item(None, definition, path, items, wrong)


def _item(key: str | None, value: Any, path: Path, items: ItemReader, wrong: list[Wrong]) -> Node:
    try:
        return items.read(read_item(key, value, items.placeholders))
    except Wrong as error:
        wrong.append(Wrong(str(error), path, error.hint))
    return every(())


class _Condition:
    """One condition over selections."""

    def __init__(self, selections: Mapping[str, Selected], path: Path) -> None:
        self._selections = selections
        self._path = path

    def node(self, text: Any) -> Node:
        """Wrong where it cannot be read."""
        if not isinstance(text, str):
            raise self._wrong("expected a condition over the selections, e.g. `selection and not filter`")
        if "|" in text:
            raise CannotApply(_OLD_COUNT)
        self._check_size(text)
        try:
            parsed = SigmaCondition(text, cast("Any", None)).parse(postprocess=False)
        except (SigmaError, RecursionError) as error:
            raise self._wrong(f"not a condition: {first_line(error)}") from None
        return self._build(cast("ConditionItem", parsed))

    def _check_size(self, text: str) -> None:
        if len(text) > MAX_CONDITION:
            raise self._wrong(f"a condition of {len(text)} characters; at most {MAX_CONDITION}")
        depth = deepest = 0
        for char in text:
            depth += (char == "(") - (char == ")")
            deepest = max(deepest, depth)
        # A run of `not` nests as well.
        nots = max((len(run.split()) for run in re.findall(r"(?:\bnot\s+)+", text)), default=0)
        if deepest + nots > _MAX_NESTED:
            raise self._wrong(f"a condition nested more than {_MAX_NESTED} deep")
        if len(text.split()) > _MAX_WORDS:
            raise self._wrong(f"a condition of more than {_MAX_WORDS} words")

    def _build(self, item: Any) -> Node:

        if isinstance(item, ConditionIdentifier):
            return self._named(item.identifier)
        if isinstance(item, ConditionSelector):
            names = self._chosen(item.pattern)
            if not names:
                raise self._wrong(
                    f"`{item.args[0]} of {item.pattern[:60]}`: no selection has such a name", _hint(self._selections)
                )
            parts = [self._selections[name]() for name in names]
            return every(parts) if item.cond_class is ConditionAND else some(parts)
        if isinstance(item, ConditionNOT):
            return Not(self._build(item.args[0]))
        if isinstance(item, ConditionAND | ConditionOR):
            parts = [self._build(part) for part in item.args]
            return every(parts) if isinstance(item, ConditionAND) else some(parts)
        raise self._wrong("not a condition")

    def _named(self, name: str) -> Node:
        if name not in self._selections:
            raise self._wrong(f"no selection is named {name[:60]!r}", suggest(name, self._selections))
        return self._selections[name]()

    def _chosen(self, pattern: str) -> list[str]:
        """`them`: all but those that begin with an underscore, which a pattern must name itself."""
        matches = compile_pattern(parse_pattern("*" if pattern == "them" else pattern))
        hidden = pattern.startswith("_")
        return [name for name in self._selections if matches(name) and (hidden or not name.startswith("_"))]

    def _wrong(self, message: str, hint: str = "") -> Wrong:
        return Wrong(message, self._path, hint)
