"""The Prometheus sink against a real Prometheus, and against a server that answers as told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable

import cramjam
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock, SystemClock, VirtualClock
from fenghuo.config import Secret, Tls
from fenghuo.errors import PartialWrite, Permanent, Retryable
from fenghuo.model import AgentId, Layout, Site, Table, single
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.prometheus import PrometheusConfig, PrometheusSink
from fenghuo_collector.sinks.prometheus.sink import Refusals
from servers.elasticsearch import PASSWORD, PASSWORD_HASH, make_certificate
from servers.prometheus import PrometheusServer, prometheus

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")
REJECTED = "fenghuo_collector_remote_write_rejected_samples_total"


def batch(*tables: Table, agent: AgentId = AGENT, stream: Stream = Stream.METRICS) -> Batch:
    return Batch(agent, stream, 1, 0, tables=tables)


def now() -> int:
    return time.time_ns() // 1_000_000


def interface(device: str, *fields: str) -> Layout:
    rows = {"ifIndex": ["1", "2"], "ifName": ["Gi0/1", "Gi0/2"], "ifAlias": ['uplink 楼 "3"', ""]}
    labels = {"job": "snmp", "instance": "10.0.0.1", "device": device}
    return Layout("interface", labels, rows, fields or ("ifOperStatus", "ifHCInOctets"))


def gauge(name: str, value: float, at: int, **labels: str) -> Table:
    return single("sensor", labels, {name: value}, at)


@contextlib.asynccontextmanager
async def started(
    config: PrometheusConfig, clock: Clock | None = None, registry: CollectorRegistry | None = None
) -> AsyncIterator[PrometheusSink]:
    sink = PrometheusSink(config, clock=clock or SystemClock(), registry=registry or CollectorRegistry())
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
async def sink(prometheus_server: PrometheusServer) -> AsyncIterator[PrometheusSink]:
    async with started(PrometheusConfig(url=prometheus_server.remote_write)) as made:
        yield made


async def test_when_a_table_is_written_promql_reads_equal_values_under_its_labels(sink, prometheus_server):
    at = now()
    await sink.write([batch(Table(interface("sw-1"), at, [[1, 2], array("Q", [2**63, 12345678901])]))])
    (first,) = prometheus_server.query('ifHCInOctets{device="sw-1",ifName="Gi0/1"}', at)
    assert first["metric"] == {
        "__name__": "ifHCInOctets",
        "site": "bj/haidian/zgc-no1",
        "agent": "gw1",
        "job": "snmp",
        "instance": "10.0.0.1",
        "device": "sw-1",
        "ifIndex": "1",
        "ifName": "Gi0/1",
        "ifAlias": 'uplink 楼 "3"',
    }
    assert float(first["value"][1]) == 2.0**63
    assert prometheus_server.value('ifHCInOctets{device="sw-1",ifAlias=""}', at) == 12345678901
    assert prometheus_server.value('ifOperStatus{device="sw-1",ifName="Gi0/2"}', at) == 2


async def test_when_a_value_was_not_read_there_is_no_sample_of_it(sink, prometheus_server):
    at = now()
    await sink.write([batch(Table(interface("sw-absent"), at, [[1, None], [None, None]]))])
    assert len(prometheus_server.query('{device="sw-absent"}', at)) == 1


async def test_when_an_hour_of_backlog_comes_after_live_values_every_sample_is_there(sink, prometheus_server):
    at = now()
    layout = interface("sw-back")
    await sink.write([batch(Table(layout, at, [[1, 1], [1_000_000, 1]]))])
    backlog = [Table(layout, at - minute * 60_000, [[1, 1], [1_000_000 - minute, 1]]) for minute in range(1, 61)]
    for start in range(0, 60, 20):
        await sink.write([batch(*backlog[start : start + 20], stream=Stream.BACKFILL)])
    found = prometheus_server.samples('ifHCInOctets{device="sw-back",ifName="Gi0/1"}', at - 3_600_000, at)
    assert found == {at - minute * 60_000: 1_000_000 - minute for minute in range(61)}


async def test_when_the_same_batch_comes_again_nothing_changes(sink, prometheus_server):
    at = now()
    layout = interface("sw-again")
    tables = [Table(layout, at - 1000 * n, [[1, 1], [n, n]]) for n in range(3)]
    for _ in range(2):
        await sink.write([batch(*tables), batch(*tables)])
    found = prometheus_server.samples('ifHCInOctets{device="sw-again",ifName="Gi0/1"}', at - 9000, at)
    assert found == {at - 1000 * n: n for n in range(3)}


async def test_when_a_table_ends_its_series_vanish_at_once(sink, prometheus_server):
    at = now()
    layout = interface("sw-gone")
    await sink.write([batch(Table(layout, at - 2000, [[1, 1], [1, 1]]), Table(layout, at, (), ended=True))])
    assert len(prometheus_server.query('{device="sw-gone"}', at - 1)) == 4
    assert prometheus_server.query('{device="sw-gone"}', at + 1) == []


async def test_when_one_sample_is_refused_the_others_of_its_request_are_stored(sink, prometheus_server):
    at = now()
    await sink.write([batch(gauge("bad", 1, at))])
    good = [gauge(f"good{n}", n, at) for n in range(20)]
    with pytest.raises(PartialWrite) as raised:
        await sink.write([batch(*good[:10], gauge("bad", 2, at)), batch(*good[10:])])
    assert [rejection.index for rejection in raised.value.rejected] == [10]
    assert "duplicate sample" in raised.value.rejected[0].reason
    assert raised.value.retry == ()
    assert [prometheus_server.value(f"good{n}", at) for n in range(20)] == list(range(20))
    assert prometheus_server.value("bad", at) == 1


async def test_when_a_backlog_is_too_old_it_is_refused_and_not_sent_for_ever(prometheus_server):
    at, registry = now(), CollectorRegistry()
    layout = interface("sw-old")
    days = [Table(layout, at - day * 86_400_000, [[1, 1], [1, 1]]) for day in (3, 2, 0)]
    async with started(PrometheusConfig(url=prometheus_server.remote_write), registry=registry) as sink:
        with pytest.raises(PartialWrite) as raised:
            await sink.write([batch(*days)])
    assert [rejection.index for rejection in raised.value.rejected] == [0, 1]
    assert registry.get_sample_value(REJECTED, {"reason": "too_old"}) == 8
    assert len(prometheus_server.query('{device="sw-old"}', at)) == 4


async def test_when_an_agents_clock_is_far_ahead_its_samples_are_kept_out(prometheus_server):
    at, registry = now(), CollectorRegistry()
    async with started(PrometheusConfig(url=prometheus_server.remote_write), registry=registry) as sink:
        with pytest.raises(PartialWrite) as raised:
            await sink.write([batch(gauge("ahead", 1, at + 7_200_000), gauge("on_time", 1, at), gauge("zero", 1, 0))])
    assert [rejection.index for rejection in raised.value.rejected] == [0, 2]
    assert registry.get_sample_value(REJECTED, {"reason": "future"}) == 1
    assert prometheus_server.value("on_time", at) == 1


async def test_when_tables_are_larger_than_a_request_they_are_cut(prometheus_server):
    at = now()
    rows = 70
    layout = Layout(
        "big", {"device": "sw-big"}, {"n": [str(n) for n in range(rows)]}, tuple(f"big{n}" for n in range(9))
    )
    columns = [[field * 1000 + row for row in range(rows)] for field in range(9)]
    registry = CollectorRegistry()
    config = PrometheusConfig(url=prometheus_server.remote_write, max_samples=100)
    async with started(config, registry=registry) as sink:
        await sink.write([batch(*(Table(layout, at + n, columns) for n in range(3)))])
    found = prometheus_server.query('{device="sw-big"}', at + 3)
    assert {(s["metric"]["__name__"], s["metric"]["n"], float(s["value"][1])) for s in found} == {
        (f"big{field}", str(row), field * 1000 + row) for field in range(9) for row in range(rows)
    }
    assert registry.get_sample_value("fenghuo_collector_remote_write_samples_total") == 3 * 9 * rows
    assert registry.get_sample_value("fenghuo_collector_remote_write_request_seconds_count") >= 19


async def test_with_tls_and_a_password_it_writes_and_without_either_it_says_so(tmp_path, caplog):
    make_certificate(tmp_path / "node.crt", tmp_path / "node.key")
    web_config = {
        "tls_server_config": {"cert_file": str(tmp_path / "node.crt"), "key_file": str(tmp_path / "node.key")},
        "basic_auth_users": {"fenghuo": PASSWORD_HASH},
    }
    with prometheus(tmp_path / "server", web_config=web_config) as server:
        table = batch(gauge("guarded", 1, now()))
        config = PrometheusConfig(
            url=server.remote_write,
            username="fenghuo",
            password=Secret(PASSWORD),
            tls=Tls(ca=tmp_path / "node.crt"),
        )
        async with started(config) as sink:
            await sink.write([table])
        async with started(config.replace(tls=Tls())) as sink:
            with pytest.raises(Retryable, match=r"(?i)certificate"):
                await sink.write([table])
        async with started(config.replace(password=Secret("wrong"))) as sink:
            caplog.clear()
            for _ in range(3):
                with pytest.raises(Retryable, match="401"):
                    await sink.write([table])
        assert [record.levelno for record in caplog.records if record.name.startswith("fenghuo")] == [logging.ERROR]
        assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(config)


async def test_when_a_certificate_file_is_missing_it_says_which(tmp_path):
    missing = PrometheusConfig(url="https://127.0.0.1:1/", tls=Tls(ca=tmp_path / "none.pem"))
    with pytest.raises(Permanent, match=r"none\.pem"):
        async with started(missing):
            pass


async def test_samples_of_one_series_are_put_in_order_of_time_whatever_order_batches_came_in():
    layout, at = interface("sw-order"), now()
    tables = [Table(layout, at - age, [[1, 1], [1, 1]]) for age in (3000, 1000, 2000, 4000)]
    sink = PrometheusSink(PrometheusConfig(), clock=SystemClock(), registry=CollectorRegistry())
    (group,) = sink._groups([batch(*tables[:2]), batch(*tables[2:], stream=Stream.BACKFILL)], Refusals())
    assert [table.time for table in group.tables] == [at - 4000, at - 3000, at - 2000, at - 1000]
    assert [tables[index] for index in group.indices] == list(group.tables)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server on a loopback port that answers as told; gives its address."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/api/v1/write"
    finally:
        await runner.cleanup()


async def test_a_request_has_the_headers_of_the_specification_and_ours():
    seen: list[web.Request] = []
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        bodies.append(bytes(cramjam.snappy.decompress_raw(await request.read())))
        return web.Response(status=204)

    async with answering(answer) as url:
        config = PrometheusConfig(url=url, bearer_token=Secret("t0ken"), headers={"X-Scope-OrgID": "haidian"})
        async with started(config) as sink:
            await sink.write([batch(gauge("x", 1, now()))])
    (request,) = seen
    expected = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        "X-Scope-OrgID": "haidian",
        "Authorization": "Bearer t0ken",
    }
    assert {name: request.headers[name] for name in expected} == expected
    assert request.headers["User-Agent"].startswith("fenghuo/")
    assert bodies[0].startswith(b"\x0a")


@pytest.mark.parametrize(
    ("status", "headers", "delay"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        (503, {"Retry-After": "soon"}, None),
        (500, {}, None),
        (502, {}, None),
        (404, {}, None),
        (302, {"Location": "/login"}, None),
    ],
)
async def test_an_answer_that_may_change_asks_for_everything_again(status, headers, delay):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="wait")

    clock = VirtualClock()
    async with answering(answer) as url, started(PrometheusConfig(url=url), clock) as sink:
        with pytest.raises(Retryable, match=str(status)) as raised:
            await sink.write([batch(gauge("x", 1, clock.now()))])
    assert raised.value.retry_after == delay


async def test_when_no_answer_comes_within_the_timeout_everything_comes_again():
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with answering(answer) as url, started(PrometheusConfig(url=url, timeout=0.1)) as sink:
        with pytest.raises(Retryable, match="no answer within"):
            await sink.write([batch(gauge("x", 1, now()))])


async def test_when_nobody_listens_everything_comes_again_and_trouble_is_told_once(caplog):
    async with started(PrometheusConfig(url="http://127.0.0.1:9/")) as sink:
        for _ in range(3):
            with pytest.raises(Retryable):
                await sink.write([batch(gauge("x", 1, now()))])
    assert len([record for record in caplog.records if record.name.startswith("fenghuo")]) == 1


async def test_when_the_server_refuses_everything_the_search_for_the_guilty_ends():
    requests = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        body = await request.read()
        return web.Response(status=400, text="label value too long") if len(body) > 1 else web.Response(status=204)

    async with answering(answer) as url, started(PrometheusConfig(url=url)) as sink:
        tables = [Table(interface(f"sw-{n}"), now(), [[1, 1], [1, 1]]) for n in range(300)]
        with pytest.raises(PartialWrite) as raised:
            await sink.write([batch(*tables)])
    assert len(raised.value.rejected) == 300
    assert requests <= 202


async def test_when_even_an_empty_request_is_refused_nothing_is_given_up(prometheus_server, caplog):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=400, text="Client sent an HTTP request to an HTTPS server.")

    async with answering(answer) as url, started(PrometheusConfig(url=url)) as sink:
        with pytest.raises(Retryable, match="even an empty request"):
            await sink.write([batch(gauge("x", 1, now()))])
    assert [record.levelno for record in caplog.records if record.name.startswith("fenghuo")] == [logging.ERROR]
    async with started(PrometheusConfig(url=prometheus_server.remote_write)) as sink:
        await sink._remote.check()
