"""How improbable a deviation is: the two tails of its distribution, learnt as it goes.

Beyond a threshold that a fiftieth of all values exceeds, the excess follows a generalised Pareto distribution whatever
the distribution is (peaks over threshold: Siffer et al., *Anomaly Detection in Streams with Extreme Value Theory*, 2017).
Its two parameters come from running moments, which forget, so that a tail costs constant memory and no fit.
"""

from __future__ import annotations

import math
from typing import Any

QUANTILE = 0.02
THRESHOLD_SURPRISE = -math.log10(QUANTILE)
_LOWEST = 0.5
_FIRST = 1.5
_MEAN = 0.6
_SQUARE = 2.4 * _MEAN * _MEAN
_SHAPE = 0.25
_SHAPE_WEIGHT = 20.0
_SHAPES = (0.02, 0.6)
_HEAVY, _BIAS = 0.15, 1.0
"""Heavy tails show their weight seldom: moments of few excesses underestimate them by about so much."""
_WEIGHT = 10.0
_MEMORY = 400.0
_DOUBT = 3.0
_CLIP = 25.0
_LN10 = math.log(10)
_FARTHEST = 1e9
_NUMBERS = ("threshold", "number", "mean", "square", "limit")


class Tail:
    """One tail. `threshold`: exceeded by QUANTILE of all deviations; `number`, `mean`, `square`: of the excesses beyond it.

    `limit`: the deviation that has the wanted surprise (`Tails.depth`), as last judged.
    """

    __slots__ = ("limit", "mean", "number", "square", "threshold")

    def __init__(self) -> None:
        self.threshold = _FIRST
        self.number = 0.0
        self.mean = _MEAN
        self.square = _SQUARE
        self.limit = 0.0

    def shape(self) -> tuple[float, float, float]:
        """Shape and scale of the Pareto distribution, and how much it is to be trusted (0…1)."""
        mean, number = self.mean, self.number
        variance = self.square - mean * mean
        shape = 0.5 * (1.0 - mean * mean / variance) if variance > 0 else 0.0
        if shape > _HEAVY:
            shape += _BIAS * (shape - _HEAVY)
        shape = (number * shape + _SHAPE_WEIGHT * _SHAPE) / (number + _SHAPE_WEIGHT)
        shape = min(max(shape, _SHAPES[0]), _SHAPES[1])
        return shape, mean * (1.0 - shape), (number + 1.0) / (number + 1.0 + _DOUBT)

    def exceed(self, deviation: float, depth: float) -> float:
        """The surprise of a deviation beyond the threshold; learns from it."""
        excess = deviation - self.threshold
        shape, scale, trust = self._reach(depth)
        surprise = THRESHOLD_SURPRISE + math.log1p(shape * excess / scale) / (shape * _LN10) * trust
        # One outlier must not widen the tail for long: it counts as no more than so many mean excesses.
        excess = min(excess, _CLIP * self.mean)
        self.number = min(self.number + 1.0, _MEMORY)
        share = 1.0 / (self.number + _WEIGHT)
        self.mean += share * (excess - self.mean)
        self.square += share * (excess * excess - self.square)
        return surprise

    def aim(self, depth: float) -> None:
        """Learn the limit of a surprise."""
        self._reach(depth)

    def _reach(self, depth: float) -> tuple[float, float, float]:
        """Find the limit by halving: both what was learnt and the guess of heavy tails grow with the deviation."""
        shape, scale, trust = self.shape()
        factor = trust / (shape * _LN10)
        low = high = self.threshold
        surprise = 0.0
        while surprise < depth and high < _FARTHEST:
            low, high = high, 2.0 * high
            surprise = blend(THRESHOLD_SURPRISE + factor * math.log1p(shape * (high - self.threshold) / scale), high)
        for _ in range(8):
            middle = 0.5 * (low + high)
            if (
                blend(THRESHOLD_SURPRISE + factor * math.log1p(shape * (middle - self.threshold) / scale), middle)
                < depth
            ):
                low = middle
            else:
                high = middle
        self.limit = high
        return shape, scale, trust


def blend(learnt: float, deviation: float) -> float:
    """The surprise of a deviation: half what was learnt, half what heavy tails (Student's t, three degrees) would say."""
    return 0.5 * learnt + 0.5 * math.log2(1.0 + deviation)


class Tails:
    """Both tails of one kind of deviation, which is given in units of its usual size."""

    __slots__ = ("depth", "down", "up")

    def __init__(self) -> None:
        self.up = Tail()
        self.down = Tail()
        self.depth = 0.0

    def forget(self) -> None:
        """Begin anew."""
        self.up, self.down = Tail(), Tail()
        self.aim(self.depth)

    def aim(self, depth: float) -> None:
        """From now on the bounds are those of this surprise."""
        self.depth = depth
        self.up.aim(depth)
        self.down.aim(depth)

    def bounds(self, centre: float, unit: float) -> tuple[float, float]:
        """What lies outside is at least as improbable as `depth` says."""
        return centre - unit * self.down.limit, centre + unit * self.up.limit

    def see(self, deviation: float, pace: float) -> float:
        """The surprise of a deviation, -log10 of its probability; learns from it, thresholds by `pace`."""
        if deviation > 0:
            tail, other = self.up, self.down
        else:
            tail, other = self.down, self.up
            deviation = -deviation
        ease = 1.0 - pace * QUANTILE
        threshold = other.threshold * ease
        other.threshold = threshold if threshold > _LOWEST else _LOWEST  # noqa: FURB136 — faster than max()
        threshold = tail.threshold
        if deviation <= threshold:
            part = deviation / threshold
            threshold *= ease
            tail.threshold = threshold if threshold > _LOWEST else _LOWEST  # noqa: FURB136 — faster than max()
            return THRESHOLD_SURPRISE * part * part
        surprise = tail.exceed(deviation, self.depth)
        tail.threshold = threshold * (ease + pace)
        return surprise

    def save(self) -> list[float]:
        return [getattr(tail, name) for tail in (self.up, self.down) for name in _NUMBERS]

    def load(self, saved: Any, depth: float) -> None:
        """ValueError or TypeError where it is not what `save` gave."""
        numbers = [float(number) for number in saved]
        if len(numbers) != 2 * len(_NUMBERS) or not all(0 <= number < math.inf for number in numbers):
            raise ValueError("no state of tails")
        self.depth = depth
        for tail, part in ((self.up, numbers[: len(_NUMBERS)]), (self.down, numbers[len(_NUMBERS) :])):
            for name, number in zip(_NUMBERS, part, strict=True):
                setattr(tail, name, number)
            tail.threshold = max(tail.threshold, _LOWEST)
