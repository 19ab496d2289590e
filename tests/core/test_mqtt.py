"""However a connection ends, the event loop has nothing to complain of and the socket is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiomqtt
import pytest
import uvloop

from fenghuo.mqtt import Client, reason

CONNACK = b"\x20\x02\x00\x00"
Scenario = Callable[[], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def broker(*, answers: bool = True, hangs_up: bool = False) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A port where MQTT 3.1.1 connections are taken, and an event that says that the client closed one."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            if answers:
                writer.write(CONNACK)
            while not hangs_up and await reader.read(4096):
                pass
        if hangs_up:
            writer.transport.abort()
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], closed


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def complaints(request: pytest.FixtureRequest) -> Callable[[Scenario], list[str]]:
    """Runs a scenario in a loop of each kind; what the loop complained of."""

    def run(scenario: Scenario) -> list[str]:
        heard: list[str] = []

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: heard.append(f"{context['message']}: {context.get('exception')!r}")
            )
            async with asyncio.timeout(10):
                await scenario()
            for _ in range(3):
                await asyncio.sleep(0)
            gc.collect()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(watched())
        return heard

    return run


def test_a_socket_that_was_closed_before_its_turn_to_write_is_left_alone(complaints):
    async def scenario() -> None:
        async with broker() as (port, _):
            client = Client("127.0.0.1", port)
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    client._client.publish("a/b", b"x")
                    client._client._sock_close()

    assert complaints(scenario) == []


def test_when_the_broker_hangs_up_the_reason_is_heard(complaints):
    async def scenario() -> None:
        async with broker(hangs_up=True) as (port, closed):
            with contextlib.suppress(aiomqtt.MqttError):
                async with Client("127.0.0.1", port) as client:
                    await closed.wait()
                    while client._client.is_connected():  # noqa: ASYNC110 — paho has no event to wait for
                        await asyncio.sleep(0.001)

    assert complaints(scenario) == []


def test_when_connecting_is_cancelled_the_socket_is_closed(complaints):
    async def scenario() -> None:
        async with broker(answers=False) as (port, closed):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1), Client("127.0.0.1", port):
                    pass
            await closed.wait()

    assert complaints(scenario) == []


def test_a_broker_that_does_not_answer_is_given_up_and_its_socket_closed(complaints):
    async def scenario() -> None:
        async with broker(answers=False) as (port, closed):
            with pytest.raises(aiomqtt.MqttError):
                async with Client("127.0.0.1", port, timeout=0.1):
                    pass
            await closed.wait()

    assert complaints(scenario) == []


async def test_messages_are_sent_without_delay():
    async with broker() as (port, _), Client("127.0.0.1", port) as client:
        assert client._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(111, "Connection refused"), "Connection refused; does the broker run"),
        (OSError(113, "No route to host"), "No route to host"),
        (ValueError("[code:135] Not authorized"), "are user name and password"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_why_a_broker_cannot_be_used_is_said_with_what_to_look_at(error: Exception, words: str) -> None:
    assert words in reason(error)
    assert "Errno" not in reason(error)
