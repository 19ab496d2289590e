"""How regular contacts are: the period behind their times, how far they stray from it, how many of them are missing.

What programs that look for beacons agree on (RITA's score of 2016 on; Hu et al., BAYWATCH, DSN 2016): be robust. So everything
here is a median or a share, and none of it a mean. Other than there, an interval of k periods counts as k, so that beats that
were missed neither hide a beacon nor spoil its period, and a long pause (a notebook that slept) is passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

MAX_MISSED = 10
"""A longer interval, in periods, is a pause."""
RANDOM_JITTER = 0.25
"""What a residual is at the median where contacts come at any time."""


@dataclass(frozen=True, slots=True)
class Regularity:
    """`period` in the unit of the times; the rest are shares.

    `jitter`    how far an interval strays from its periods: the median, in periods
    `tail`      the same at the 85th percentile
    `presence`  contacts seen of those that were due
    `symmetry`  1 where as many come early as late (by Bowley's skewness), 0 where all stray to one side
    `intervals` how many were looked at
    """

    period: float
    jitter: float
    tail: float
    presence: float
    symmetry: float
    intervals: int

    @property
    def score(self) -> float:
        """From 0 (like chance) to 1 (like a clock)."""
        regular = max(0.0, 1 - self.jitter / RANDOM_JITTER)
        whole = max(0.0, 1 - self.tail / (2 * RANDOM_JITTER))
        return 0.5 * regular + 0.2 * whole + 0.2 * self.presence + 0.1 * self.symmetry


def regularity(times: Sequence[int]) -> Regularity | None:
    """Of contacts at these times, which ascend; None of fewer than three."""
    intervals = sorted(after - before for before, after in itertools.pairwise(times) if after > before)
    if len(intervals) < 2:
        return None
    # Where most beats were missed, the median is a multiple of the period; the lower quartile then is not.
    guesses = {_quantile(intervals, 0.5), _quantile(intervals, 0.25)}
    found = [_fit(intervals, guess) for guess in sorted(guesses, reverse=True)]
    return max(found, key=lambda each: each.score)


def _fit(intervals: Sequence[float], guess: float) -> Regularity:
    beats = [max(1, round(interval / guess)) for interval in intervals]
    period = _quantile(sorted(interval / beat for interval, beat in zip(intervals, beats, strict=True)), 0.5)
    strays: list[float] = []
    due = 0
    for interval in intervals:
        beat = max(1, round(interval / period))
        if beat <= MAX_MISSED:
            due += beat
            strays.append((interval - beat * period) / period)
    if not strays:
        return Regularity(period, 1, 1, 0, 0, 0)
    strays.sort()
    sizes = sorted(map(abs, strays))
    return Regularity(
        period=period,
        jitter=_quantile(sizes, 0.5),
        tail=_quantile(sizes, 0.85),
        presence=len(strays) / due,
        symmetry=1 - abs(_skewness(strays)),
        intervals=len(strays),
    )


def spread(values: Sequence[float]) -> float | None:
    """The median absolute deviation from the median, in medians; None of nothing, or where the median is 0."""
    if not values:
        return None
    middle = _quantile(sorted(values), 0.5)
    return None if not middle else _quantile(sorted(abs(value - middle) for value in values), 0.5) / middle


def _skewness(ascending: Sequence[float]) -> float:
    """Bowley's: of the quartiles, between -1 and 1."""
    low, middle, high = (_quantile(ascending, part) for part in (0.25, 0.5, 0.75))
    return 0.0 if high <= low else (low + high - 2 * middle) / (high - low)


def _quantile(ascending: Sequence[float], part: float) -> float:
    """By linear interpolation."""
    place = part * (len(ascending) - 1)
    index = int(place)
    if index + 1 >= len(ascending):
        return ascending[-1]
    return ascending[index] + (place - index) * (ascending[index + 1] - ascending[index])
