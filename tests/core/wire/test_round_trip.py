"""Whatever the model can hold crosses the wire unchanged."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from fenghuo.model import Layout, Table
from fenghuo.wire import decode_frame, decode_items, encode_frame, encode_tables
from fenghuo.wire.ack import Ack, Span, decode_ack, encode_ack, spans
from fenghuo.wire.body import count_items
from fenghuo.wire.columns import pack, unpack
from fenghuo.wire.frame import compress
from fenghuo.wire.topic import Stream, Topic

from .samples import SENSOR, TABLE, header

counters = st.integers(0, 2**64 - 1)
values = st.one_of(counters, st.integers(-(2**63), 2**63 - 1), st.floats(), st.none())


def same(left: object, right: object) -> bool:
    return left == right or (isinstance(left, float) and isinstance(right, float) and left != left and right != right)


@given(st.one_of(st.lists(counters, min_size=1, max_size=60), st.lists(values, min_size=1, max_size=60)))
def test_a_column_comes_back_value_by_value_with_its_types(column: list[int | float | None]) -> None:
    back = list(unpack(pack(column), len(column)))
    assert len(back) == len(column)
    assert all(same(a, b) for a, b in zip(column, back, strict=True))
    assert [type(value) for value in back] == [type(value) for value in column]


@given(st.lists(counters, min_size=1, max_size=60))
def test_the_byte_planes_are_never_longer_than_the_numbers(column: list[int]) -> None:
    packed = pack(column)
    if isinstance(packed, bytes):
        assert len(packed) == len(column) * math.ceil(max(column).bit_length() / 8)


def test_a_compressed_frame_comes_back_whole() -> None:
    frame = encode_frame(header(Stream.METRICS, count_items([TABLE, SENSOR])), compress(encode_tables([TABLE, SENSOR])))
    head, body = decode_frame(frame)
    tables = decode_items(body, tables=True)
    assert head == header(Stream.METRICS, 14)
    assert [table.layout.name for table in tables] == ["interface", "sensor"]


def test_a_table_of_no_rows_is_left_out() -> None:
    empty = Table(Layout("interface", {}, {"ifIndex": []}, ("ifOperStatus",)), 1, [[]])
    assert decode_items(encode_tables([empty, SENSOR]), tables=True)[0].layout.name == "sensor"


@given(st.sets(st.integers(1, 500)))
def test_spans_hold_exactly_the_numbers_given(numbers: set[int]) -> None:
    found = spans(list(numbers))
    assert {number for span in found for number in range(span.first, span.last + 1)} == numbers
    assert all(after.first > before.last + 1 for before, after in itertools.pairwise(found))


def test_an_acknowledgement_comes_back_whole() -> None:
    ack = Ack(collector="c", spool="s", stream="metrics", received=[Span(3, 9)], committed=[Span(1, 2)])
    assert decode_ack(encode_ack(ack)) == ack


def test_a_topic_names_agent_and_stream() -> None:
    topic = Topic.parse("fenghuo/1/bj/haidian/zgc-no1/gw1/metrics")
    assert str(topic.agent.site) == "bj/haidian/zgc-no1"
    assert topic.agent.name == "gw1"
    assert topic.stream is Stream.METRICS
    assert str(topic) == "fenghuo/1/bj/haidian/zgc-no1/gw1/metrics"


def test_the_filters_of_a_site_match_agents_at_and_below_it_at_every_depth() -> None:
    filters = Topic.filter(Topic.parse("fenghuo/1/bj/haidian/gw1/status").agent.site, Stream.METRICS)
    assert filters[0] == "fenghuo/1/bj/haidian/+/metrics"
    assert filters[-1] == "fenghuo/1/bj/haidian" + "/+" * 7 + "/metrics", "a site has at most eight segments"
    assert Topic.filter(None, Stream.ACK)[0] == "fenghuo/1/+/+/ack"
