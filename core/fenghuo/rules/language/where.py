"""Which readings a rule is about: exact values, lists and wildcards on labels, with the modifiers of `where` on events.

Labels name things, and are case-sensitive with every modifier (`|re|i` is the exception that says so); the fields of
events are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fenghuo.model import Layout

if TYPE_CHECKING:
    from fenghuo.rules.detection import View
    from fenghuo.rules.detection.where import ListsLike

Match = Callable[[str], bool]


def matcher(patterns: Sequence[str]) -> Match:
    """Whether a label's value is one of these; `*` and `?` stand for any characters and any one character,
    unless a backslash stands before them. Linear in the value, however many wildcards there are.
    """
    exact = frozenset(pattern for pattern in patterns if not _is_wild(pattern))
    wild = [pattern for pattern in patterns if _is_wild(pattern)]
    if not wild:
        return exact.__contains__
    from fenghuo.rules.detection.pattern import compile_pattern, parse_pattern  # noqa: PLC0415 — needed for these alone

    matches = [compile_pattern(parse_pattern(pattern)) for pattern in wild]
    return lambda text: text in exact or any(one(text) for one in matches)


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


class Where:
    """A compiled `where`: each key holds of the reading's labels.

    Without a modifier a label that is missing reads as an empty text; with one (`room|startswith: B`) it meets nothing,
    but `|neq` and `|exists: false`. ValueError (`fenghuo.rules.detection.WhereError`) for a modifier that is none.
    """

    def __init__(self, patterns: Mapping[str, Sequence[str]], *, lists: ListsLike | None = None) -> None:
        self.labels = tuple(dict.fromkeys(key.partition("|")[0] for key in patterns))
        self._matchers = {key: matcher(values) for key, values in patterns.items() if "|" not in key}
        modified = {key: list(values) for key, values in patterns.items() if "|" in key}
        self._modified = _compile(modified, lists) if modified else None

    def meets(self, labels: Mapping[str, str]) -> bool:
        """Whether one reading's labels meet it."""
        return all(matches(labels.get(label, "")) for label, matches in self._matchers.items()) and (
            self._modified is None or self._modified(labels)
        )

    def rows(self, layout: Layout) -> list[int]:
        """The rows of a layout that meet it."""
        rows = list(range(layout.height))
        for label, matches in self._matchers.items():
            values = layout.row_labels.get(label)
            if values is not None:
                # A row that lacks the label of its own has the shared one, as `Layout.rows` has it.
                shared = layout.labels.get(label, "")
                rows = [row for row in rows if matches(values[row] or shared)]
            elif not matches(layout.labels.get(label, "")):
                return []
        meets = self._modified
        return rows if meets is None else [row for row in rows if meets(_labels(layout, row))]


def _labels(layout: Layout, row: int) -> dict[str, str]:
    """One row's labels; `Layout.rows` would make and keep those of all."""
    own = {label: values[row] for label, values in layout.row_labels.items() if values[row]}
    return {**layout.labels, **own}


def _compile(patterns: Mapping[str, Any], lists: ListsLike | None) -> Callable[[Mapping[str, str]], bool]:
    # Most rules have no modifiers on labels, and an agent with such rules alone does not load the rest.
    from fenghuo.rules.detection import View, compile_detection, read_where  # noqa: PLC0415 — see above

    meets: Callable[[View], bool] = compile_detection(read_where(patterns, lists=lists, cased=True))
    return lambda labels: meets(View(labels))


def rows_for(where: Where, exceptions: Sequence[Where], layout: Layout) -> list[int]:
    """The rows that meet `where` and none of the exceptions."""
    rows = where.rows(layout)
    for exception in exceptions:
        excluded = set(exception.rows(layout))
        rows = [row for row in rows if row not in excluded]
    return rows
