"""Line charts as inline SVG, drawn on the server: no script is needed to read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape

WIDTH, HEIGHT = 640, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 8, 22
_PLOT_WIDTH = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = HEIGHT - _TOP - _BOTTOM

_LEAST_SPREAD = 0.05
"""An axis spans at least this share of its values."""
_PLAIN_UNITS = frozenset({"°C", "%", "rpm", "ppm", "dBm", "s", ""})
"""Units that take no SI prefix."""

Point = tuple[int, float | None]
"""Unix milliseconds and a value; None breaks the line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; its colour is the CSS class `line-<number>`."""

    name: str
    points: Sequence[Point]


def chart(
    lines: Sequence[Line], *, start: int, end: int, unit: str, title: str, empty: str, zone: tzinfo, gap: int
) -> str:
    """An SVG picture of `lines` between `start` and `end` (Unix milliseconds).

    `unit` is written behind the axis' numbers, which carry SI prefixes; `empty` is said where there is nothing to draw;
    a line breaks where two points lie more than `gap` milliseconds apart.
    """
    drawn = [[p for p in thin(line.points, start, end, _PLOT_WIDTH)] for line in lines]  # noqa: C416 — a copy
    values = [value for points in drawn for _, value in points if value is not None]
    if not values:
        body = f'<text x="{WIDTH // 2}" y="{HEIGHT // 2}" class="empty">{escape(empty)}</text>'
        return _picture(title, body)
    low, high, step = scale(min(values), max(values))
    parts = [*_axis(low, high, step, unit), *_hours(start, end, zone)]
    for number, points in enumerate(drawn):
        path = _path(points, start, end, low, high, gap)
        parts.append(f'<path d="{path}" class="line-{number}"><title>{escape(lines[number].name)}</title></path>')
    if len(lines) > 1:
        parts.extend(_legend(lines))
    return _picture(title, "".join(parts))


def _picture(title: str, body: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{body}</svg>"
    )


def thin(points: Sequence[Point], start: int, end: int, columns: int) -> list[Point]:
    """At most four points a pixel column: its first, lowest, highest and last, so that no peak is lost."""
    inside = [point for point in points if start <= point[0] <= end]
    if len(inside) <= columns:
        return inside
    kept: list[Point] = []
    column: list[Point] = []
    width = max(end - start, 1) / columns
    at = 0
    for point in inside:
        here = int((point[0] - start) / width)
        if here != at and column:
            kept.extend(_corners(column))
            column = []
        at = here
        column.append(point)
    kept.extend(_corners(column))
    return kept


def _corners(column: list[Point]) -> list[Point]:
    known = [(value, time) for time, value in column if value is not None]
    if not known:
        return [column[0]]
    chosen = {(time, value) for value, time in (min(known), max(known))} | {column[0], column[-1]}
    return sorted(chosen, key=lambda point: point[0])


def scale(low: float, high: float, ticks: int = 4) -> tuple[float, float, float]:
    """Round ends and step of an axis that holds `low` and `high`; it starts at 0 unless values are below or far above."""
    flat = high - low <= 1e-9 * max(abs(low), abs(high)) + 1e-30
    if low >= 0 and (flat or low < high / 2):
        low = 0.0
    elif flat:
        high = 0.0
    elif high - low < _LEAST_SPREAD * high:
        # A value that hardly moves is drawn as the calm line that it is, not as its noise.
        middle, half = (low + high) / 2, _LEAST_SPREAD * high / 2
        low, high = middle - half, middle + half
    if high - low <= 1e-30:
        high = 1.0
    rough = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step, step


def quantity(value: float, unit: str) -> str:
    """A number with an SI prefix and its unit: `1.5 Gb/s`; degrees, percents and counts take no prefix."""
    if unit in _PLAIN_UNITS:
        number = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        return f"{number}{' ' if unit and unit != '%' else ''}{unit}"
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def _axis(low: float, high: float, step: float, unit: str) -> list[str]:
    parts: list[str] = []
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        y = _y(value, low, high)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" class="y">{escape(quantity(value, unit))}</text>')
    return parts


def _legend(lines: Sequence[Line]) -> list[str]:
    """The lines' names in their colours, from the right end of the top."""
    names = "".join(
        f'<tspan class="name-{number}" dx="10">{escape(line.name)}</tspan>' for number, line in enumerate(lines)
    )
    return [f'<text x="{WIDTH - _RIGHT - 4}" y="{_TOP + 9}" class="legend">{names}</text>']


def _hours(start: int, end: int, zone: tzinfo) -> list[str]:
    """Marks at round local times, about seven of them."""
    steps = (60, 120, 300, 600, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400)
    step = next((step for step in steps if (end - start) / 1000 / step <= 8), steps[-1])
    offset = datetime.fromtimestamp(start / 1000, zone).utcoffset()
    shift = int(offset.total_seconds()) if offset else 0
    parts: list[str] = []
    second = -(-(start // 1000 + shift) // step) * step - shift
    while second * 1000 <= end:
        x = _x(second * 1000, start, end)
        text = datetime.fromtimestamp(second, zone).strftime("%m-%d" if step >= 86400 else "%H:%M")
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" class="grid"/>')
        if x < WIDTH - 20:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 7}" class="x">{text}</text>')
        second += step
    return parts


def _path(points: Sequence[Point], start: int, end: int, low: float, high: float, gap: int) -> str:
    parts: list[str] = []
    last: int | None = None
    for time, value in points:
        if value is None:
            last = None
            continue
        verb = "L" if last is not None and time - last <= gap else "M"
        x, y = _x(time, start, end), _y(value, low, high)
        # A lone point is a short dash: a path of one point draws nothing.
        parts.append(f"{verb}{x:.1f} {y:.1f}" + ("h.8" if verb == "M" else ""))
        last = time
    return "".join(parts)


def _x(time: int, start: int, end: int) -> float:
    return _LEFT + _PLOT_WIDTH * (time - start) / max(end - start, 1)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - (value - low) / (high - low))
