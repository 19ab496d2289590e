"""A small collector that acknowledges as a test wants it, and a transport with short waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiomqtt
import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import AgentId
from fenghuo.wire import Ack, Frame, Span, Stream, Topic, decode_frame, encode_ack
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool import Entry, Spool, SpoolConfig
from fenghuo_agent.transport import Transport, TransportConfig
from servers.mosquitto import broker
from servers.process import START_SECONDS

__all__ = ["broker"]
AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
Answer = Callable[["Collector", Frame], Iterable[Ack]]


async def until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Let the loop run until the condition holds; fail with `what` where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s in vain: {what}")
        await asyncio.sleep(0.01)


def commit(collector: Collector, frame: Frame) -> list[Ack]:
    """Say at once that a batch is received and committed."""
    span = [Span(frame.sequence, frame.sequence)]
    return [Ack(collector.run, frame.spool, frame.stream, received=span, committed=span)]


def silence(collector: Collector, frame: Frame) -> list[Ack]:
    return []


def receive(collector: Collector, frame: Frame) -> list[Ack]:
    """Say that a batch is received, and nothing more."""
    return [Ack(collector.run, frame.spool, frame.stream, received=[Span(frame.sequence, frame.sequence)])]


@dataclass
class Collector:
    """Listens to one agent and answers each frame by `answer`."""

    port: int
    answer: Answer = commit
    run: str = "collector-1"
    frames: list[Frame] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: list[bytes] = field(default_factory=list)
    connected: bool = False
    _client: aiomqtt.Client | None = None

    def sequences(self, stream: Stream) -> list[int]:
        return [frame.sequence for frame in self.frames if frame.stream == stream]

    def firsts(self, stream: Stream) -> list[int]:
        """The numbers in the order in which each was first seen."""
        return list(dict.fromkeys(self.sequences(stream)))

    async def say(self, *acks: Ack) -> None:
        for ack in acks:
            await self.say_raw(encode_ack(ack))

    async def say_raw(self, payload: bytes) -> None:
        assert self._client
        await self._client.publish(str(Topic(AGENT, Stream.ACK)), payload, qos=1, timeout=1)

    async def serve(self) -> None:
        """Answer until cancelled; comes back when the broker does."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._serve()
            self.connected = False
            await asyncio.sleep(0.05)

    async def _serve(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            self._client = client
            await client.subscribe([(str(Topic(AGENT, stream)), 1) for stream in (*DATA_STREAMS, Stream.STATUS)])
            self.connected = True
            async for message in client.messages:
                if str(message.topic).endswith("/status"):
                    self.status.append(message.payload)
                    continue
                frame, body = decode_frame(message.payload)
                self.frames.append(frame)
                self.bodies.append(body)
                await self.say(*self.answer(self, frame))

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Collector]:
        async with running(self.serve()):
            await until(lambda: self.connected, "the collector to subscribe")
            yield self
        self.connected = False


@contextlib.asynccontextmanager
async def running(coroutine) -> AsyncIterator[asyncio.Task]:
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class LateClock(SystemClock):
    """The machine's clock, `behind` by so many milliseconds."""

    behind = 0

    def now(self) -> int:
        return super().now() - self.behind


@dataclass
class Bench:
    """A spool and what makes transports for it."""

    folder: Path
    port: int
    spool: Spool
    clock: LateClock
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @contextlib.asynccontextmanager
    async def delivering(self, collector: Collector, **options) -> AsyncIterator[Transport]:
        """A transport at work, and the collector that listens to it."""
        transport = self.transport(**options)
        async with collector.listening(), running(transport.run()):
            yield transport

    def transport(self, **options) -> Transport:
        settings = {
            "url": f"mqtt://127.0.0.1:{self.port}",
            "version": "5",
            "keepalive": 1,
            "connect_timeout": 1.0,
            "publish_timeout": 2.0,
            "reconnect_first": 0.05,
            "reconnect_longest": 0.2,
            "ack_timeout": 0.4,
            "ack_timeout_longest": 0.8,
            "commit_timeout": 60.0,
        }
        config = TransportConfig.model_validate({**settings, **options})
        self.registry = CollectorRegistry()
        return Transport(config, AGENT, self.spool, SystemClock(), Random(1), self.registry, "boot-1")

    async def put(self, stream: Stream, count: int, body: bytes = b"body") -> None:
        """Spool `count` batches, each in a transaction of its own."""
        await asyncio.gather(*(self.spool.append([Entry(stream, body, 1)]) for _ in range(count)))

    async def backlog(self, stream: Stream, count: int) -> None:
        """As `put`, by a clock that is two minutes behind."""
        self.clock.behind = 120_000
        await self.put(stream, count)
        self.clock.behind = 0

    def held(self) -> int:
        return sum(self.spool.depth(stream).batches for stream in DATA_STREAMS)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"fenghuo_agent_transport_{name}", labels) or 0.0


@pytest.fixture
async def bench(tmp_path, broker):
    config = SpoolConfig(path=tmp_path / "spool.db")
    clock = LateClock()
    spool = Spool.open(config, clock, CollectorRegistry())
    yield Bench(tmp_path, broker.port, spool, clock)
    await spool.close()


@pytest.fixture
def tools():
    """The helpers of this file, for tests (which cannot import a conftest)."""
    return Tools()


class Tools:
    agent = AGENT
    until = staticmethod(until)
    running = staticmethod(running)
    commit = staticmethod(commit)
    silence = staticmethod(silence)
    receive = staticmethod(receive)
    Collector = Collector
