"""Whatever comes: it is counted, and what comes after it is taken."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.model import AgentId
from fenghuo.wire import Stream, Topic, encode_frame
from fenghuo.wire.frame import Codec, compress

from .support import AGENT, MemorySink, events_frame, header, make_ingest, tables_frame

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=5)
    ),
    max_leaves=20,
)
TOPICS = st.one_of(
    st.sampled_from([str(Topic(AGENT, stream)) for stream in Stream]),
    st.builds("fenghuo/1/{}/events".format, st.text(max_size=30)),
    st.text(max_size=40),
)


@st.composite
def mutated(draw) -> bytes:
    frame = bytearray(draw(st.sampled_from([events_frame(1), tables_frame(1), events_frame(2, oldest=2, dropped=9)])))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(frame) - 1))
        frame[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(frame)


BODIES = st.one_of(ANYTHING, st.lists(st.lists(ANYTHING, min_size=2, max_size=5), max_size=5)).map(
    msgspec.msgpack.encode
)
HEADERS = st.builds(
    header,
    st.integers(-1, 2**64 - 1) | st.integers(1, 5),
    st.sampled_from(list(Stream)),
    oldest=st.integers(-1, 2**64 - 1) | st.integers(1, 5),
    dropped=st.integers(-1, 2**64 - 1),
    count=st.integers(-1, 2**64 - 1),
    sent=st.integers(-(2**63), 2**64 - 1),
    spool=st.text(max_size=70),
)
PAYLOADS = st.one_of(
    st.binary(max_size=200),
    mutated(),
    st.builds(lambda head, body: encode_frame(head, compress(body)), HEADERS, BODIES),
    st.builds(lambda head, body: encode_frame(head, body, Codec.NONE), HEADERS, BODIES),
    BODIES,
)


@pytest.fixture
async def ingest():
    return make_ingest(1, MemorySink(), limits={"agents": 50})


def counted(ingest) -> float:
    names = ("batches", "wire_errors", "shed_messages", "duplicates")
    total = 0.0
    for metric in ingest.registry.collect():
        for sample in metric.samples:
            if sample.name in {f"fenghuo_collector_ingest_{name}_total" for name in names}:
                total += sample.value
    return total


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topic=TOPICS, payload=PAYLOADS)
def test_whatever_comes_is_counted_and_stops_nothing(ingest, topic, payload):
    before = counted(ingest)
    ingest.handle(topic, payload)
    if not topic.endswith("/status"):
        assert counted(ingest) == before + 1
    assert not ingest.registry.get_sample_value("fenghuo_collector_ingest_wire_errors_total", {"reason": "internal"})


async def test_when_hostile_messages_came_good_ones_are_still_taken(ingest):
    rng = random.Random(4)
    topic = str(Topic(AGENT, Stream.EVENTS))
    for _ in range(300):
        ingest.handle(topic, rng.randbytes(rng.randrange(100)))
    ingest.handle(topic, events_frame(1))
    assert ingest.agents()[0].streams[0].batches == 1


async def test_when_agents_are_too_many_the_new_ones_are_refused_and_counted(ingest):
    for index in range(60):
        agent = AgentId.parse(f"bj/school-{index}/gw1")
        ingest.handle(str(Topic(agent, Stream.EVENTS)), events_frame(1, agent=str(agent)))
    assert len(ingest.agents()) == 50
    value = ingest.registry.get_sample_value("fenghuo_collector_ingest_wire_errors_total", {"reason": "agents"})
    assert value == 10


async def test_when_an_agent_begins_spools_without_end_few_are_remembered(ingest):
    for index in range(100):
        ingest.handle(str(Topic(AGENT, Stream.EVENTS)), events_frame(1, spool=f"s{index}"))
    record = next(iter(ingest._agents))
    assert len(record.spools) == 4
