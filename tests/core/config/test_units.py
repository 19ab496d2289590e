from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fenghuo.config import Duration, Size, format_duration, format_size, parse_duration, parse_size

DURATION = TypeAdapter(Duration)
SIZE = TypeAdapter(Size)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("0s", 0),
        ("60", 60),
        (60, 60),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    assert DURATION.validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "1:30", "-5m", "5M", "5min", "1h 30m", "５m", "1e3s", "5m\n"])
def test_what_is_no_duration_is_refused_by_the_parser(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-1", -1, float("nan"), float("inf"), True, None, [], {}, "x", "9" * 400]
)
def test_what_is_no_duration_is_refused_by_the_field(value):
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)
    with pytest.raises(ValidationError):
        SIZE.validate_python(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 << 20),
        ("1.5GB", 1_500_000_000),
        ("512KiB", 512 << 10),
        ("1kB", 1000),
        ("7B", 7),
        ("2 TiB", 2 << 40),
        ("10", 10),
        (10, 10),
    ],
)
def test_a_size_is_read_as_bytes(text, size):
    assert SIZE.validate_python(text) == size


@pytest.mark.parametrize("text", ["64M", "64m", "64mb", "MiB", "1.5", "-1B", "1 0B", "64Mi", ""])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


def test_half_a_byte_is_refused():
    with pytest.raises(ValidationError):
        SIZE.validate_python(1.5)


@given(st.integers(0, 10**12))
def test_a_written_duration_reads_as_it_was(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(0, 10**15))
def test_a_written_size_reads_as_it_was(size):
    assert parse_size(format_size(size)) == size
