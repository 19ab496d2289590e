"""The bytes of remote write, read back by a decoder of its own."""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.model import AgentId, Layout, Site, Table
from fenghuo_collector.sinks.prometheus.encode import STALE, Block, Group, LabelCache, encode_block, whole

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")
OWN = {"site": "bj/haidian/zgc-no1", "agent": "gw1"}
AT = 1_767_225_600_000


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and content of each field of a protobuf message."""
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = data[place]
            place += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while place < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            length = varint() if tag & 7 == 2 else 8
            assert tag & 7 in (1, 2)
            assert place + length <= len(data)
            yield tag >> 3, data[place : place + length]
            place += length


Decoded = list[tuple[dict[str, str], list[tuple[int, bytes]]]]


def decode(data: bytes) -> Decoded:
    """Every series: its labels and its samples as (time, the eight bytes of the value)."""
    series: Decoded = []
    for number, content in fields(data):
        assert number == 1
        labels: list[tuple[str, str]] = []
        samples: list[tuple[int, bytes]] = []
        for inner, part in fields(content):
            pair = dict(fields(part))
            if inner == 1:
                assert not samples, "labels come before samples"
                labels.append((pair[1].decode(), pair[2].decode()))
            else:
                assert inner == 2
                samples.append((pair[2], pair[1]))
        assert labels == sorted(labels), "labels are sorted"
        assert len(dict(labels)) == len(labels), "no label stands twice"
        assert all(value for _, value in labels), "no label is empty"
        series.append((dict(labels), samples))
    return series


def encode(*tables: Table, agent: AgentId = AGENT) -> tuple[Decoded, int]:
    layout = tables[0].layout
    pieces, count = encode_block(whole(Group(LabelCache().of(agent, layout), layout, tables, range(len(tables)))))
    return decode(b"".join(pieces)), count


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def test_every_value_is_a_series_with_all_its_labels_and_its_time():
    layout = Layout(
        "interface", {"job": "snmp", "device": "楼"}, {"ifName": ["a", "b"], "ifAlias": ["x", ""]}, ("f", "g")
    )
    series, count = encode(Table(layout, AT, [[1, 2.5], array("Q", [2**63, 0])]))
    assert count == 4
    common = {"job": "snmp", "device": "楼", **OWN}
    assert series == [
        ({"__name__": "f", "ifName": "a", "ifAlias": "x", **common}, [(AT, bits(1))]),
        ({"__name__": "f", "ifName": "b", **common}, [(AT, bits(2.5))]),
        ({"__name__": "g", "ifName": "a", "ifAlias": "x", **common}, [(AT, bits(2.0**63))]),
        ({"__name__": "g", "ifName": "b", **common}, [(AT, bits(0))]),
    ]


def test_absent_values_are_left_out_and_nan_is_prometheus_own_nan():
    layout = Layout("sensor", {}, {"n": ["1", "2", "3"]}, ("f", "g"))
    stale = struct.unpack("<d", STALE.to_bytes(8, "little"))[0]
    series, count = encode(Table(layout, AT, [[None, math.nan, stale], [None, None, None]]))
    assert count == 2
    nan = (0x7FF8000000000001).to_bytes(8, "little")
    assert [(labels["n"], samples) for labels, samples in series] == [("2", [(AT, nan)]), ("3", [(AT, nan)])]


def test_the_end_of_a_table_writes_stale_markers_to_every_series():
    layout = Layout("interface", {}, {"n": ["1", "2"]}, ("f", "g"))
    series, count = encode(Table(layout, AT, [[1, 1], [1, 1]]), Table(layout, AT + 1, (), ended=True))
    assert count == 8
    marker = (0x7FF0000000000002).to_bytes(8, "little")
    assert [samples for _, samples in series] == [[(AT, bits(1)), (AT + 1, marker)]] * 4


def test_labels_of_an_agent_cannot_pass_for_the_collectors_own():
    layout = Layout("x", {"__name__": "up", "site": "bj", "agent": "root", "A": "1", "_b": "2"}, {}, ("f",))
    ((labels, _),), _ = encode(Table(layout, AT, [[1]]))
    assert labels == {"A": "1", "__name__": "f", "_b": "2", **OWN}


def test_long_labels_take_longer_lengths():
    layout = Layout("x", {"long": "l" * 4096, "longer": "m" * 20_000}, {}, ("f",))
    ((labels, samples),), _ = encode(Table(layout, AT, [[1]]))
    assert len(labels["longer"]) == 20_000
    assert samples == [(AT, bits(1))]


def test_two_agents_with_one_layout_keep_their_own_labels():
    layout, cache = Layout("x", {}, {}, ("f",)), LabelCache()
    other = AgentId(Site("bj/haidian/zgc-no2"), "gw2")
    assert cache.of(AGENT, layout) is cache.of(AGENT, layout)
    assert cache.of(AGENT, layout) is not cache.of(other, layout)


def test_when_a_layout_is_no_longer_used_its_labels_are_forgotten():
    cache = LabelCache()
    layout = Layout("x", {}, {}, ("f",))
    cache.of(AGENT, layout)
    assert len(cache) == 1
    del layout
    assert len(cache) == 0


VALUES = st.one_of(st.none(), st.integers(0, 2**64 - 1), st.floats(allow_nan=False), st.integers(-(2**53), 2**53))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    height=st.integers(1, 5),
    width=st.integers(1, 4),
    tables=st.integers(1, 3),
    label=st.sampled_from(["Zone", "zone"]),
)
def test_any_rectangle_of_any_tables_says_exactly_what_they_hold(data, height, width, tables, label):
    layout = Layout("x", {label: "1"}, {"n": [str(n) for n in range(height)]}, tuple(f"f{n}" for n in range(width)))
    column = st.lists(VALUES, min_size=height, max_size=height)
    content = [data.draw(st.lists(column, min_size=width, max_size=width)) for _ in range(tables)]
    made = [Table(layout, AT + n * 1000, columns) for n, columns in enumerate(content)]
    block = Block(
        Group(LabelCache().of(AGENT, layout), layout, made, range(tables)),
        *(
            data.draw(st.tuples(st.integers(0, size - 1), st.integers(1, size)).filter(lambda s: s[0] < s[1]))
            for size in (tables, width, height)
        ),
    )
    pieces, count = encode_block(block)
    found = {
        (labels["__name__"], labels["n"], time): value
        for labels, samples in decode(b"".join(pieces))
        for time, value in samples
    }
    expected = {
        (f"f{column}", str(row), AT + table * 1000): bits(float(value))
        for table in range(*block.tables)
        for column in range(*block.fields)
        for row in range(*block.rows)
        if (value := content[table][column][row]) is not None
    }
    assert found == expected
    assert count == len(expected)


def test_samples_of_a_series_follow_each_other_by_time():
    rng = random.Random(1)
    layout = Layout("x", {}, {"n": [str(n) for n in range(40)]}, ("f",))
    values = [[rng.randrange(2**40) for _ in range(40)] for _ in range(7)]
    series, _ = encode(*(Table(layout, AT + n, [column]) for n, column in enumerate(values)))
    for row, (labels, samples) in enumerate(series):
        assert labels["n"] == str(row)
        assert samples == [(AT + n, bits(values[n][row])) for n in range(7)]
