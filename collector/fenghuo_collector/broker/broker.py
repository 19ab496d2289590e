"""A broker inside the collector: amqtt, bounded and kept quiet.

For a school or a small district, where a server of its own would be one thing more to care for. It speaks MQTT 3.1.1
and keeps nothing on disk, which costs nothing: agents keep their batches until the collector has committed them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import ssl
from collections.abc import Callable, Coroutine
from typing import cast

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # pyright: ignore[reportMissingTypeStubs]
from amqtt.broker import Broker  # pyright: ignore[reportMissingTypeStubs]
from amqtt.contexts import BrokerConfig as AmqttConfig  # pyright: ignore[reportMissingTypeStubs]
from amqtt.contexts import ListenerConfig, ListenerType  # pyright: ignore[reportMissingTypeStubs]
from amqtt.errors import AMQTTError  # pyright: ignore[reportMissingTypeStubs]
from amqtt.session import Session  # pyright: ignore[reportMissingTypeStubs]

from fenghuo.config import Secret
from fenghuo.errors import Retryable
from fenghuo_collector.broker import access
from fenghuo_collector.broker.access import Access
from fenghuo_collector.broker.config import EmbeddedBrokerConfig, UserConfig, split_address
from fenghuo_collector.ingest.config import BrokerConfig

_log = logging.getLogger(__name__)
_LISTENER = "default"
_GRACE = 8
"""Seconds beyond a client's keepalive before it counts as gone: half of the agents' 15 s, as MQTT 3.1.2.10 has it."""
_STOP_SECONDS = 0.7
_READ_AHEAD = 2**18
_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
_NOISY = ("amqtt", "transitions")
_CONNECT = 0x10
_PROTOCOL = b"\x00\x04MQTT"
_WRONG_VERSION = b"\x20\x02\x00\x01"
"""CONNACK "unacceptable protocol version" (MQTT 3.1.1, 3.2.2.3), which clients of MQTT 5 understand too."""


class _BoundedReader(StreamReaderAdapter):
    """Reads no packet larger than `limit` bytes: a client that announces one is cut off before it is in memory.

    `head` is what was read of the connection already.
    """

    def __init__(
        self, reader: asyncio.StreamReader, transport: asyncio.WriteTransport, limit: int, head: bytes
    ) -> None:
        super().__init__(reader)
        self._transport = transport
        self._limit = limit
        self._head = head
        self._ended = False

    async def read(self, n: int = -1) -> bytes:
        if n > self._limit:
            _log.warning("A client sends a packet of more than %d bytes; it is cut off", self._limit)
            self._ended = True
            self._transport.abort()
        if self._ended:
            return b""  # what amqtt sees at the end of a connection
        head, self._head = self._head[:n], self._head[n:]
        return head + await super().read(n - len(head)) if len(head) < n else head


async def _read_head(reader: asyncio.StreamReader) -> tuple[bytes, int]:
    """The beginning of a connection, and the protocol level in it where that is a CONNECT, else 0 (MQTT 3.1.1, 3.1)."""
    head = await reader.readexactly(2)
    while head[-1] & 0x80 and len(head) < 5:  # the remaining length, seven bits a byte
        head += await reader.readexactly(1)
    if head[0] != _CONNECT or head[1] < len(_PROTOCOL) + 1:
        return head, 0
    head += await reader.readexactly(len(_PROTOCOL) + 1)
    return head, head[-1] if head.endswith(_PROTOCOL, 0, -1) else 0


class _Answers(StreamWriterAdapter):
    """Knows whether the broker ever answered, which it does when a client has introduced itself."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self._transport = writer.transport
        self._answered = False

    def write(self, data: bytes) -> None:
        self._answered = True
        super().write(data)

    def cut_off_silent(self) -> None:
        if not self._answered:
            self._transport.abort()


class _Broker(Broker):
    """amqtt's broker, which gives retained messages only to those who subscribed to them."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # At each connection amqtt goes through everyone's filters; another's are not for this session.
        if any(subscriber is session for subscriber, _ in self.subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class EmbeddedBroker:
    """One broker on one address; `start` returns when it listens, `stop` ends it in under a second."""

    def __init__(self, config: EmbeddedBrokerConfig) -> None:
        self._config = config
        self._broker: _Broker | None = None
        self._servers: list[asyncio.Server] = []
        self._own = UserConfig(name="fenghuo-collector", password=Secret(secrets.token_urlsafe(32)))
        self._access = Access(config.users, self._own)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0
        """Where it listens, once started."""
        self._own_port = 0

    async def start(self) -> None:
        """Listen. `Retryable` where the address is taken, `Permanent` where TLS files cannot be read."""
        for name in _NOISY:  # what a client does wrong is not the operator's concern, and we log what is
            logging.getLogger(name).setLevel(logging.CRITICAL)
        host, port = split_address(self._config.listen)
        tls = self._config.tls.context() if self._config.tls else None
        self._broker = _Broker(self._amqtt_config())
        try:
            await self._broker.start()
            self.port = await self._listen(self._serve, host, port, tls)
            if not self._config.open:  # then the collector itself comes in by a door of its own
                self._own_port = await self._listen(self._serve_own, "127.0.0.1", 0, None)
        except (OSError, AMQTTError) as error:
            await self.stop()
            raise Retryable(f"the embedded broker cannot listen on {self._config.listen}: {_reason(error)}") from error
        _log.info("The embedded broker listens on %s port %d", host, self.port)

    async def _listen(self, serve: _Serve, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        server = await asyncio.start_server(serve, host, port, ssl=tls, limit=_READ_AHEAD)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def client_config(self) -> BrokerConfig:
        """How the collector in this process connects, once the broker is started."""
        if self._config.open:
            host, _ = split_address(self._config.listen)
            address = f"[{host}]" if ":" in host else host
            return BrokerConfig(url=f"mqtt://{address}:{self.port}", version="3.1.1")
        url = f"mqtt://127.0.0.1:{self._own_port}"
        return BrokerConfig(url=url, version="3.1.1", username=self._own.name, password=self._own.password)

    def _amqtt_config(self) -> AmqttConfig:
        plugin = f"{access.__name__}."
        settings = {"access": self._access}
        return AmqttConfig(
            listeners={_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            timeout_disconnect_delay=_GRACE,
            session_expiry_interval=3600,
            plugins={f"{plugin}{access.Admission.__name__}": settings, f"{plugin}{access.Topics.__name__}": settings},
        )

    async def _serve_own(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """At the collector's own door."""
        peer = writer.get_extra_info("peername")[:2]
        self._access.inside.add(peer)
        try:
            await self._serve(reader, writer)
        finally:
            self._access.inside.discard(peer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        if self._broker is None or len(self._connections) >= self._config.max_connections:
            _log.warning("The embedded broker has %d connections; one more is cut off", len(self._connections))
            writer.transport.abort()
            return
        self._connections[task] = writer
        answers = _Answers(writer)
        guard = asyncio.get_running_loop().call_later(self._config.connect_timeout, answers.cut_off_silent)
        try:
            head, level = await _read_head(reader)
            if level > 4:  # amqtt would misread all but the simplest CONNECT of MQTT 5
                writer.write(_WRONG_VERSION)
                await writer.drain()
                writer.close()
                return
            await self._broker.external_connected(
                _BoundedReader(reader, writer.transport, self._config.max_packet, head), answers, _LISTENER
            )
        except (OSError, EOFError, AMQTTError, TimeoutError) as error:
            _log.debug("A connection to the embedded broker ended: %s", error)
        except Exception:  # noqa: BLE001 — one connection's fault must not end the others'
            _log.exception("The embedded broker failed on a connection")
        finally:
            guard.cancel()
            del self._connections[task]
            if not writer.is_closing():
                writer.transport.abort()

    async def stop(self) -> None:
        """End all connections and stop listening."""
        servers, broker = self._servers, self._broker
        self._servers, self._broker = [], None
        for server in servers:
            server.close()
        for writer in self._connections.values():
            writer.transport.abort()
        if broker is not None:
            with contextlib.suppress(TimeoutError, AMQTTError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await broker.shutdown()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


def _reason(error: Exception) -> str:
    """Why listening failed, and what to do where that is known."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return (
            "another program, such as Mosquitto, has this address; name that broker under `broker`, "
            "or another address as `embedded_broker.listen`"
        )
    return error.strerror or str(error)
