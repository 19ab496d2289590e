"""The Elasticsearch sink against real servers of both versions."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.config import Secret
from fenghuo.errors import PartialWrite
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Event, Site
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.elasticsearch import ElasticsearchConfig, ElasticsearchSink
from fenghuo_collector.sinks.tls import Tls
from servers.elasticsearch import ElasticsearchServer

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")
_numbers = itertools.count(1)


def event(dataset: str = "snmp_trap", **fields: object) -> Event:
    now = SystemClock().now()
    id_ = uuid7(now)
    return Event(id_, now, {"event": {"id": id_, "kind": "event", "dataset": dataset}, **fields})


def batch(*events: Event, stream: Stream = Stream.EVENTS) -> Batch:
    return Batch(AGENT, stream, 1, SystemClock().now(), events=events)


@pytest.fixture
def namespace() -> str:
    return f"test{next(_numbers)}"


@pytest.fixture
def config(elasticsearch_server: ElasticsearchServer, namespace: str) -> ElasticsearchConfig:
    server = elasticsearch_server
    return ElasticsearchConfig(
        hosts=[server.url],
        namespace=namespace,
        username=server.user,
        password=Secret(server.password) if server.password else None,
        tls=Tls(ca_file=server.ca_file),
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def sink(config: ElasticsearchConfig, registry: CollectorRegistry) -> AsyncIterator[ElasticsearchSink]:
    made = ElasticsearchSink(config, clock=SystemClock(), registry=registry)
    await made.start()
    yield made
    await made.close()


async def test_when_batches_are_written_each_event_is_there_once_in_its_data_stream(
    sink, elasticsearch_server, namespace
):
    traps = [event(message=f"trap {n}") for n in range(20)]
    alerts = [event("alert", fenghuo={"alert": {"state": "firing", "labels": {"a b.c": "1"}}}) for _ in range(3)]
    await sink.write([batch(*traps), batch(*alerts, stream=Stream.ALERTS)])
    await sink.write([batch(*traps)])
    assert elasticsearch_server.ids(f"logs-fenghuo.snmp_trap-{namespace}") == sorted(e.id for e in traps)
    assert elasticsearch_server.ids(f"logs-fenghuo.alert-{namespace}") == sorted(e.id for e in alerts)


async def test_when_an_event_comes_again_after_a_rollover_it_is_stored_once(sink, elasticsearch_server, namespace):
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    first = [event() for _ in range(5)]
    await sink.write([batch(*first)])
    elasticsearch_server.request("POST", f"{stream}/_rollover")
    second = [event() for _ in range(5)]
    await sink.write([batch(*first, *second)])
    await sink.write([batch(*first, *second)])
    assert elasticsearch_server.ids(stream) == sorted(e.id for e in first + second)


async def test_when_a_document_conflicts_with_the_mapping_it_becomes_a_dead_letter_and_the_rest_is_stored(
    sink, elasticsearch_server, namespace, registry
):
    good, bad, other = event(), event(source="not an object"), event()
    with pytest.raises(PartialWrite) as raised:
        await sink.write([batch(good), batch(bad, other)])
    assert [rejection.index for rejection in raised.value.rejected] == [1]
    assert raised.value.retry == ()
    assert elasticsearch_server.ids(f"logs-fenghuo.snmp_trap-{namespace}") == sorted([good.id, other.id])
    (letter,) = elasticsearch_server.search(f"logs-fenghuo.dead_letter-{namespace}")["hits"]
    assert letter["_id"] == bad.id
    assert '"source":"not an object"' in letter["_source"]["event"]["original"]
    assert letter["_source"]["error"]["type"] == "document_parsing_exception"
    assert registry.get_sample_value("fenghuo_collector_elasticsearch_dead_letters_total") == 1
