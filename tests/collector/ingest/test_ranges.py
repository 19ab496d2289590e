"""Spans of numbers against plain sets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fenghuo_collector.ingest.ranges import Ranges

NUMBERS = st.integers(1, 40)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "span", "discard"]), NUMBERS, st.integers(0, 6)), max_size=60)


def held(ranges: Ranges) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def build(steps) -> tuple[Ranges, set[int]]:
    ranges, model = Ranges(), set()
    for step, number, length in steps:
        if step == "add":
            assert ranges.add(number) == (number not in model)
            model.add(number)
        elif step == "span":
            ranges.add_span(number, number + length)
            model |= set(range(number, number + length + 1))
        else:
            ranges.discard(number)
            model.discard(number)
    return ranges, model


@given(STEPS)
def test_ranges_hold_what_a_set_would(steps):
    ranges, model = build(steps)
    assert held(ranges) == model
    assert all((number in ranges) == (number in model) for number in range(60))
    spans = list(ranges)
    assert all(first <= last for first, last in spans)
    assert all(spans[index][1] + 1 < spans[index + 1][0] for index in range(len(spans) - 1))
    assert ranges.highest == max(model, default=0)


@given(STEPS, NUMBERS, st.integers(0, 30))
def test_gaps_are_the_numbers_that_are_not_held(steps, first, length):
    ranges, model = build(steps)
    wanted = set(range(first, first + length + 1))
    gaps = ranges.gaps(first, first + length)
    assert {number for low, high in gaps for number in range(low, high + 1)} == wanted - model
    assert ranges.missing(first, first + length) == len(wanted - model)


@given(STEPS, st.integers(0, 5), NUMBERS)
def test_folding_fills_only_gaps_below_the_bound(steps, keep, below):
    ranges, model = build(steps)
    ranges.fold(keep, below)
    filled = held(ranges) - model
    assert model <= held(ranges)
    assert all(number <= below for number in filled)
    spans = list(ranges)
    gaps_below = [low for (_, high), (low, _) in itertools.pairwise(spans) if low - 1 <= below]
    assert len(gaps_below) <= keep


@given(STEPS, st.integers(0, 10))
def test_reach_goes_down_to_the_next_gap_at_most(steps, distance):
    ranges, model = build(steps)
    for number in model:
        low = ranges.reach(number, distance)
        assert set(range(low, number + 1)) <= model
        assert number - low <= distance
        assert number - low == distance or low - 1 not in model
