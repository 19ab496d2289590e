"""Texts of devices: whichever encoding they were typed in, they are read as they were meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo_agent.snmp.ber import text


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("教学楼 3F".encode(), "教学楼 3F"),
        ("教学楼 3F".encode("gb2312"), "教学楼 3F"),
        ("机房（一）".encode("gbk"), "机房（一）"),
        ("Bücherei".encode("latin-1"), "Bücherei"),
        ("café".encode("latin-1"), "café"),
        ("教学楼".encode()[:-1], "教学"),
        (b"\xff\x00 lab \x07", "ÿ  lab"),
        (b"\x1b[31mred", "[31mred"),
        (b"", ""),
    ],
)
def test_a_text_is_read_as_it_was_meant(octets: bytes, expected: str) -> None:
    assert text(octets) == expected


@given(st.binary(max_size=64))
def test_any_octets_are_a_text_without_controls(octets: bytes) -> None:
    assert text(octets).isprintable()


@given(st.text(alphabet=st.characters(categories=("L", "N")), max_size=32), st.integers(1, 3))
def test_a_text_cut_within_a_character_keeps_what_is_whole(whole: str, cut: int) -> None:
    octets = whole.encode()
    kept = octets[:-cut]
    expected = kept.decode(errors="ignore").strip()
    assert kept.isascii() or not expected or expected.isascii() or text(kept) == expected
