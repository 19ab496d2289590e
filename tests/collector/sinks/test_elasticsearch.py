"""The Elasticsearch sink against real servers of both versions."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.config import Secret, Tls
from fenghuo.errors import PartialWrite, Retryable
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Event, Site
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.elasticsearch import ElasticsearchConfig, ElasticsearchSink, templates
from fenghuo_collector.sinks.elasticsearch.bulk import connect
from servers.elasticsearch import COLLECTOR, ElasticsearchServer

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
        tls=Tls(ca=server.ca_file),
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


async def test_when_a_document_is_refused_again_its_dead_letter_stays_one(sink, elasticsearch_server, namespace):
    bad = event(source="not an object")
    for _ in range(2):
        with pytest.raises(PartialWrite):
            await sink.write([batch(bad)])
    assert elasticsearch_server.ids(f"logs-fenghuo.dead_letter-{namespace}") == [bad.id]


async def test_when_a_document_cannot_be_json_it_becomes_a_dead_letter(sink, elasticsearch_server, namespace):
    bad = event(thing=msgspec.msgpack.Ext(5, b"x"))
    with pytest.raises(PartialWrite):
        await sink.write([batch(event(), bad)])
    (letter,) = elasticsearch_server.search(f"logs-fenghuo.dead_letter-{namespace}")["hits"]
    assert letter["_source"]["error"]["type"] == "no_json"
    assert "Ext" in letter["_source"]["event"]["original"]


async def test_fields_are_mapped_as_the_common_schema_says(sink, elasticsearch_server, namespace):
    alert = {"starts_at": "2026-01-01T00:00:00.000Z", "value": 3, "labels": {"a": "b"}, "evidence": {"x": {"y": 1}}}
    await sink.write(
        [
            batch(
                event(
                    "alert",
                    source={"ip": "fe80::1", "port": 22},
                    fenghuo={"alert": alert},
                    free={"ip": "10.0.0.1", "word": "w"},
                )
            )
        ]
    )
    caps = elasticsearch_server.request("GET", f"logs-fenghuo.alert-{namespace}/_field_caps?fields=*")["fields"]
    found = {name: next(iter(kinds)) for name, kinds in caps.items()}
    expected = {
        "@timestamp": "date",
        "event.id": "keyword",
        "source.ip": "ip",
        "source.port": "long",
        "fenghuo.alert.starts_at": "date",
        "fenghuo.alert.value": "double",
        "fenghuo.alert.labels": "flattened",
        "fenghuo.alert.evidence": "flattened",
        "free.ip": "ip",
        "free.word": "keyword",
    }
    assert {name: found.get(name) for name in expected} == expected


async def test_templates_are_put_when_missing_or_older_and_never_when_newer(config, elasticsearch_server):
    client = connect(config)
    await templates.install(client, config.retention)
    assert await templates.install(client, config.retention) == []
    assert await templates.install(client, 86400.0) == [templates.SETTINGS]
    put = elasticsearch_server.request("GET", f"_component_template/{templates.SETTINGS}")["component_templates"][0]
    assert put["component_template"]["template"]["lifecycle"]["data_retention"] == "1d"
    assert put["component_template"]["version"] == templates.VERSION
    body = templates.component_templates(None)[templates.SETTINGS] | {"version": templates.VERSION + 1}
    elasticsearch_server.request("PUT", f"_component_template/{templates.SETTINGS}", body)
    assert await templates.install(client, config.retention) == []
    body["version"] = templates.VERSION - 1
    elasticsearch_server.request("PUT", f"_component_template/{templates.SETTINGS}", body)
    assert await templates.install(client, config.retention) == [templates.SETTINGS]
    await client.close()


async def test_when_mappings_are_newer_existing_data_streams_roll_over(config, sink, elasticsearch_server, namespace):
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    first, second = event(), event()
    await sink.write([batch(first)])
    old = templates.component_templates(None)[templates.MAPPINGS] | {"version": templates.VERSION - 1}
    elasticsearch_server.request("PUT", f"_component_template/{templates.MAPPINGS}", old)
    client = connect(config)
    assert await templates.install(client, config.retention) == [templates.MAPPINGS]
    await sink.write([batch(first, second)])
    assert len((await templates.data_streams(client))[stream]) == 2
    assert elasticsearch_server.ids(stream) == sorted([first.id, second.id])
    await client.close()


async def test_the_documented_rights_are_enough(config, elasticsearch_server, namespace):
    if not elasticsearch_server.user:
        return  # without a password everybody may do everything
    own = config.replace(username=COLLECTOR, retention=86400.0 * 7)
    sink = ElasticsearchSink(own, clock=SystemClock(), registry=CollectorRegistry())
    await sink.start()
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    first = event()
    await sink.write([batch(first)])
    elasticsearch_server.request("POST", f"{stream}/_rollover")
    copy = {"@timestamp": "2026-01-01T00:00:00.000Z", "event": {"id": first.id}}
    elasticsearch_server.request("PUT", f"{stream}/_create/{first.id}?refresh=true", copy)
    with pytest.raises(PartialWrite):
        await sink.write([batch(first, event(source="not an object"))])
    assert elasticsearch_server.ids(stream) == [first.id]
    assert len(elasticsearch_server.ids(f"logs-fenghuo.dead_letter-{namespace}")) == 1
    await sink.close()


Handle = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]


class Proxy:
    """Stands between sink and server. `before` may answer instead; `after` may lose the server's answer."""

    def __init__(self, server: ElasticsearchServer) -> None:
        self._server = server
        self.before: Handle | None = None
        self.lose = 0
        self.requests: list[web.Request] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        app = web.Application(client_max_size=2**27)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            yield self
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.read()
        bulk = request.path.endswith("_bulk")
        if bulk and self.before and (answer := await self.before(request, body)):
            return answer
        headers = {key: value for key, value in request.headers.items() if key not in ("Host", "Content-Length")}
        url = f"{self._server.url}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=headers, ssl=False) as answer:
            content = await answer.read()
            names = ("Content-Type", "Content-Encoding", "X-Elastic-Product")
            kept = {key: answer.headers[key] for key in names if key in answer.headers}
        if bulk and self.lose:
            self.lose -= 1
            request.transport.abort()
        return web.Response(status=answer.status, body=content, headers=kept)


@pytest.fixture
async def proxy(elasticsearch_server: ElasticsearchServer) -> AsyncIterator[Proxy]:
    async with Proxy(elasticsearch_server).running() as made:
        yield made


@pytest.fixture
async def behind(
    config: ElasticsearchConfig, proxy: Proxy, registry: CollectorRegistry
) -> AsyncIterator[ElasticsearchSink]:
    """A sink behind the proxy, with small requests."""
    made = ElasticsearchSink(
        config.replace(hosts=[proxy.url], max_documents=10), clock=SystemClock(), registry=registry
    )
    await made.start()
    yield made
    await made.close()


async def until_stored(sink: ElasticsearchSink, *batches: Batch) -> int:
    """Write again and again, as ingest does; how often it took."""
    for attempt in itertools.count(1):
        try:
            await sink.write(batches)
        except Retryable:
            assert attempt < 20
        else:
            return attempt
    return 0


async def test_when_answers_are_lost_and_everything_is_sent_again_each_event_is_there_once(
    behind, proxy, elasticsearch_server, namespace
):
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    events = [event() for _ in range(35)]
    proxy.lose = 6  # the HTTP client repeats a PUT once by itself
    assert await until_stored(behind, batch(*events)) == 4
    proxy.lose = 2
    more = [event() for _ in range(5)]
    with pytest.raises(Retryable):
        await behind.write([batch(*more)])
    elasticsearch_server.request("POST", f"{stream}/_rollover")
    await until_stored(behind, batch(*more, *events))
    assert elasticsearch_server.ids(stream) == sorted(e.id for e in events + more)


async def test_when_a_rollover_slips_between_looking_and_writing_copies_are_taken_out(
    behind, proxy, elasticsearch_server, namespace
):
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    events = [event() for _ in range(5)]
    await behind.write([batch(*events)])

    async def roll_over(_: web.Request, body: bytes) -> None:
        if b'"create"' in body:
            proxy.before = None
            elasticsearch_server.request("POST", f"{stream}/_rollover")

    proxy.before = roll_over
    more = [event() for _ in range(3)]
    await behind.write([batch(*events, *more)])
    assert elasticsearch_server.ids(stream) == sorted(e.id for e in events + more)


async def test_when_copies_were_left_by_a_crash_the_next_sending_takes_them_out(sink, elasticsearch_server, namespace):
    stream = f"logs-fenghuo.snmp_trap-{namespace}"
    one = event()
    await sink.write([batch(one)])
    elasticsearch_server.request("POST", f"{stream}/_rollover")
    copy = {"@timestamp": "2026-01-01T00:00:00.000Z", "event": {"id": one.id}}
    elasticsearch_server.request("PUT", f"{stream}/_create/{one.id}?refresh=true", copy)
    assert len(elasticsearch_server.ids(stream)) == 2
    sink._parts.duplicates._known.clear()
    await sink.write([batch(one)])
    assert elasticsearch_server.ids(stream) == [one.id]


def answer_of(*entries: dict[str, object], status: int = 200) -> web.Response:
    """An answer to a bulk request, as Elasticsearch words it."""
    body = {"errors": True, "items": [{"create": entry} for entry in entries]}
    return web.json_response(body, status=status, headers={"X-Elastic-Product": "Elasticsearch"})


async def test_only_items_that_may_succeed_later_come_again(behind, proxy):
    async def answer(_: web.Request, __: bytes) -> web.Response:
        busy = {"type": "es_rejected_execution_exception", "reason": "queue full"}
        shards = {"type": "validation_exception", "reason": "this cluster currently has [1000]/[1000] shards open"}
        return answer_of(
            {"status": 201},
            {"status": 429, "error": busy},
            {"status": 409},
            {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": ""}},
            {"status": 400, "error": shards},
            {"status": 403, "error": {"type": "security_exception", "reason": "no"}},
        )

    proxy.before = answer
    with pytest.raises(PartialWrite) as raised:
        await behind.write([batch(*(event() for _ in range(6)))])
    assert raised.value.retry == (1, 3, 4, 5)
    assert raised.value.rejected == ()


async def test_when_a_request_is_too_large_it_is_halved_and_what_is_too_large_alone_becomes_a_dead_letter(
    behind, proxy, elasticsearch_server, namespace
):
    async def answer(_: web.Request, body: bytes) -> web.Response | None:
        return web.Response(status=413, text="too large") if len(body) > 40_000 else None

    proxy.before = answer
    events = [event(message="x" * 10_000) for _ in range(8)]
    huge = event(message="y" * 50_000)
    with pytest.raises(PartialWrite) as raised:
        await behind.write([batch(*events[:4], huge, *events[4:])])
    assert [rejection.index for rejection in raised.value.rejected] == [4]
    assert elasticsearch_server.ids(f"logs-fenghuo.snmp_trap-{namespace}") == sorted(e.id for e in events)
    (letter,) = elasticsearch_server.search(f"logs-fenghuo.dead_letter-{namespace}")["hits"]
    assert letter["_source"]["fenghuo"]["dead_letter"]["truncated"] is True


async def test_when_the_dead_letter_must_wait_the_document_comes_again(behind, proxy):
    async def answer(_: web.Request, body: bytes) -> web.Response:
        if b"dead_letter" in body:
            return answer_of({"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": ""}})
        return answer_of({"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}})

    proxy.before = answer
    with pytest.raises(PartialWrite) as raised:
        await behind.write([batch(event())])
    assert (raised.value.retry, raised.value.rejected) == ((0,), ())


async def test_when_even_the_dead_letter_is_refused_the_loss_is_counted_and_told(behind, proxy, registry, caplog):
    async def answer(_: web.Request, __: bytes) -> web.Response:
        return answer_of({"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}})

    proxy.before = answer
    with pytest.raises(PartialWrite):
        await behind.write([batch(event())])
    assert registry.get_sample_value("fenghuo_collector_elasticsearch_lost_documents_total") == 1
    assert any(record.levelno == logging.ERROR and "lost" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("status", "level"), [(401, logging.ERROR), (403, logging.ERROR), (429, logging.WARNING), (503, logging.WARNING)]
)
async def test_when_the_server_refuses_the_caller_everything_waits_and_an_operator_is_called(
    behind, proxy, caplog, status, level
):
    async def answer(_: web.Request, __: bytes) -> web.Response:
        error = {"type": "security_exception", "reason": "unable to authenticate"}
        return web.json_response({"error": error, "status": status}, status=status)

    proxy.before = answer
    for _ in range(3):
        with pytest.raises(Retryable, match=f"{status}: security_exception"):
            await behind.write([batch(event())])
    assert [record.levelno for record in caplog.records if record.name.startswith("fenghuo")] == [level]


async def test_when_something_else_answers_nothing_is_given_up(behind, proxy):
    async def answer(_: web.Request, __: bytes) -> web.Response:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    proxy.before = answer
    with pytest.raises(Retryable):
        await behind.write([batch(event())])
    proxy.before = None
    await behind.write([batch(event())])


async def test_an_api_key_is_sent_and_never_shown(proxy, caplog):
    config = ElasticsearchConfig(hosts=[proxy.url], api_key=Secret("a2V5OnNlY3JldA=="))
    sink = ElasticsearchSink(config, clock=SystemClock(), registry=CollectorRegistry())
    with contextlib.suppress(Retryable):
        await sink.start()
    await sink.close()
    assert {request.headers["Authorization"] for request in proxy.requests} == {"ApiKey a2V5OnNlY3JldA=="}
    assert "a2V5" not in repr(config) + caplog.text


async def test_when_the_server_is_away_at_the_start_the_sink_starts_later(config, proxy, elasticsearch_server):
    away = ElasticsearchSink(
        config.replace(hosts=["http://127.0.0.1:9"]), clock=SystemClock(), registry=CollectorRegistry()
    )
    with pytest.raises(Retryable):
        await away.start()
    with pytest.raises(Retryable):
        await away.write([batch(event())])
    await away.close()


async def test_when_the_server_cannot_be_trusted_or_refuses_the_password_it_says_so(config, elasticsearch_server):
    strange = config.replace(hosts=[elasticsearch_server.url.replace("http://", "https://")], tls=Tls())
    sink = ElasticsearchSink(strange, clock=SystemClock(), registry=CollectorRegistry())
    with pytest.raises(Retryable, match=r"(?i)certificate|ssl"):
        await sink.start()
    if elasticsearch_server.user:
        wrong = config.replace(password=Secret("wrong"))
        sink = ElasticsearchSink(wrong, clock=SystemClock(), registry=CollectorRegistry())
        with pytest.raises(Retryable, match="401"):
            await sink.start()


async def test_documents_are_kept_as_they_were(sink, elasticsearch_server, namespace):
    one = event(message='楼 "3"\n', numbers=[1, 2.5, -(2**62)], nothing=None, deep={"er": [{"x": True}]})
    await sink.write([batch(one)])
    (hit,) = elasticsearch_server.search(f"logs-fenghuo.snmp_trap-{namespace}")["hits"]
    source = hit["_source"]
    assert source.pop("@timestamp").endswith("Z")
    assert source == json.loads(json.dumps(one.document))
