"""Sums that numbers may leave again without a trace."""

from __future__ import annotations

import math


class ExactSum:
    """A sum of floats without rounding (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997): what is taken away is
    wholly gone, and the order in which numbers come does not matter. Numbers must stay below `texts.MAX_NUMBER`.
    """

    __slots__ = ("partials",)

    def __init__(self) -> None:
        self.partials: list[float] = []

    def add(self, number: float) -> None:
        partials = self.partials
        kept = 0
        for partial in partials:
            larger, smaller = (number, partial) if abs(number) >= abs(partial) else (partial, number)
            number = larger + smaller
            rest = smaller - (number - larger)
            if rest:
                partials[kept] = rest
                kept += 1
        partials[kept:] = [number] if number else []

    @property
    def value(self) -> float:
        """The sum, rounded once."""
        return math.fsum(self.partials)
