"""Rates and thinning for charts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fenghuo_collector.sinks.sqlite.points import rates, thin


def test_a_rate_is_the_growth_per_second_at_the_later_reading():
    assert rates([(0, 100), (60_000, 700), (90_000, 700)], 64) == [(60_000, 10.0), (90_000, 0.0)]


def test_a_restarted_counter_breaks_the_line_and_goes_on():
    assert rates([(0, 9_000), (1_000, 5), (2_000, 9)], 64) == [(1_000, None), (2_000, 4.0)]


def test_a_32_bit_counter_that_wrapped_keeps_its_rate():
    assert rates([(0, 2**32 - 50), (1_000, 50)], 32) == [(1_000, 100.0)]


def test_a_32_bit_counter_that_fell_from_low_values_was_restarted():
    assert rates([(0, 1_000), (1_000, 50)], 32) == [(1_000, None)]


def test_after_an_end_no_rate_is_taken_over_the_gap():
    assert rates([(0, 10), (1_000, None), (2_000, 50), (3_000, 60)], 64) == [(1_000, None), (3_000, 10.0)]


@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=300), st.integers(2, 50))
def test_thinned_points_are_real_ones_in_order_with_both_extremes(values, most):
    points = [(index * 1_000, value) for index, value in enumerate(values)]
    thinned = thin(points, most)
    assert set(thinned) <= set(points)
    assert [time for time, _ in thinned] == sorted({time for time, _ in thinned})
    there = [value for value in values if value is not None]
    if there:
        kept = [value for _, value in thinned if value is not None]
        assert (min(kept), max(kept)) == (min(there), max(there))
    if None not in values:
        assert len(thinned) <= most + 1
