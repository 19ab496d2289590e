"""Where the answer of conditions over a count changes: so that a cell is woken only then, and keeps only what it needs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fenghuo.rules.expression import Comparison, Membership, Node, Number, Variable, children
from fenghuo.rules.scalar import compile_scalar


@dataclass(frozen=True)
class Regions:
    """The counts 0, 1, 2, … in stretches over which neither condition nor clear condition nor level changes.

    `starts`   the first count of each stretch but the first, which begins at 0; 1 is always among them
    `on`       whether the condition is true there
    `quiet`    whether nothing is to be said there: the condition is not true, and the clear condition is
    `sure`     whether the condition is true there and would be for any larger count too
    `is_exact` False: an expression is too clever to be taken apart, and any change of the count may matter
    """

    starts: tuple[int, ...]
    on: tuple[bool, ...]
    quiet: tuple[bool, ...]
    sure: tuple[bool, ...]
    is_exact: bool

    @property
    def highest(self) -> int:
        """Larger counts than this are all answered alike."""
        return self.starts[-1]

    @property
    def asks_for_few(self) -> bool:
        """Whether nothing at all is an answer: the condition is true for 0."""
        return self.on[0]

    def of(self, count: int) -> int:
        """The number of the stretch that a count lies in."""
        return bisect_right(self.starts, count)


def regions_of(condition: Node, clear: Node | None = None, others: Iterable[Node] = ()) -> Regions:
    """The stretches of a condition over `value`, its clear condition and those of the levels."""
    nodes = [condition, *([] if clear is None else [clear]), *others]
    found: set[int] = {1}
    is_exact = not [node for node in nodes if not _collect(node, found)]
    starts = tuple(sorted(start for start in found if start > 0))
    firsts = (0, *starts)
    is_on, is_clear = compile_scalar(condition), None if clear is None else compile_scalar(clear)
    on = tuple(is_on({"value": count}) is True for count in firsts)
    quiet = tuple(
        not truth and (is_clear is None or is_clear({"value": count}) is True)
        for truth, count in zip(on, firsts, strict=True)
    )
    sure = tuple(all(on[number:]) for number in range(len(on)))
    return Regions(starts, on, quiet, sure, is_exact)


def _collect(node: Node, found: set[int]) -> bool:
    """Add the counts at which a condition may change; False where they cannot be told."""
    match node:
        case Comparison(_, Variable(), Number(limit)) | Comparison(_, Number(limit), Variable()):
            found |= _steps((limit,))
            return True
        case Membership(Variable(), members, _):
            found |= _steps(tuple(members))
            return True
        case Comparison() | Membership():
            return False
        case _:
            return not [child for child in children(node) if not _collect(child, found)]


def _steps(limits: Sequence[float]) -> set[int]:
    """The counts at which a comparison with these numbers may change: each one, and the next above it."""
    return {step for limit in limits if math.isfinite(limit) for step in (math.ceil(limit), math.floor(limit) + 1)}
