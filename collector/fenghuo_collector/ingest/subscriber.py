"""The connection to the broker: messages in, answers out, mended with back-off when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from typing import cast

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.reasoncodes import ReasonCode

from fenghuo.clock import Clock
from fenghuo.errors import Permanent, Retryable
from fenghuo.mqtt import Client, reason
from fenghuo_collector.ingest.config import BrokerConfig
from fenghuo_collector.ingest.inbox import Inbox
from fenghuo_collector.ingest.metrics import IngestMetrics

_log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.mqtt")
_BURST = 16
"""Messages read in a row before others get their turn."""
_UNSUPPORTED_VERSION = 0x84
_REFUSED = 0x80
_STEADY = 30.0
"""Seconds after which a connection counts as good, and the next failure as a first one."""

Handler = Callable[[str, bytes, bool], None]
"""Takes topic, payload, and whether the broker had it retained."""


class Subscriber:
    """One MQTT client that subscribes to `filters` with QoS 1 and hands every message to `handle`.

    No session is kept at the broker: what was in flight when a connection broke is sent again by its agent. Messages
    are acknowledged to the broker as soon as they are in the inbox; the promise to the agent is an answer of its own.
    """

    def __init__(
        self,
        config: BrokerConfig,
        filters: Sequence[str],
        inbox: Inbox,
        metrics: IngestMetrics,
        *,
        client_id: str,
        clock: Clock,
        random: random.Random,
        handle: Handler,
        connected: Callable[[], None],
    ) -> None:
        self._config = config
        self._filters = filters
        self._inbox = inbox
        self._metrics = metrics
        self._random = random
        self._handle = handle
        self._connected = connected
        self._client: aiomqtt.Client | None = None
        self._since: float | None = None
        """When the present connection was made (monotonic seconds)."""
        self._id = config.client_id or client_id
        self._clock = clock
        self._version = aiomqtt.ProtocolVersion.V311 if config.version == "3.1.1" else aiomqtt.ProtocolVersion.V5

    async def run(self) -> None:
        """Serve until cancelled; a lost connection is made anew."""
        failures = 0
        while True:
            self._since = None
            try:
                client = self._connect()
                async with client:
                    await self._subscribe(client)
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError, Permanent, ValueError) as error:
                if isinstance(error, MqttConnectError) and self._falls_back(error):
                    continue
                if self._since is not None and self._clock.monotonic() - self._since >= _STEADY:
                    failures = 0
                failures += 1
                # Only the first few are news; the metric `…_connected` tells of the rest.
                level = logging.WARNING if failures <= 3 else logging.DEBUG
                _log.log(level, "No connection to the broker %s: %s", self._config.url, reason(error))
            delay = min(self._config.retry * 2 ** max(min(failures - 1, 20), 0), self._config.retry_max)
            await asyncio.sleep(delay * self._random.uniform(0.5, 1))

    def _falls_back(self, error: MqttConnectError) -> bool:
        """Whether the broker lacks MQTT 5 and is to be spoken to in 3.1.1 from now on."""
        code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
        if self._config.version != "auto" or self._version is not aiomqtt.ProtocolVersion.V5:
            return False
        if code not in (1, _UNSUPPORTED_VERSION):
            return False
        _log.info("The broker %s has no MQTT 5; going on with 3.1.1", self._config.url)
        self._version = aiomqtt.ProtocolVersion.V311
        return True

    def _connect(self) -> aiomqtt.Client:
        config = self._config
        old = self._version is not aiomqtt.ProtocolVersion.V5
        while not self._inbox.empty():  # its agents send again what was not read
            self._inbox.get_nowait()
        return Client(
            config.host,
            config.port,
            username=config.username,
            password=config.password.reveal() if config.password else None,
            identifier=self._id,
            protocol=self._version,
            clean_session=True if old else None,
            clean_start=MQTT_CLEAN_START_FIRST_ONLY if old else True,
            keepalive=round(config.keepalive),
            timeout=config.timeout,
            tls_context=config.tls.context() if config.encrypted else None,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", self._make_queue),
            logger=_quiet,
        )

    def _make_queue(self, maxsize: int) -> Inbox:  # noqa: ARG002 — its bound is in bytes
        return self._inbox

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        codes = await client.subscribe([(topic, 1) for topic in self._filters])
        for topic, code in zip(self._filters, codes, strict=False):
            value = code if isinstance(code, int) else code.value
            if value >= _REFUSED:
                raise Permanent(f"the broker refuses the subscription {topic}; its access rules must allow it")
        self._client = client
        self._since = self._clock.monotonic()
        self._metrics.connected.set(1)
        self._metrics.connects.inc()
        _log.info("Connected to the broker %s", self._config.url)
        self._connected()

    async def _serve(self, client: aiomqtt.Client) -> None:
        try:
            async for message in client.messages:
                self._read(message)
                for _ in range(_BURST):
                    with contextlib.suppress(asyncio.QueueEmpty):
                        self._read(self._inbox.get_nowait())
                        continue
                    break
        finally:
            self._client = None
            self._metrics.connected.set(0)

    def _read(self, message: aiomqtt.Message) -> None:
        self._handle(str(message.topic), message.payload, message.retain)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send one answer with QoS 0: a lost one is made again when its batch comes again. `Retryable` without a
        connection.
        """
        client = self._client
        if client is None:
            raise Retryable("the broker is not connected")
        try:
            await client.publish(topic, payload, qos=0)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise Retryable(f"the broker takes no answer: {error}") from error
