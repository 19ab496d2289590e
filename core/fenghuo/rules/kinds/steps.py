"""The steps of a kind `sequence`, and what follows from them for those who look for them (`fenghuo.rules.kinds.stepping`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fenghuo.rules.language.expression import Node
from fenghuo.rules.language.scalar import Scalar, compile_scalar

MIN_KEPT = 8
"""So many observations of each step are kept at least; twice as many as it asks for where that is more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `count`: so often at least; `forbidden`: it must not happen; `within`: milliseconds since the step before.

    `of_alerts`: it is an alert of another rule, of which only those that fire count. `resets`: at it everything begins
    anew, wherever it stands. `remembers`: names of values, and the fields of its observation that they are.
    """

    name: str
    count: int = 1
    forbidden: bool = False
    within: int | None = None
    of_alerts: bool = False
    resets: bool = False
    remembers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One observation of the automaton: the step it must be of, the longest time since the one before."""

    bit: int
    within: int | None


@dataclass(frozen=True)
class Pattern:
    """The steps of a rule. `condition`: over their names, for steps in any order; None: all of them."""

    steps: tuple[Step, ...]
    within: int
    ordered: bool = True
    condition: Node | None = None

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(
            Stage(1 << number, step.within if place == 0 else None)
            for number, step in enumerate(self.steps)
            if not step.forbidden and not step.resets
            for place in range(step.count)
        )

    @cached_property
    def first(self) -> int:
        """The number of the first step."""
        return next(number for number, step in enumerate(self.steps) if not step.forbidden and not step.resets)

    @cached_property
    def guards(self) -> tuple[int, ...]:
        """Which steps (as bits) must not come while so many stages, less one, are done."""
        found = [0] * len(self.stages)
        done = 0
        for number, step in enumerate(self.steps):
            if step.resets:
                continue
            if not step.forbidden:
                done += step.count
            elif done:
                found[done - 1] |= 1 << number
        return tuple(found)

    @cached_property
    def is_guarded(self) -> bool:
        """Whether there is anything that must not come between steps."""
        return any(self.guards) or self.resets != 0

    @cached_property
    def resets(self) -> int:
        return sum(1 << number for number, step in enumerate(self.steps) if step.resets)

    @cached_property
    def breaks(self) -> int:
        """Steps that must not come at all, where order does not count."""
        return sum(1 << number for number, step in enumerate(self.steps) if step.resets or step.forbidden)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """How many observations of each step are kept."""
        return tuple(max(MIN_KEPT, 2 * step.count) for step in self.steps)

    @cached_property
    def waits(self) -> bool:
        """Whether the last step is one that must not happen."""
        last = [step for step in self.steps if not step.resets][-1]
        return self.ordered and last.forbidden

    @cached_property
    def wait(self) -> int | None:
        """How long after the last step another must not have come; None: to the end of the span."""
        waits = [step.within for step in self.steps if not step.resets]
        return waits[-1] if self.waits else None

    @cached_property
    def horizon(self) -> int:
        """How long an observation can be of use, in milliseconds."""
        return self.within + (self.wait or 0)

    @cached_property
    def meets(self) -> Scalar | None:
        """The condition over the names of steps."""
        return None if self.condition is None else compile_scalar(self.condition)
