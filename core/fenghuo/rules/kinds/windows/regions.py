"""Where the answer of conditions over a count changes: so that a cell is woken only then, and keeps only what it needs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from fenghuo.rules.language.expression import Comparison, Membership, Node, Number, Variable, children
from fenghuo.rules.language.scalar import compile_scalar

_TURNED = str.maketrans("<>", "><")


@dataclass(frozen=True)
class Regions:
    """The counts 0, 1, 2, … in stretches over which neither condition nor clear condition nor level changes.

    `starts`   the first count of each stretch but the first, which begins at 0; 1 is always among them
    `on`       whether the condition is true there
    `quiet`    whether nothing is to be said there: the condition is not true, and the clear condition is
    `sure`     whether the condition is true there and would be for any larger count too
    """

    starts: tuple[int, ...]
    on: tuple[bool, ...]
    quiet: tuple[bool, ...]
    sure: tuple[bool, ...]

    @property
    def highest(self) -> int:
        """Larger counts than this are all answered alike."""
        return self.starts[-1]

    def of(self, count: int) -> int:
        """The number of the stretch that a count lies in."""
        return bisect_right(self.starts, count)


def regions_of(condition: Node, clear: Node | None, others: Iterable[Node], most: int) -> Regions:
    """The stretches of a condition over `value`, its clear condition and those of the levels, for counts up to `most`."""
    nodes = [condition, *([] if clear is None else [clear]), *others]
    truths = [compile_scalar(node) for node in nodes]
    found: set[int] = {1}
    if [node for node in nodes if not _collect(node, found)]:
        # Too clever to be taken apart, so it is tried out.
        answers = [[truth({"value": count}) for truth in truths] for count in range(most + 1)]
        found |= {count for count in range(1, most + 1) if answers[count] != answers[count - 1]}
    starts = tuple(sorted(start for start in found if start > 0))
    firsts = (0, *starts)
    on = tuple(truths[0]({"value": count}) is True for count in firsts)
    over = tuple(clear is None or truths[1]({"value": count}) is True for count in firsts)
    quiet = tuple(is_over and not is_on for is_on, is_over in zip(on, over, strict=True))
    sure = tuple(all(on[number:]) for number in range(len(on)))
    return Regions(starts, on, quiet, sure)


def _collect(node: Node, found: set[int]) -> bool:
    """Add the counts at which a condition may change; False where they cannot be told."""
    match node:
        case Comparison(operator, Variable(), Number(limit)):
            found |= _steps(operator, limit)
            return True
        case Comparison(operator, Number(limit), Variable()):
            found |= _steps(operator.translate(_TURNED), limit)
            return True
        case Membership(Variable(), members, _):
            found |= {step for member in members for step in _steps("==", member)}
            return True
        case Comparison() | Membership():
            return False
        case _:
            return not [child for child in children(node) if not _collect(child, found)]


def _steps(operator: str, limit: float) -> set[int]:
    """The counts at which a comparison with a number changes."""
    if not math.isfinite(limit):
        return set()
    at, beyond = math.ceil(limit), math.floor(limit) + 1
    return {at} if operator in (">=", "<") else {beyond} if operator in (">", "<=") else {at, beyond}
