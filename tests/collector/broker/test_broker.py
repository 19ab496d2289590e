"""The embedded broker, with the client that agents and collectors use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import aiomqtt
import pytest
from pydantic import ValidationError

from fenghuo.errors import Retryable
from fenghuo_collector.broker import EmbeddedBroker, EmbeddedBrokerConfig
from fenghuo_collector.ingest import BrokerConfig
from servers.mosquitto import Authority


@contextlib.asynccontextmanager
async def broker(**options) -> AsyncIterator[EmbeddedBroker]:
    config = EmbeddedBrokerConfig.model_validate({"listen": "127.0.0.1:0", **options})
    found = EmbeddedBroker(config)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def client(embedded: EmbeddedBroker, **options) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", embedded.port, **{"timeout": 5, **options})


async def first(connection: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(5):
        return await anext(connection.messages)


async def send_and_listen(embedded: EmbeddedBroker, payload: bytes) -> None:
    async with client(embedded) as connection:
        connection._client.publish("a/b", payload, qos=1)
        await first(connection)


async def test_when_a_message_has_a_megabyte_it_arrives_whole():
    payload = os.urandom(2**20)
    async with broker() as embedded, client(embedded) as reader, client(embedded) as writer:
        await reader.subscribe("a/b", qos=1)
        await writer.publish("a/b", payload, qos=1)
        assert (await first(reader)).payload == payload


async def test_when_a_client_announces_a_packet_beyond_the_bound_it_is_cut_off_and_others_go_on():
    async with broker(max_packet=100_000) as embedded, client(embedded) as reader, client(embedded) as good:
        await reader.subscribe("a/b", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            await send_and_listen(embedded, bytes(200_000))
        await good.publish("a/b", b"good", qos=1)
        assert (await first(reader)).payload == b"good"


async def test_when_a_client_vanishes_its_will_is_published_and_retained():
    will = aiomqtt.Will("a/status", b"offline", qos=1, retain=True)
    async with broker() as embedded, client(embedded) as reader:
        await reader.subscribe("a/status", qos=1)
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(embedded, will=will) as lost:
                lost._client.socket().shutdown(2)
        assert (await first(reader)).payload == b"offline"
        async with client(embedded) as late:
            await late.subscribe("a/status", qos=1)
            message = await first(late)
    assert (message.payload, message.retain) == (b"offline", True)


async def test_when_a_client_connects_it_gets_no_retained_message_that_it_did_not_ask_for():
    async with broker() as embedded, client(embedded) as collector, client(embedded) as agent:
        await agent.publish("a/one/status", b"online", qos=1, retain=True)
        await collector.subscribe("a/+/status", qos=1)
        await first(collector)
        async with client(embedded) as other:
            await other.subscribe("a/two/ack", qos=1)
            await collector.publish("a/two/ack", b"for you", qos=1)
            assert (await first(other)).payload == b"for you"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"username": "gw1", "password": "x"},
        {"will": aiomqtt.Will("a/status", b"offline", 1, True), "username": "gw1"},
    ],
)
async def test_when_a_client_speaks_mqtt_5_it_is_told_that_the_version_is_not_supported(options):
    async with broker() as embedded:
        with pytest.raises(aiomqtt.MqttError, match="Unsupported protocol version"):
            async with client(embedded, protocol=aiomqtt.ProtocolVersion.V5, **options):
                pass


@pytest.mark.parametrize(
    "garbage", [b"\x00", b"\x10\x05\x00\x04MQ", b"\x10\xff\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_when_a_client_speaks_something_else_it_is_cut_off_and_others_go_on(garbage):
    async with broker(connect_timeout=0.2) as embedded, client(embedded) as good:
        reader, writer = await asyncio.open_connection("127.0.0.1", embedded.port)
        writer.write(garbage)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        await good.subscribe("a/b", qos=1)
        await good.publish("a/b", b"good", qos=1)
        assert (await first(good)).payload == b"good"


USERS = [
    {"name": "collector", "password": "c-secret"},
    {"name": "gw1", "password": "g-secret", "agent": "bj/zgc/gw1"},
]


@pytest.mark.parametrize("credentials", [{}, {"username": "gw1", "password": "wrong"}, {"username": "nobody"}])
async def test_when_users_are_named_others_do_not_come_in(credentials):
    async with broker(users=USERS) as embedded:
        with pytest.raises(aiomqtt.MqttError):
            async with client(embedded, **credentials):
                pass


async def test_when_a_user_is_an_agent_it_speaks_and_hears_on_its_own_topics_only():
    async with (
        broker(users=USERS) as embedded,
        client(embedded, username="collector", password="c-secret") as collector,
        client(embedded, username="gw1", password="g-secret") as agent,
    ):
        await collector.subscribe("fenghuo/1/#", qos=1)
        await agent.publish("fenghuo/1/bj/zgc/gw2/events", b"forged", qos=1)
        await agent.publish("fenghuo/1/bj/zgc/gw1/events", b"own", qos=1)
        assert (await first(collector)).payload == b"own"
        codes = await agent.subscribe([("fenghuo/1/#", 1), ("fenghuo/1/bj/zgc/gw1/ack", 1)])
        assert [code if isinstance(code, int) else code.value for code in codes] == [0x80, 1]


async def connects(config: BrokerConfig) -> bool:
    password = config.password.reveal() if config.password else None
    try:
        async with aiomqtt.Client(
            config.host, config.port, username=config.username, password=password, timeout=3
        ) as it:
            await it.subscribe("fenghuo/1/#", qos=1)
            return True
    except aiomqtt.MqttError:
        return False


async def test_when_others_must_show_who_they_are_the_collector_still_comes_in(tmp_path):
    authority = Authority(tmp_path)
    server = authority.issue(tmp_path, "broker", "127.0.0.1")
    tls = {"certificate": server.cert, "key": server.key, "client_ca": authority.file}
    for options in ({}, {"users": USERS}, {"tls": tls}, {"users": USERS, "tls": tls}):
        async with broker(**options) as embedded:
            own = embedded.client_config()
            assert await connects(own)
            if options:  # nobody else comes in by that door
                assert not await connects(BrokerConfig(url=own.url))
                assert not await connects(BrokerConfig(url=own.url, username=own.username, password="guessed"))
                assert not await connects(BrokerConfig(url=own.url, username="collector", password="c-secret"))


async def test_when_tls_is_configured_clients_must_show_a_certificate(tmp_path):
    authority = Authority(tmp_path)
    server, own = authority.issue(tmp_path, "broker", "127.0.0.1"), authority.issue(tmp_path, "gw1")
    tls = {"certificate": server.cert, "key": server.key, "client_ca": authority.file}
    async with broker(tls=tls) as embedded:
        shown = aiomqtt.TLSParameters(ca_certs=str(authority.file), certfile=str(own.cert), keyfile=str(own.key))
        async with client(embedded, tls_params=shown) as connection:
            await connection.publish("a/b", b"x", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            async with client(embedded, timeout=1, tls_params=aiomqtt.TLSParameters(ca_certs=str(authority.file))):
                pass


def test_when_the_address_is_open_to_others_users_must_be_named():
    with pytest.raises(ValidationError, match="users must be named"):
        EmbeddedBrokerConfig(listen="0.0.0.0:1883")
    assert EmbeddedBrokerConfig.model_validate({"listen": "0.0.0.0:1883", "users": USERS}).users


async def test_when_the_port_is_taken_the_error_says_so():
    async with broker() as embedded:
        second = EmbeddedBroker(EmbeddedBrokerConfig(listen=f"127.0.0.1:{embedded.port}"))
        with pytest.raises(Retryable, match="cannot listen"):
            await second.start()


async def test_when_clients_are_connected_it_still_ends_in_under_a_second():
    embedded = EmbeddedBroker(EmbeddedBrokerConfig(listen="127.0.0.1:0"))
    await embedded.start()
    connected = asyncio.Semaphore(0)

    async def stay() -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(embedded) as connection:
                await connection.subscribe("a/#", qos=1)
                connected.release()
                await anext(connection.messages)

    tasks = [asyncio.create_task(stay()) for _ in range(20)]
    for _ in tasks:
        await connected.acquire()
    started = time.monotonic()
    await embedded.stop()
    assert time.monotonic() - started < 1
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_when_a_client_says_nothing_it_is_cut_off():
    async with broker(connect_timeout=0.1) as embedded:
        reader, writer = await asyncio.open_connection("127.0.0.1", embedded.port)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
