"""One connection to the broker, from its making to its loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import aiomqtt

from fenghuo.clock import Clock
from fenghuo.errors import Retryable
from fenghuo.model import AgentId
from fenghuo.wire import Frame, Stream, Topic, encode_frame
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool import Spool, SpooledBatch
from fenghuo_agent.transport.client import FAILURE, NO_SUBSCRIBERS, BrokerClient
from fenghuo_agent.transport.config import TransportConfig
from fenghuo_agent.transport.delivery import Delivery
from fenghuo_agent.transport.metrics import TransportMetrics

_log = logging.getLogger(__name__)
_CHECK_SECONDS = 0.5
_STATUS_SECONDS = 5.0
_FAREWELL_SECONDS = 0.5
_READ_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What every session of one transport shares."""

    config: TransportConfig
    agent: AgentId
    boot: str
    spool: Spool
    clock: Clock
    delivery: Delivery
    metrics: TransportMetrics
    status: Callable[[bool], bytes]
    five: bool
    """Whether to speak MQTT 5, else 3.1.1."""


class Session:
    """Sends, listens and watches over one connection. `run` ends by an error when the connection does."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._topics = {stream: str(Topic(parts.agent, stream)) for stream in DATA_STREAMS}
        self._status_topic = str(Topic(parts.agent, Stream.STATUS))
        will = aiomqtt.Will(self._status_topic, parts.status(False), qos=1, retain=True)
        self._client = BrokerClient(parts.config, str(parts.agent), will, five=parts.five)
        self._wake = asyncio.Event()
        self._unconfirmed = 0
        self._unconfirmed_bytes = 0
        self._draining = False
        self._denied = False
        self._told: list[int] = []
        self.established = False

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Connect and deliver. Raises `MqttError` (alone or in an exception group) when the connection is lost."""
        async with self._client as client:
            await client.subscribe(str(Topic(self._parts.agent, Stream.ACK)), qos=1)
            await self._say_online(client)
            self.established = True
            _log.info("connected to the broker %s", self._parts.config.url)
            self._parts.delivery.reconnected()
            self._parts.metrics.connects.inc()
            self._parts.metrics.connected.set(1)
            try:
                await self._deliver(client)
            finally:
                self._parts.metrics.connected.set(0)
                client.timeout = _FAREWELL_SECONDS
                await self._say_offline(client)

    async def _deliver(self, client: BrokerClient) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(client))
            group.create_task(self._watch())
            group.create_task(self._tell_losses(client))
            while True:
                self._wake.clear()
                if not await self._send_some(client, group):
                    await self._pause()

    async def _pause(self) -> None:
        """Until something may have changed: new batches, an answer, a confirmation, the backfill's turn."""
        delivery = self._parts.delivery
        wait = delivery.backfill_wait() if delivery.unsent(Stream.BACKFILL) else 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0.01) if wait else _CHECK_SECONDS):
                await self._wake.wait()

    async def _send_some(self, client: BrokerClient, group: asyncio.TaskGroup) -> bool:
        """Send the next few batches where there is room; whether any was sent."""
        probing = self._parts.delivery.probing
        room = (1 if probing else client.receive_maximum) - self._unconfirmed
        if room <= 0 or self._unconfirmed_bytes >= self._parts.config.unconfirmed_bytes:
            return False
        try:
            found = await self._parts.delivery.next(room)
        except Retryable as error:
            _log.warning("nothing is sent for a moment: %s", error)
            await asyncio.sleep(_READ_RETRY_SECONDS)
            return False
        for batch in found.batches if found else ():
            frame = self._frame(batch)
            self._unconfirmed += 1
            self._unconfirmed_bytes += len(frame)
            self._parts.delivery.sent(batch, len(frame), again=found is not None and found.again)
            group.create_task(self._publish(client, batch, frame))
        return found is not None

    def _frame(self, batch: SpooledBatch) -> bytes:
        depth = self._parts.spool.depth(batch.stream)
        header = Frame(
            agent=str(self._parts.agent),
            spool=self._parts.delivery.spool_id,
            boot=self._parts.boot,
            stream=batch.stream,
            sequence=batch.sequence,
            oldest=min(depth.oldest, batch.sequence),
            dropped=depth.dropped_items,
            count=batch.count,
            sent=self._parts.clock.now(),
        )
        return encode_frame(header, batch.body)

    async def _publish(self, client: BrokerClient, batch: SpooledBatch, frame: bytes) -> None:
        try:
            reason = await client.deliver(self._topics[batch.stream], frame, self._parts.config.publish_timeout)
        finally:
            self._unconfirmed -= 1
            self._unconfirmed_bytes -= len(frame)
            self._wake.set()
        if reason == NO_SUBSCRIBERS:
            self._parts.metrics.unheard.inc()
        elif reason >= FAILURE:
            self._parts.metrics.denied.inc()
            self._complain(reason)
        else:
            self._parts.delivery.heard()
            return
        self._parts.delivery.unheard(batch)

    def _complain(self, reason: int) -> None:
        if not self._denied:
            self._denied = True
            _log.error("the broker refuses our messages (reason 0x%02x): may %s publish?", reason, self._parts.agent)

    async def _listen(self, client: BrokerClient) -> None:
        async for message in client.messages:
            self._parts.delivery.acknowledge(message.payload)
            self._wake.set()

    async def _watch(self) -> None:
        interval = min(_CHECK_SECONDS, self._parts.config.ack_timeout / 4)
        while True:
            await asyncio.sleep(interval)
            self._parts.delivery.check()
            self._wake.set()

    async def _tell_losses(self, client: BrokerClient) -> None:
        """Say anew what was given up where that changed: the streams' own frames may never come to say it."""
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            if self._told != self._dropped():
                await self._say_online(client)

    async def _say_online(self, client: BrokerClient) -> None:
        self._told = self._dropped()
        await client.publish(self._status_topic, self._parts.status(True), qos=1, retain=True)

    def _dropped(self) -> list[int]:
        return [self._parts.spool.dropped(stream) for stream in DATA_STREAMS]

    def drained(self) -> bool:
        """Whether all but backfill is sent, confirmed by the broker."""
        unsent = any(self._parts.delivery.unsent(stream) for stream in DATA_STREAMS if stream != Stream.BACKFILL)
        return not unsent and not self._unconfirmed

    async def _say_offline(self, client: BrokerClient) -> None:
        with contextlib.suppress(aiomqtt.MqttError, ValueError):
            await client.publish(
                self._status_topic, self._parts.status(False), qos=1, retain=True, timeout=_FAREWELL_SECONDS
            )
