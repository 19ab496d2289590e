"""Points in time as charts need them: rates of counters, and fewer points without losing the peaks."""

from __future__ import annotations

from collections.abc import Sequence

from fenghuo.model import Value

Point = tuple[int, Value]
"""Unix milliseconds and a value; None where the line breaks (the series ended, a counter began anew)."""


def rates(points: Sequence[Point], width: int) -> list[Point]:
    """Per-second rates of a counter of `width` bits, each at the later of its two readings.

    A 32-bit counter that falls from its upper half by more than half its range has wrapped; any other fall is a
    restart, of which the rate is unknown: the line breaks there.
    """
    found: list[Point] = []
    before: tuple[int, int | float] | None = None
    for time, value in points:
        if value is None:
            found.append((time, None))
            before = None
            continue
        if before is not None and time > before[0]:
            grown = _growth(before[1], value, width)
            found.append((time, None if grown is None else grown * 1000 / (time - before[0])))
        before = (time, value)
    return found


def _growth(old: float, new: float, width: int) -> float | None:
    if new >= old:
        return new - old
    half = 2 ** (width - 1)
    return new - old + 2 * half if width == 32 and old >= half and old - new > half else None


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """At most about `most` of the points: of each stretch of time its lowest and its highest, and every break.

    What is left are real readings at their real times, so that a short peak stays visible in a picture of a week.
    """
    if len(points) <= most:
        return list(points)
    start, end = points[0][0], points[-1][0]
    stretches = max(1, most // 2)
    span = max(1, -(-(end - start + 1) // stretches))
    kept: list[Point] = []
    low: tuple[int, int | float] | None = None
    high: tuple[int, int | float] | None = None
    current = 0
    for time, value in points:
        if (time - start) // span != current or value is None:
            kept += _ends(low, high)
            low = high = None
            current = (time - start) // span
        if value is None:
            if kept and kept[-1][1] is not None:
                kept.append((time, None))
            continue
        if low is None or value < low[1]:
            low = (time, value)
        if high is None or value > high[1]:
            high = (time, value)
    return kept + _ends(low, high)


def _ends(low: tuple[int, int | float] | None, high: tuple[int, int | float] | None) -> list[Point]:
    if low is None or high is None:
        return []
    return [low] if low[0] == high[0] else sorted([low, high])
