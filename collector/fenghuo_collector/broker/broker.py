"""A broker inside the collector: amqtt, bounded and kept quiet.

For a school or a small district, where a server of its own would be one thing more to care for. It speaks MQTT 3.1.1
and keeps nothing on disk, which costs nothing: agents keep their batches until the collector has committed them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import cast

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # pyright: ignore[reportMissingTypeStubs]
from amqtt.broker import Broker  # pyright: ignore[reportMissingTypeStubs]
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType  # pyright: ignore[reportMissingTypeStubs]
from amqtt.errors import AMQTTError  # pyright: ignore[reportMissingTypeStubs]
from amqtt.session import Session  # pyright: ignore[reportMissingTypeStubs]

from fenghuo.errors import Permanent, Retryable
from fenghuo_collector.broker import access
from fenghuo_collector.broker.access import Access
from fenghuo_collector.broker.config import EmbeddedBrokerConfig, split_address

_log = logging.getLogger(__name__)
_LISTENER = "default"
_GRACE = 8
"""Seconds beyond a client's keepalive before it counts as gone: half of the agents' 15 s, as MQTT 3.1.2.10 has it."""
_STOP_SECONDS = 0.7
_NOISY = ("amqtt", "transitions")


class _BoundedReader(StreamReaderAdapter):
    """Reads no packet larger than `limit` bytes: a client that announces one is cut off before it is in memory."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.WriteTransport, limit: int) -> None:
        super().__init__(reader)
        self._transport = transport
        self._limit = limit
        self._ended = False

    async def read(self, n: int = -1) -> bytes:
        if n > self._limit:
            _log.warning("A client sends a packet of more than %d bytes; it is cut off", self._limit)
            self._ended = True
            self._transport.abort()
        return b"" if self._ended else await super().read(n)


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
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0
        """Where it listens, once started."""

    async def start(self) -> None:
        """Listen. `Retryable` where the address is taken, `Permanent` where TLS files cannot be read."""
        for name in _NOISY:  # what a client does wrong is not the operator's concern, and we log what is
            logging.getLogger(name).setLevel(logging.CRITICAL)
        host, port = split_address(self._config.listen)
        try:
            tls = self._config.tls.context() if self._config.tls else None
        except OSError as error:
            raise Permanent(f"the embedded broker's TLS files: {error}") from error
        self._broker = _Broker(self._amqtt_config())
        try:
            await self._broker.start()
            self._server = await asyncio.start_server(self._serve, host, port, ssl=tls, limit=2**18)
        except (OSError, AMQTTError) as error:
            await self.stop()
            raise Retryable(f"the embedded broker cannot listen on {self._config.listen}: {error}") from error
        self.port = int(self._server.sockets[0].getsockname()[1])
        _log.info("The embedded broker listens on %s port %d", host, self.port)

    def _amqtt_config(self) -> BrokerConfig:
        plugin = f"{access.__name__}."
        settings = {"access": Access(self._config.users)}
        return BrokerConfig(
            listeners={_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            timeout_disconnect_delay=_GRACE,
            session_expiry_interval=3600,
            plugins={f"{plugin}{access.Admission.__name__}": settings, f"{plugin}{access.Topics.__name__}": settings},
        )

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
            await self._broker.external_connected(
                _BoundedReader(reader, writer.transport, self._config.max_packet), answers, _LISTENER
            )
        except (OSError, AMQTTError, TimeoutError) as error:
            _log.debug("A connection to the embedded broker ended: %s", error)
        except Exception:  # noqa: BLE001 — one connection's fault must not end the others'
            _log.exception("The embedded broker failed on a connection")
        finally:
            guard.cancel()
            del self._connections[task]
            writer.transport.abort()

    async def stop(self) -> None:
        """End all connections and stop listening."""
        server, broker = self._server, self._broker
        self._server = self._broker = None
        if server is not None:
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
