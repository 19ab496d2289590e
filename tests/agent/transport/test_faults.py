"""Brokers that die, hang, lie or want no part of us: noticed in bounded time, nothing lost, nothing out of order."""

from __future__ import annotations

import asyncio
import logging
import socket

import msgspec
import pytest

from fenghuo.wire import Stream
from servers.mosquitto import Authority, mosquitto_tls
from servers.process import free_port

NO_FIVE = b"\x20\x02\x00\x01"
"""MQTT 3.1.1, section 3.2: the protocol version is refused."""
CONNACK = b"\x20\x03\x00\x00\x00"
"""MQTT 5, section 3.2: success, no properties."""


async def test_a_broker_killed_in_mid_stream_loses_nothing_and_no_stream_is_reordered(bench, tools, broker):
    collector = tools.Collector(bench.port)
    async with bench.delivering(collector):
        for _ in range(3):
            puts = [bench.put(stream, 30, b"x" * 5000) for stream in (Stream.METRICS, Stream.EVENTS)]
            seen = len(collector.frames)
            filling = asyncio.gather(*puts)
            await tools.until(lambda seen=seen: len(collector.frames) > seen + 5, "some to arrive")
            broker.kill()
            await filling
            broker.start()
        await tools.until(lambda: not bench.held(), "all to be committed")
    for stream in (Stream.METRICS, Stream.EVENTS):
        assert collector.firsts(stream) == list(range(1, 91))


class Tarpit:
    """Accepts connections and sends `greeting` once it heard something; then it is silent."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting
        self.accepted = 0
        self.said: list[bytes] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self.server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader, writer):
        self.accepted += 1
        self._writers.append(writer)
        heard = await reader.read(65536)
        self.said.append(heard)
        if heard and self.greeting:
            writer.write(self.greeting)
        while await reader.read(65536):
            pass


async def test_a_broker_that_accepts_and_says_nothing_is_left_after_the_connect_timeout(bench, tools):
    async with Tarpit(b"") as tarpit:
        transport = bench.transport(url=f"mqtt://127.0.0.1:{tarpit.port}", connect_timeout=0.3)
        async with tools.running(transport.run()):
            await bench.put(Stream.ALERTS, 1)
            await tools.until(lambda: tarpit.accepted == 3, "the third attempt", seconds=10)
    assert bench.held() == 1


async def test_a_broker_that_greets_and_then_ignores_us_is_left_too(bench, tools):
    async with Tarpit(CONNACK) as tarpit:
        transport = bench.transport(url=f"mqtt://127.0.0.1:{tarpit.port}", connect_timeout=0.3)
        async with tools.running(transport.run()):
            await tools.until(lambda: tarpit.accepted == 3, "the third attempt", seconds=10)
    assert not transport.connected


@pytest.mark.parametrize(
    ("waits", "what"), [({"publish_timeout": 30}, "keepalive"), ({"keepalive": 60}, "confirmation")]
)
async def test_a_broker_that_freezes_is_noticed_and_nothing_is_lost(bench, tools, broker, waits, what):
    collector = tools.Collector(bench.port)
    async with (
        bench.delivering(collector, publish_timeout=1, **waits)
        if "keepalive" in waits
        else bench.delivering(collector, **waits)
    ):
        await bench.put(Stream.METRICS, 5)
        await tools.until(lambda: not bench.held(), "the first to be committed")
        broker.freeze()
        await bench.put(Stream.METRICS, 5)
        await tools.until(lambda: bench.metric("connected") == 0, f"the {what} to run out", seconds=8)
        broker.thaw()
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.firsts(Stream.METRICS) == list(range(1, 11))


async def test_without_a_broker_it_keeps_trying_and_an_operator_is_not_called(bench, tools, caplog):
    port = free_port()
    transport = bench.transport(url=f"mqtt://127.0.0.1:{port}")
    async with tools.running(transport.run()):
        await tools.until(lambda: bench.metric("failures_total") >= 3, "three failures")
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert f"mqtt://127.0.0.1:{port}" in caplog.text


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


NAME = "bj/haidian/zgc-no1/gw1"
ACL = "pattern readwrite fenghuo/1/%u/#\n"


def shown(authority, identity, **options):
    return {"ca": authority.file, "certificate": identity.cert, "key": identity.key, **options}


async def test_over_tls_the_certificate_alone_says_who_the_agent_is(bench, tools, authority, tmp_path):
    agent = authority.issue(tmp_path, NAME)
    with mosquitto_tls(tmp_path / "tls", authority, ACL) as broker:
        transport = bench.transport(url=f"mqtts://127.0.0.1:{broker.port}", tls=shown(authority, agent))
        await bench.put(Stream.METRICS, 3)
        async with tools.running(transport.run()):
            await tools.until(lambda: bench.metric("unheard_total"), "the broker to take a batch")
        assert bench.metric("denied_total") == 0


async def test_a_broker_that_forbids_our_topics_is_an_error_for_the_operator(bench, tools, authority, tmp_path, caplog):
    stranger = authority.issue(tmp_path, "bj/haidian/another/gw1")
    with mosquitto_tls(tmp_path / "tls", authority, ACL) as broker:
        transport = bench.transport(url=f"mqtts://127.0.0.1:{broker.port}", tls=shown(authority, stranger))
        await bench.put(Stream.METRICS, 1)
        async with tools.running(transport.run()):
            await tools.until(lambda: bench.metric("denied_total"), "the refusal")
    assert bench.held() == 1
    assert any(record.levelno == logging.ERROR and NAME in record.message for record in caplog.records)


async def test_a_broker_with_a_certificate_of_somebody_else_is_not_trusted(bench, tools, authority, tmp_path, caplog):
    other = Authority(tmp_path / "other", "Somebody else")
    agent = authority.issue(tmp_path, NAME)
    with mosquitto_tls(tmp_path / "tls", other, ACL) as broker:
        transport = bench.transport(url=f"mqtts://127.0.0.1:{broker.port}", tls=shown(authority, agent))
        async with tools.running(transport.run()):
            await tools.until(lambda: bench.metric("failures_total") >= 1, "the failure")
            assert not transport.connected
    assert any(record.levelno == logging.ERROR and "certificate" in record.message for record in caplog.records)


@pytest.mark.parametrize(("name", "connects"), [("localhost", True), ("another-name", False)])
async def test_the_name_in_the_brokers_certificate_is_checked(bench, tools, authority, tmp_path, name, connects):
    agent = authority.issue(tmp_path, NAME)
    with mosquitto_tls(tmp_path / "tls", authority, ACL) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        transport = bench.transport(url=url, tls=shown(authority, agent, server_name=name))
        async with tools.running(transport.run()):
            await tools.until(lambda: transport.connected or bench.metric("failures_total"), "an outcome")
            assert transport.connected == connects


async def test_a_broker_that_speaks_no_mqtt_5_is_asked_again_by_3_1_1_at_once(bench, tools, caplog):
    async with Tarpit(NO_FIVE) as old:
        transport = bench.transport(url=f"mqtt://127.0.0.1:{old.port}", version="auto", reconnect_first=60)
        async with tools.running(transport.run()):
            await tools.until(lambda: old.accepted == 2, "the second attempt", seconds=10)
            await tools.until(lambda: len(old.said) == 2, "its greeting")
    assert [said[said.index(b"MQTT") + 4] for said in old.said] == [5, 4]


async def test_a_broker_that_speaks_mqtt_5_is_found_to(bench, tools):
    transport = bench.transport(version="auto")
    async with tools.running(transport.run()):
        await bench.put(Stream.EVENTS, 1)
        await tools.until(lambda: bench.metric("unheard_total"), "what only MQTT 5 tells")


async def test_it_also_speaks_mqtt_3_1_1_and_gives_its_password(bench, tools):
    collector = tools.Collector(bench.port)
    async with bench.delivering(collector, version="3.1.1", username="gw1", password="secret"):
        await bench.put(Stream.METRICS, 3)
        await tools.until(lambda: not bench.held(), "all to be committed")
    assert collector.sequences(Stream.METRICS) == [1, 2, 3]


async def test_when_the_agent_vanishes_the_broker_says_offline_for_it(bench, tools):
    collector = tools.Collector(bench.port)
    async with bench.delivering(collector) as transport:
        await tools.until(lambda: collector.status, "online")
        transport._session._client._client._sock.shutdown(socket.SHUT_RDWR)
        await tools.until(lambda: len(collector.status) >= 2, "the will")
    states = [msgspec.msgpack.decode(status)["state"] for status in collector.status]
    assert states[:2] == ["online", "offline"]
