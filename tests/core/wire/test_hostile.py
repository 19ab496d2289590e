"""Bytes that are no batch are refused with a reason, within bounds, whatever they are."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fenghuo.errors import WireError
from fenghuo.wire import decode_ack, decode_frame, decode_items, encode_frame, encode_tables
from fenghuo.wire.frame import MAX_FRAME, Codec, compress
from fenghuo.wire.topic import Stream, Topic

from .samples import GOLDEN, SENSOR, header

METRICS = GOLDEN["metrics.fh"]


def read(data: bytes) -> None:
    """Read a batch as the collector does, and its body as the other kind too."""
    head, body = decode_frame(data)
    tables = head.stream in (Stream.METRICS, Stream.BACKFILL)
    with contextlib.suppress(WireError):
        decode_items(body, tables=not tables)
    decode_items(body, tables=tables)


def expect_refusal_or_batch(data: bytes) -> None:
    try:
        read(data)
    except WireError as error:
        assert error.reason


@settings(max_examples=400)
@given(st.binary(max_size=300))
@example(b"")
@example(b"FH")
def test_any_bytes_are_a_batch_or_a_counted_refusal(data: bytes) -> None:
    expect_refusal_or_batch(data)
    expect_refusal_or_batch(METRICS[:6] + data)


@settings(max_examples=600)
@given(
    st.integers(0, len(METRICS) - 1), st.binary(min_size=1, max_size=8), st.booleans(), st.sampled_from(sorted(GOLDEN))
)
def test_a_batch_with_bytes_changed_or_cut_is_a_batch_or_a_counted_refusal(
    at: int, other: bytes, cut: bool, name: str
) -> None:
    whole = GOLDEN[name]
    at %= len(whole)
    expect_refusal_or_batch(whole[:at] if cut else whole[:at] + other + whole[at + len(other) :])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=400)
@given(anything)
def test_any_messagepack_body_is_a_batch_or_a_counted_refusal(body: object) -> None:
    expect_refusal_or_batch(encode_frame(header(Stream.METRICS, 1), compress(msgspec.msgpack.encode(body))))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_acknowledgement_or_a_refusal(data: bytes) -> None:
    try:
        decode_ack(data)
    except WireError as error:
        assert error.reason


def refusal(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        read(data)
    return caught.value.reason


def test_a_body_that_would_unpack_beyond_the_bound_is_refused_before_it_is_unpacked() -> None:
    bomb = encode_frame(header(Stream.METRICS, 1), compress(bytes(200 * 2**20)))
    assert len(bomb) < MAX_FRAME
    assert refusal(bomb) == "too_large"


def test_a_body_whose_size_is_not_said_is_refused() -> None:
    quiet = zstandard.ZstdCompressor(write_content_size=False).compress(encode_tables([SENSOR]))
    assert refusal(encode_frame(header(Stream.METRICS, 1), quiet)) == "body"


def test_columns_that_would_unpack_beyond_the_bound_are_refused() -> None:
    layout = ["x", {}, {"row": [""] * 20_000}, [f"f{n}" for n in range(500)], {}]
    body = msgspec.msgpack.encode([[layout, 1, False, [0] * 500]])
    assert refusal(encode_frame(header(Stream.METRICS, 1), compress(body))) == "too_large"


def test_a_frame_beyond_the_bound_is_refused() -> None:
    assert refusal(b"FH\x01\x00\x00\x00" + bytes(MAX_FRAME)) == "too_large"


def test_a_deeply_nested_body_is_refused() -> None:
    assert refusal(encode_frame(header(Stream.EVENTS, 1), b"\x91" * 100_000, Codec.NONE)) == "body"


@pytest.mark.parametrize(
    ("layout", "columns"),
    [
        pytest.param(["a-b", {}, {}, ["x"], {}], [1], id="a name that Prometheus would refuse"),
        pytest.param(["a", {"l": "x" * 5000}, {}, ["x"], {}], [1], id="a label too long"),
        pytest.param(["a", {}, {"r": ["1", "2"], "s": ["1"]}, ["x"], {}], [1], id="labels of unequal number"),
        pytest.param(["a", {}, {"r": []}, ["x"], {}], [1], id="no rows"),
        pytest.param(["a", {}, {}, ["x", "x"], {}], [1, 2], id="a field twice"),
        pytest.param(["a", {}, {}, ["x", "y"], {}], [1], id="a column too few"),
        pytest.param(["a", {}, {"r": ["1", "2"]}, ["x"], {}], [[1, 2, 3]], id="a column too long"),
        pytest.param(["a", {}, {"r": ["1", "2"]}, ["x"], {}], [b"\1\2\3"], id="planes that do not fit"),
        pytest.param(["a", {}, {"r": ["1", "2"]}, ["x"], {}], [bytes(18)], id="nine planes"),
        pytest.param(["a", {}, {}, ["x"], {}], ["text"], id="a value that is none"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(layout: list[object], columns: list[object]) -> None:
    body = msgspec.msgpack.encode([[layout, 1, False, columns]])
    assert refusal(encode_frame(header(Stream.METRICS, 1), body, Codec.NONE)) in {"layout", "column", "body"}


@pytest.mark.parametrize("topic", ["", "fenghuo/1", "fenghuo/1/a/metrics", "fenghuo/2/a/b/metrics", "fenghuo/1/A/b/metrics",
                                   "fenghuo/1/a/b/other", "fenghuo/1/a/+/metrics", "fenghuo/1/" + "a/" * 9 + "b/metrics"])  # fmt: skip
def test_a_topic_that_is_none_of_ours_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Topic.parse(topic)
