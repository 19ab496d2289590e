"""Which readings a rule is about: exact values, lists and wildcards on labels."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence

from fenghuo.model import Layout

Match = Callable[[str], bool]


def matcher(patterns: Sequence[str]) -> Match:
    """Whether a label's value is one of these; `*` and `?` stand for any characters and any one character."""
    exact = frozenset(pattern for pattern in patterns if not _is_wild(pattern))
    wild = [pattern for pattern in patterns if _is_wild(pattern)]
    if not wild:
        return exact.__contains__
    # fnmatch writes atomic groups, so that many wildcards in a pattern cost no more than one.
    literal = [re.sub(r"\[", "[[]", pattern) for pattern in wild]
    expression = re.compile("|".join(fnmatch.translate(pattern) for pattern in literal))
    return lambda text: text in exact or expression.match(text) is not None


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


class Where:
    """A compiled `where`: each label meets one of its patterns; a label that is missing reads as an empty text."""

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        self.labels = tuple(patterns)
        self._matchers = {label: matcher(values) for label, values in patterns.items()}

    def meets(self, labels: Mapping[str, str]) -> bool:
        """Whether one reading's labels meet it."""
        return all(matches(labels.get(label, "")) for label, matches in self._matchers.items())

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
        return rows


def rows_for(where: Where, exceptions: Sequence[Where], layout: Layout) -> list[int]:
    """The rows that meet `where` and none of the exceptions."""
    rows = where.rows(layout)
    for exception in exceptions:
        excluded = set(exception.rows(layout))
        rows = [row for row in rows if row not in excluded]
    return rows
