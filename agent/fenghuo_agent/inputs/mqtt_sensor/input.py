"""The `mqtt_sensor` input: one broker, one topic pattern."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import aiomqtt

from fenghuo.clock import Clock
from fenghuo.config.broker import BrokerAddress
from fenghuo.errors import Permanent, Retryable
from fenghuo.model import Table
from fenghuo.mqtt import Client, reason
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.mqtt_sensor.config import MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.decode import Decoder, Malformed
from fenghuo_agent.inputs.mqtt_sensor.layouts import DeviceGuard, LayoutCache
from fenghuo_agent.inputs.mqtt_sensor.metrics import MqttSensorMetrics
from fenghuo_agent.inputs.mqtt_sensor.topic import MAX_LABEL, Pattern

log = logging.getLogger(__name__)

JOB = "mqtt_sensor"
QUEUE = 10_000
FORGET_MS = 86_400_000
TELL_EVERY = 60.0
EARLIEST_MS, LATEST_MS = 86_400_000, 300_000
"""How far behind and ahead of arrival a payload's own time may lie."""
ONCE_QUIET = 2.0
REFUSED = {4, 5, 134, 135, 138}
"""Answers of a broker that will be the same next time: bad credentials, not authorised, banned (MQTT 3.1.1 and 5)."""
SUBSCRIPTION_REFUSED = 0x80


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt's queue of messages, which tells of what finds no room."""

    def __init__(self, maxsize: int, overflow: Callable[[str], None]) -> None:
        super().__init__(maxsize)
        self._overflow = overflow

    def put_nowait(self, item: aiomqtt.Message) -> None:
        try:
            super().put_nowait(item)
        except asyncio.QueueFull:
            self._overflow(str(item.topic))


class MqttSensorInput:
    """Reads the messages of one topic pattern and hands on a table for each.

    A lost connection is raised as `Retryable`, refused credentials as `Permanent`: starting again is the supervisor's.
    A message that makes no sense is counted and told of at most once a minute for each reason; it never ends the input.
    """

    datasets: frozenset[str] = frozenset()

    def __init__(self, name: str, config: MqttSensorConfig, metrics: MqttSensorMetrics, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._address = BrokerAddress.parse(config.broker)
        self._pattern = Pattern.parse(config.topic)
        self._decoder = Decoder(config)
        self._layouts = LayoutCache(min(4 * config.max_devices, 100_000))
        self._devices = DeviceGuard(config.max_devices, FORGET_MS)
        self._told: dict[str, float] = {}

    @property
    def name(self) -> str:
        return self._name

    async def run(self, accumulator: Accumulator) -> None:
        """Read until cancelled or until the connection is lost."""
        async with self._connected() as client:
            log.info("%s reads %s from %s", self._name, self._pattern.filter, self._address)
            async for message in client.messages:
                self._take(message, accumulator)
                self._metrics.queued.labels(self._name).set(len(client.messages))

    async def once(self, accumulator: Accumulator) -> None:
        """Listen until messages came and no more do, at most `once_wait`; `Retryable` where none came."""
        taken = 0
        async with self._connected() as client:
            messages = aiter(client.messages)
            deadline = self._clock.monotonic() + self._config.once_wait
            while (left := deadline - self._clock.monotonic()) > 0:
                try:
                    message = await asyncio.wait_for(anext(messages), min(left, ONCE_QUIET) if taken else left)
                except TimeoutError:
                    break
                taken += self._take(message, accumulator)
        if not taken:
            raise Retryable(
                f"no reading on {self._pattern.filter} at {self._address} within {self._config.once_wait:.0f} s: "
                "is the topic right, and do the sensors speak that often?"
            )

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[aiomqtt.Client]:
        """A subscribed client; its errors as ours."""
        try:
            async with self._client() as client:
                granted = await client.subscribe(self._pattern.filter, qos=1)
                if any(_code(answer) >= SUBSCRIPTION_REFUSED for answer in granted):
                    raise Permanent(f"{self._address} does not let us read {self._pattern.filter}")
                yield client
        except aiomqtt.MqttCodeError as error:
            kind = Permanent if _code(error.rc) in REFUSED else Retryable
            raise kind(f"{self._address}: {reason(error)}") from error
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            raise Retryable(f"{self._address}: {reason(error)}") from error

    def _client(self) -> aiomqtt.Client:
        config = self._config
        v5 = config.protocol == "5"
        inbox = partial(_Inbox, overflow=partial(self._drop, "overflow", "messages come faster than they are read"))
        return Client(
            self._address.host,
            self._address.port,
            username=config.username,
            password=config.password.reveal() if config.password else None,
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if v5 else True,
            timeout=config.connect_timeout,
            keepalive=round(config.keepalive),
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", inbox),
            max_queued_incoming_messages=QUEUE,
            tls_context=config.tls.context() if self._address.secure else None,
        )

    def _take(self, message: aiomqtt.Message, accumulator: Accumulator) -> bool:
        """Hand on what a message says; whether it said anything."""
        if message.retain and not self._config.retained:
            self._metrics.dropped.labels(self._name, "retained").inc()
            return False
        topic = str(message.topic)
        try:
            table = self._table(topic, message.payload)
        except Malformed as error:
            self._drop(error.reason, str(error), topic)
            return False
        accumulator.table(table)
        self._metrics.read.labels(self._name).inc()
        return True

    def _table(self, topic: str, payload: object) -> Table:
        """The table of a message; raises `Malformed`."""
        parts = self._pattern.match(topic)
        if parts is None:
            raise Malformed("topic", "the topic does not fit the pattern")
        field = parts.pop("field", None)
        reading = self._decoder.decode(payload if isinstance(payload, bytes) else b"", field)
        now = self._clock.now()
        time = now if reading.time is None else reading.time
        if not now - EARLIEST_MS <= time <= now + LATEST_MS:
            raise Malformed("time", "its time is far from now; is the sensor's clock set?")
        labels = self._labels(topic, parts)
        values = tuple(labels.values())
        if not self._devices.admit([(*values, channel) for channel in reading.channels], now):
            raise Malformed("too_many_devices", f"more than max_devices: {self._config.max_devices}")
        self._metrics.devices.labels(self._name).set(len(self._devices))
        self._metrics.ignored.labels(self._name).inc(reading.ignored)
        return Table(self._layouts.get(labels, reading.channels, reading.fields), time, reading.columns())

    def _labels(self, topic: str, parts: dict[str, str]) -> dict[str, str]:
        device = parts.pop("device", None) or self._config.device or topic[:MAX_LABEL]
        own = {name: parts[name] for name in sorted(parts) if parts[name]}
        return {"job": JOB, "instance": str(self._address), "device": device, **self._config.labels, **own}

    def _drop(self, reason: str, message: str, topic: str) -> None:
        """Count it; tell of each reason now and then."""
        self._metrics.dropped.labels(self._name, reason).inc()
        now = self._clock.monotonic()
        if now - self._told.get(reason, -TELL_EVERY) >= TELL_EVERY:
            self._told[reason] = now
            topic = topic[:MAX_LABEL]
            extra = {"input": self._name, "topic": topic, "reason": reason}
            log.warning("%s dropped a message of %s: %s (%s)", self._name, topic, message, reason, extra=extra)


def _code(answer: object) -> int:
    """The number of a CONNACK or SUBACK answer, of either version of MQTT."""
    value = getattr(answer, "value", answer)
    return value if isinstance(value, int) else 0


def inputs(configs: Sequence[MqttSensorConfig], metrics: MqttSensorMetrics, clock: Clock) -> list[MqttSensorInput]:
    """One input for each entry of the section, named `mqtt_sensor[0]`, `mqtt_sensor[1]`, …"""
    return [MqttSensorInput(f"{JOB}[{index}]", config, metrics, clock) for index, config in enumerate(configs)]
