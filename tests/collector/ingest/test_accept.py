"""What is taken of a message, and what is not."""

from __future__ import annotations

import msgspec
import pytest

from fenghuo.errors import WireError
from fenghuo.model import Event, Layout, Table
from fenghuo.wire import Stream, Topic, encode_events, encode_frame
from fenghuo.wire.frame import Codec, compress
from fenghuo_collector.ingest.accept import Opener, read_envelope
from fenghuo_collector.ingest.config import LimitsConfig
from fenghuo_collector.ingest.layouts import LayoutCache

from .support import AGENT, NOW, PORTS, event, events_frame, header, tables_frame

EVENTS = Topic(AGENT, Stream.EVENTS)
METRICS = Topic(AGENT, Stream.METRICS)


def opened(frame: bytes, topic: Topic = EVENTS, opener: Opener | None = None, **limits):
    opener = opener or Opener(AGENT, LimitsConfig(**limits))
    return opener.open(read_envelope(topic, frame), NOW + 5)


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": "bj/haidian/other/gw1"},
        {"stream": "alerts"},
        {"spool": ""},
        {"spool": "x" * 100},
        {"sequence": 2**60},
        {"sent": 2**62},
    ],
)
def test_when_a_header_disagrees_or_is_out_of_range_the_message_is_refused(changes):
    with pytest.raises(WireError):
        read_envelope(EVENTS, encode_frame(header(**changes), compress(b"\x90")))


def test_when_an_event_is_taken_it_says_who_sent_it_and_when_it_came():
    spoofed = {"observer": {"name": "boss", "ip": "10.0.0.9"}, "organization": {"id": "bj/other", "name": "x"}}
    batch = opened(events_frame(7, event("e7", NOW + 1, **spoofed))).batch
    document = batch.events[0].document
    assert document["@timestamp"] == "2026-01-01T00:00:00.001Z"
    assert document["event"] == {
        "kind": "event", "dataset": "test", "id": "e7", "ingested": "2026-01-01T00:00:00.005Z"
    }  # fmt: skip
    assert document["observer"]["name"] == "gw1"
    assert document["observer"]["ip"] == "10.0.0.9"
    assert document["organization"] == {"id": "bj/haidian/zgc-no1", "name": "zgc-no1"}
    assert (batch.agent, batch.sequence, batch.received) == (AGENT, 7, NOW + 5)


def deep(levels: int) -> dict:
    document: dict = {}
    for _ in range(levels):
        document = {"a": document}
    return document


BAD_DOCUMENTS = {
    "too deep": Event("bad", NOW, deep(17)),
    "far too deep": Event("bad", NOW, deep(400)),
    "too deep in arrays": Event("bad", NOW, {"a": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}),
    "too large": Event("bad", NOW, {"message": "x" * 70_000}),
    "too many keys": Event("bad", NOW, {f"k{index}": 1 for index in range(1001)}),
    "too many elements": Event("bad", NOW, {"a": [{}] * 1001}),
    "no number": Event("bad", NOW, {"a": float("nan")}),
    "endless": Event("bad", NOW, {"a": [float("inf")]}),
    "bytes": Event("bad", NOW, {"a": b"x"}),
    "an extension": Event("bad", NOW, {"a": msgspec.msgpack.Ext(5, b"x")}),
    "a key that is no text": Event("bad", NOW, {"a": {1: 2}}),
    "an id with a space": Event("b d", NOW, {}),
    "an id too long": Event("x" * 65, NOW, {}),
    "a time before 1970": Event("bad", -1, {}),
    "a time after 9999": Event("bad", 2**48, {}),
    "no document": Event("bad", NOW, "text"),
}


@pytest.mark.parametrize("bad", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_when_one_document_is_bad_only_that_one_is_rejected(bad):
    found = opened(events_frame(1, event("a"), bad, event("b")))
    assert [item.id for item in found.batch.events] == ["a", "b"]
    assert [rejected.index for rejected in found.rejected] == [1]
    assert found.rejected[0].reason
    assert len(found.rejected[0].raw) <= 4096


def test_when_event_or_observer_is_no_object_it_is_replaced():
    found = opened(events_frame(1, Event("a", NOW, {"event": 5, "observer": "me"})))
    assert found.batch.events[0].document["event"]["id"] == "a"


def spoofing(**changes) -> Table:
    fields = {"name": "interface", "labels": {"job": "snmp"}, "row_labels": {}, "fields": ("x",), **changes}
    return Table(Layout(**fields), NOW, [[1]])


@pytest.mark.parametrize(
    "table",
    [
        spoofing(labels={"site": "bj/other"}),
        spoofing(labels={"agent": "boss"}),
        spoofing(row_labels={"agent": ["boss"]}),
        spoofing(labels={"__name__": "up"}),
        spoofing(labels={"a": "1"}, row_labels={"a": ["2"]}),
        Table(PORTS, -5, [[1, 2], [3, 4]]),
        Table(PORTS, 2**55, [[1, 2], [3, 4]]),
    ],
)
def test_when_one_table_is_not_to_be_taken_the_others_are(table):
    good = Table(PORTS, NOW, [[1, 2], [3, None]])
    found = opened(tables_frame(1, good, table, good), METRICS)
    assert len(found.batch.tables) == 2
    assert [rejected.index for rejected in found.rejected] == [1]
    assert found.batch.count == 8


def test_when_layouts_are_the_same_bytes_they_are_the_same_object():
    opener = Opener(AGENT, LimitsConfig())
    first = opened(tables_frame(1), METRICS, opener).batch.tables[0].layout
    assert opened(tables_frame(2), METRICS, opener).batch.tables[0].layout is first


def test_when_layouts_are_many_the_least_used_are_forgotten():
    cache = LayoutCache(entries=3, size=10**6)
    raws = [msgspec.msgpack.encode(["t", {"job": str(index)}, {}, ["x"], {}]) for index in range(4)]
    kept = cache(raws[0])
    for raw in (raws[1], raws[2], raws[0], raws[3]):
        cache(raw)
    assert len(cache) == 3
    assert cache(raws[0]) is kept


def test_when_layouts_are_large_their_bytes_bound_them():
    cache = LayoutCache(entries=1000, size=5000)
    for index in range(50):
        cache(msgspec.msgpack.encode(["t", {"job": f"{index:01000d}"}, {}, ["x"], {}]))
    assert len(cache) <= 5


def test_when_a_body_of_documents_is_beyond_its_bound_it_is_refused():
    with pytest.raises(WireError, match="at most"):
        opened(events_frame(1, *(event(f"e{index}") for index in range(100))), documents=1000)


def test_when_a_body_is_not_compressed_it_is_taken_too():
    frame = encode_frame(header(1), encode_events([event("a")]), Codec.NONE)
    assert [item.id for item in opened(frame).batch.events] == ["a"]


HOUR = 3_600_000
YEARS = 12 * 365 * 24 * HOUR


def ports(time: int) -> Table:
    return Table(PORTS, time, [[1, 2], [3, 4]])


def test_when_the_agents_clock_is_years_ahead_its_readings_are_put_back_in_their_order():
    frame = tables_frame(1, ports(NOW + YEARS - 60_000), ports(NOW + YEARS), sent=NOW + YEARS + 2)
    found = opened(frame, METRICS)
    assert [table.time for table in found.batch.tables] == [NOW - 60_000 + 3, NOW + 3]
    assert (found.corrected, found.rejected, found.newest) == (8, [], NOW + YEARS)


def test_when_one_table_is_years_ahead_of_its_agent_it_is_rejected_and_the_others_are_taken():
    found = opened(tables_frame(1, ports(NOW), ports(NOW + YEARS), ports(NOW + 1), sent=NOW + 4), METRICS)
    assert [table.time for table in found.batch.tables] == [NOW, NOW + 1]
    assert [rejected.index for rejected in found.rejected] == [1]
    assert "in the future: a clock is wrong" in found.rejected[0].reason


def test_when_the_end_of_a_series_is_years_ahead_it_is_rejected_too():
    ended = Table(PORTS, NOW + YEARS, [], ended=True)
    assert opened(tables_frame(1, ended, sent=NOW), METRICS).rejected


def test_when_an_event_is_years_ahead_it_is_of_when_it_came():
    frame = events_frame(1, event("late", NOW - HOUR), event("ahead", NOW + YEARS), sent=NOW)
    found = opened(frame)
    assert [each.time for each in found.batch.events] == [NOW - HOUR, NOW + 5]
    assert found.batch.events[1].document["@timestamp"] == "2026-01-01T00:00:00.005Z"
    assert found.corrected == 1


@pytest.mark.parametrize("ahead", [0, 599_000])
def test_when_a_clock_is_a_little_ahead_times_stay_as_they_are(ahead):
    found = opened(tables_frame(1, ports(NOW + ahead), sent=NOW + ahead), METRICS)
    assert [table.time for table in found.batch.tables] == [NOW + ahead]
    assert found.corrected == 0
