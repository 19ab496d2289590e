"""Charts lose no peak and draw no line where nothing was read."""

from __future__ import annotations

from datetime import UTC
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo_collector.console.charts import Line, chart, quantity, scale, thin

DAY = 86_400_000


def picture(points: list[tuple[int, float | None]], gap: int = 180_000) -> ET.Element:
    svg = chart([Line("in", points)], start=0, end=DAY, unit="b/s", title="<port>", empty="nothing", zone=UTC, gap=gap)
    return ET.fromstring(svg)


def test_a_peak_of_one_reading_is_still_seen_in_a_thinned_day() -> None:
    points: list[tuple[int, float | None]] = [(second * 1000, 1.0) for second in range(86_400)]
    points[12_345] = (12_345_000, 99.0)
    kept = thin(points, 0, DAY, 600)
    assert len(kept) <= 4 * 601
    assert (12_345_000, 99.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_a_gap_breaks_the_line() -> None:
    path = picture([(0, 1.0), (60_000, 2.0), (3_600_000, 3.0), (3_660_000, 4.0)]).find("path")
    assert path is not None
    assert path.get("d", "").count("M") == 2


def test_a_day_without_values_says_so() -> None:
    text = picture([(0, None)]).find("text")
    assert text is not None
    assert text.text == "nothing"


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_an_axis_holds_its_values_between_round_ends(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    bottom, top, step = scale(low, high)
    slack = 1e-6 * max(abs(bottom), abs(top), step)
    assert bottom <= low + slack
    assert top >= high - slack
    assert 1 <= round((top - bottom) / step) <= 7


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5e9, "b/s", "1.5 Gb/s"),
        (999, "b/s", "999 b/s"),
        (24.5, "°C", "24.5 °C"),
        (40, "%", "40%"),
        (0, "b/s", "0 b/s"),
    ],
)
def test_quantities_are_written_with_prefix_and_unit(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text
