"""Chunks give back exactly what they were made of."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.errors import Permanent
from fenghuo.model import Value
from fenghuo.wire.columns import pack
from fenghuo_collector.sinks.sqlite.encode import Kind, Matrix, decode_chunk, encode_chunk, join, matrix, take

WHOLE = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats()
DECIMALS = st.integers(-(10**6), 10**6).map(lambda number: number / 100)
COUNTERS = st.integers(0, 2**64 - 1)
ANY = st.one_of(st.none(), WHOLE, FLOATS)


@st.composite
def grids(draw) -> tuple[int, list[list[Value]]]:
    """A height, and one column of that many values for each of some times; kinds as fields have them."""
    height = draw(st.integers(1, 4))
    kind = draw(st.sampled_from([COUNTERS, WHOLE, FLOATS, DECIMALS, ANY]))
    values = st.one_of(kind, st.none()) if draw(st.booleans()) else kind
    return height, draw(st.lists(st.lists(values, min_size=height, max_size=height), min_size=1, max_size=8))


def same(left: Value, right: Value) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    # The wire's packing makes one of 1 and 1.0 where a whole column agrees; nothing else may change a value.
    return left == right and (left is None) == (right is None)


def check(rows: list[list[Value]], found: Matrix) -> None:
    height = len(found.words)
    for index in range(height):
        expected = [row[index] for row in rows]
        assert all(map(same, expected, found.row(index))), (expected, found.row(index))


@given(grids())
def test_a_chunk_gives_back_every_value_that_went_in(grid):
    height, rows = grid
    made = matrix([pack(row) for row in rows], height)
    check(rows, made)
    times = np.arange(len(rows), dtype=np.int64) * 60_000 + 1_767_225_600_123
    chunk = decode_chunk(encode_chunk(times, [made, made]))
    assert chunk.times.tolist() == times.tolist()
    check(rows, chunk.field(0))
    check(rows, chunk.field(1))


@given(grids(), grids())
def test_joined_matrices_hold_both_whatever_their_kinds(left, right):
    height = min(left[0], right[0])
    rows_left, rows_right = ([row[:height] for row in rows] for _, rows in (left, right))
    both = join(matrix([pack(row) for row in rows_left], height), matrix([pack(row) for row in rows_right], height))
    check(rows_left + rows_right, both)
    times = np.arange(both.words.shape[1], dtype=np.int64)
    check(rows_left + rows_right, decode_chunk(encode_chunk(times, [both])).field(0))


def test_a_float_field_keeps_its_type_and_its_sign():
    rows = [[23.5], [25.0], [-0.0], [math.inf]]
    found = decode_chunk(encode_chunk(np.arange(4), [matrix(rows, 1)])).field(0).row(0)
    assert [repr(value) for value in found] == ["23.5", "25.0", "-0.0", "inf"]


def test_whole_numbers_and_floats_of_one_field_stay_apart():
    found = decode_chunk(encode_chunk(np.arange(3), [matrix([[25], [25.5], [None]], 1)])).field(0).row(0)
    assert [repr(value) for value in found] == ["25", "25.5", "None"]


def test_times_may_be_any_in_any_distance():
    times = np.array([-(2**52), -1, 0, 5, 2**52], np.int64)
    field = matrix([[1], [2], [3], [4], [5]], 1)
    chunk = decode_chunk(encode_chunk(times, [field]))
    assert chunk.times.tolist() == times.tolist()


def test_idle_and_constant_fields_cost_next_to_nothing():
    idle = matrix([[2**40 + port for port in range(48)]] * 120, 48)
    absent = matrix([None] * 120, 48)
    assert len(encode_chunk(np.arange(120) * 60_000, [idle, absent] * 7)) < 2_000


def test_values_that_were_not_read_cost_little_beside_the_mark():
    dice = random.Random(2)
    rows = [[None if dice.random() < 0.2 else 2**50 * port + index for port in range(48)] for index in range(120)]
    assert len(encode_chunk(np.arange(120), [matrix(rows, 48)])) < 3_500


def test_sensor_floats_cost_about_as_much_as_their_digits():
    rows = [[20 + (index * 7 % 13) / 10] for index in range(120)]
    made = matrix(rows, 1)
    assert made.kind is Kind.FLOAT
    assert len(encode_chunk(np.arange(120) * 60_000, [made])) < 250


def test_taking_some_times_keeps_values_and_absences_together():
    taken = take(matrix([[1, None], [None, 4], [5, 6]], 2), np.array([2, 0]))
    assert [taken.row(0), taken.row(1)] == [[5, 1], [6, None]]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_chunk_are_named_damaged(data):
    with pytest.raises(Permanent, match="chunk"):
        decode_chunk(data).field(0)


@given(st.data())
def test_a_chunk_with_flipped_bytes_is_damaged_or_decodes(data):
    rows = [[index * 1000, None] for index in range(10)]
    whole = bytearray(encode_chunk(np.arange(10), [matrix(rows, 2)]))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decode_chunk(bytes(whole)).field(0).row(0)
    except Permanent as error:
        assert "damaged" in str(error) or "format" in str(error)
