"""Names of data streams, lines of bulk requests, and which events may lie in older indices."""

from __future__ import annotations

import json

import pytest

from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Event, Site
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.elasticsearch.duplicates import SKEW, Generation
from fenghuo_collector.sinks.elasticsearch.encode import StreamNames, dead_letter, encode, timestamp

AGENT = AgentId(Site("bj/hai-dian/zgc-no1"), "gw1")
AT = 1_767_225_600_123


def event(id_: str = "an id", time: int = AT, **document: object) -> Event:
    return Event(id_, time, {"event": {"dataset": "x"}, **document})


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("alert", "alert"),
        ("Suricata.EVE", "suricata.eve"),
        ("a-b/c d", "a_b_c_d"),
        ("", "generic"),
        ("dead_letter", "generic"),
        ("陷阱", "_"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_dataset_becomes_a_fit_name(dataset, name):
    assert StreamNames("ns", 100).of(AGENT, dataset) == f"logs-fenghuo.{name}-ns"


def test_without_a_namespace_it_is_the_agents_city_and_district():
    names = StreamNames(None, 100)
    assert names.of(AGENT, "x") == "logs-fenghuo.x-bj.hai_dian"
    assert names.dead_letter(AgentId(Site("bj"), "gw1")) == "logs-fenghuo.dead_letter-bj"


def test_an_agent_cannot_make_data_streams_without_end():
    names = StreamNames(None, 10)
    names.know(["logs-fenghuo.known-bj.hai_dian"])
    made = {names.of(AGENT, f"dataset{n}") for n in range(1000)}
    assert len(made) == 9
    assert names.of(AGENT, "known") == "logs-fenghuo.known-bj.hai_dian"
    assert names.of(AgentId(Site("sh/xuhui"), "gw1"), "dataset999") == "logs-fenghuo.dataset999-sh.xuhui"


def test_each_event_becomes_two_lines_with_its_own_id():
    batches = [
        Batch(AGENT, Stream.EVENTS, n, 0, events=[event('a"b'), event("c", **{"@timestamp": "t"})]) for n in (1, 2)
    ]
    items = list(encode(batches, StreamNames("ns", 100)))
    assert [item.index for item in items] == [0, 1, 2, 3]
    action, document, end = items[0].lines.split(b"\n")
    assert json.loads(action) == {"create": {"_index": "logs-fenghuo.x-ns", "_id": 'a"b'}}
    assert json.loads(document) == {"@timestamp": "2026-01-01T00:00:00.123Z", "event": {"dataset": "x"}}
    assert end == b""
    assert json.loads(items[1].lines.split(b"\n")[1])["@timestamp"] == "t"


@pytest.mark.parametrize("document", [{"x": object()}, {"x": "\ud800"}])
def test_what_json_cannot_hold_is_told_and_still_makes_a_dead_letter(document):
    (item,) = encode([Batch(AGENT, Stream.EVENTS, 1, AT, events=[event(**document)])], StreamNames("ns", 100))
    assert item.problem
    letter = json.loads(dead_letter(item, item.problem, "s", 1000).split(b"\n")[1])
    assert letter["error"]["type"] == "no_json"
    assert letter["event"]["original"]


def test_a_document_nested_without_end_is_told():
    document: dict[str, object] = {}
    inner = document
    for _ in range(100_000):
        inner["x"] = inner = {}
    (item,) = encode([Batch(AGENT, Stream.EVENTS, 1, AT, events=[event(**document)])], StreamNames("ns", 100))
    assert item.problem
    assert dead_letter(item, item.problem, "s", 1000)


def test_impossible_times_stay_numbers():
    assert timestamp(AT) == "2026-01-01T00:00:00.123Z"
    assert timestamp(-1) == "1969-12-31T23:59:59.999Z"
    assert timestamp(2**62) == 2**62


def test_only_events_made_before_the_write_index_are_looked_for():
    generation = Generation(("one", "two"), AT)
    safe = uuid7(AT + SKEW + 1)
    old, close, ahead = uuid7(AT - 1), uuid7(AT + SKEW - 1), uuid7(AT + 3 * SKEW)
    assert generation.suspects([safe, old, close, ahead, "no uuid"], AT + SKEW) == [old, close, ahead, "no uuid"]
    assert Generation(("one",), AT).suspects([old], AT) == []
