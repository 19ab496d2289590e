"""Sinks in memory, batches made by hand, and a small agent that speaks the wire."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiomqtt
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import AgentId, Event, Layout, Table
from fenghuo.wire import Ack, Frame, Stream, Topic, decode_ack, encode_events, encode_frame, encode_tables
from fenghuo.wire.frame import compress
from fenghuo_collector.ingest import Ingest, IngestConfig
from fenghuo_collector.sinks.base import Batch

AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
NOW = 1_767_225_600_000
PORTS = Layout(
    "interface",
    {"job": "snmp", "instance": "10.0.0.1", "device": "sw1"},
    {"ifName": ["Gi0/1", "Gi0/2"]},
    ("ifHCInOctets", "ifOperStatus"),
    {"ifHCInOctets": 64},
)


def header(sequence: int = 1, stream: Stream = Stream.EVENTS, **changes) -> Frame:
    fields = {
        "agent": str(AGENT),
        "spool": "s1",
        "boot": "b1",
        "stream": str(stream),
        "sequence": sequence,
        "oldest": 1,
        "dropped": 0,
        "count": 1,
        "sent": SystemClock().now(),
    }
    return Frame(**(fields | changes))


def event(identifier: str, time: int = NOW, **document) -> Event:
    return Event(identifier, time, {"event": {"kind": "event", "dataset": "test"}, **document})


def events_frame(sequence: int, *events: Event, stream: Stream = Stream.EVENTS, **changes) -> bytes:
    body = encode_events(events or [event(f"e{sequence}")])
    return encode_frame(header(sequence, stream, **changes), compress(body))


def tables_frame(sequence: int, *tables: Table, stream: Stream = Stream.METRICS, **changes) -> bytes:
    body = encode_tables(tables or [Table(PORTS, NOW + sequence, [[sequence, 2], [1, 1]])])
    return encode_frame(header(sequence, stream, **changes), compress(body))


class MemorySink:
    """Stores in a list; `gate` closed makes writes wait, `plan` holds errors for the next writes, one each."""

    def __init__(
        self, name: str = "memory", *, required: bool = True, streams: Sequence[Stream] = tuple(Stream)
    ) -> None:
        self.name = name
        self.required = required
        self.streams = streams
        self.batches: list[Batch] = []
        self.writes: list[list[Batch]] = []
        self.plan: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = self.closed = False
        self.changed = asyncio.Event()

    def takes(self, stream: Stream) -> bool:
        return stream in self.streams

    async def start(self) -> None:
        self.started = True

    async def write(self, batches: Sequence[Batch]) -> None:
        self.writes.append(list(batches))
        self.changed.set()
        await self.gate.wait()
        if self.plan:
            raise self.plan.pop(0)
        self.batches += batches
        self.changed.set()

    async def close(self) -> None:
        self.closed = True

    @property
    def sequences(self) -> list[int]:
        return [batch.sequence for batch in self.batches]

    @property
    def ids(self) -> list[str]:
        return [item.id for batch in self.batches for item in batch.events]


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 — what is awaited has no event of its own
            await asyncio.sleep(0.005)


class WireAgent:
    """Publishes frames and keeps the acknowledgements that come."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.acks: list[Ack] = []

    async def send(self, frame: bytes, stream: Stream = Stream.EVENTS, agent: AgentId = AGENT) -> None:
        await self.client.publish(str(Topic(agent, stream)), frame, qos=1)

    async def listen(self) -> None:
        async for message in self.client.messages:
            self.acks.append(decode_ack(message.payload))

    def numbers(self, kind: str, stream: Stream = Stream.EVENTS) -> set[int]:
        return {
            number
            for ack in self.acks
            if ack.stream == stream
            for span in getattr(ack, kind)
            for number in range(span.first, span.last + 1)
        }

    @property
    def committed(self) -> set[int]:
        return self.numbers("committed")

    @property
    def received(self) -> set[int]:
        return self.numbers("received")

    @property
    def refused(self) -> dict[int, str]:
        return {refusal.sequence: refusal.reason for ack in self.acks for refusal in ack.refused}


@contextlib.asynccontextmanager
async def wire_agent(port: int, agent: AgentId = AGENT, **options) -> AsyncIterator[WireAgent]:
    async with aiomqtt.Client("127.0.0.1", port, timeout=5, **options) as client:
        await client.subscribe(str(Topic(agent, Stream.ACK)), qos=1)
        found = WireAgent(client)
        task = asyncio.create_task(found.listen())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def make_ingest(
    port: int,
    *sinks,
    state: Path | None = None,
    collector: str = "c1",
    registry: CollectorRegistry | None = None,
    **options,
) -> Ingest:
    registry = CollectorRegistry() if registry is None else registry
    options.setdefault("delivery", {"retry": 0.02, "retry_max": 0.1, "linger": 0.01})
    options.setdefault("shutdown", 1)
    config = IngestConfig.model_validate(
        {"broker": {"url": f"mqtt://127.0.0.1:{port}", "retry": 0.05, "retry_max": 0.2}, **options}
    )
    ingest = Ingest(
        config,
        sinks,
        clock=SystemClock(),
        random=random.Random(1),
        registry=registry,
        collector_id=collector,
        state_path=state,
    )
    ingest.registry = registry
    return ingest


@contextlib.asynccontextmanager
async def running(ingest: Ingest) -> AsyncIterator[Ingest]:
    task = asyncio.create_task(ingest.run())
    try:
        await until(lambda: task.done() or ingest.registry.get_sample_value("fenghuo_collector_ingest_connected"))
        if task.done():
            task.result()
        yield ingest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
