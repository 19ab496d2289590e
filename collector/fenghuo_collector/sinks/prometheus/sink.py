"""The sink: batches of tables → remote-write requests, refused samples found and told."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from fenghuo.clock import Clock
from fenghuo.errors import PartialWrite, Rejection, Retryable
from fenghuo.model import Table
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.prometheus.config import PrometheusConfig
from fenghuo_collector.sinks.prometheus.encode import (
    END_TIME,
    FIRST_TIME,
    Block,
    Group,
    LabelCache,
    Labels,
    encode_block,
    whole,
)
from fenghuo_collector.sinks.prometheus.remote import Refused, Remote

_PROBES = 200
"""Requests that one write may spend on finding which samples of refused requests are to blame."""


class SinkMetrics:
    """The sink's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.samples = Counter(
            "fenghuo_collector_remote_write_samples_total", "Samples stored by remote write.", registry=registry
        )
        self.rejected = Counter(
            "fenghuo_collector_remote_write_rejected_samples_total",
            "Samples that the receiver, or we on its behalf, refused for good.",
            ["reason"],
            registry=registry,
        )
        self.probes = Counter(
            "fenghuo_collector_remote_write_probes_total",
            "Requests sent to find out which samples of a refused request are to blame.",
            registry=registry,
        )
        self.bytes = Counter(
            "fenghuo_collector_remote_write_bytes_total", "Request bytes before compression.", registry=registry
        )
        self.seconds = Histogram(
            "fenghuo_collector_remote_write_request_seconds",
            "Time until a request was answered.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )


class Refusals:
    """What a write could not store: samples by table and reason."""

    def __init__(self) -> None:
        self._samples: dict[int, int] = defaultdict(int)
        self._texts: dict[int, str] = {}
        self.by_reason: dict[str, int] = defaultdict(int)

    def table(self, index: int, samples: int, reason: str, text: str) -> None:
        self._samples[index] += samples
        self._texts[index] = text
        self.by_reason[reason] += samples

    def block(self, block: Block, refused: Refused) -> None:
        start, end = block.tables
        for index in block.group.indices[start:end]:
            self.table(index, block.size // (end - start), refused.reason, refused.text)

    def error(self) -> PartialWrite | None:
        if not self._samples:
            return None
        rejected = [Rejection(i, f"{self._texts[i]} ({n} samples)") for i, n in sorted(self._samples.items())]
        total = sum(self._samples.values())
        return PartialWrite(f"{total} samples of {len(rejected)} tables refused", rejected=rejected)


class PrometheusSink:
    """Writes tables to a Prometheus by remote write.

    A request that is refused because of some of its samples is refused as a whole (Prometheus rolls it back), so it is
    cut in halves until the samples to blame stand alone; all others are stored.
    """

    name = "prometheus"

    def __init__(self, config: PrometheusConfig, *, clock: Clock, registry: CollectorRegistry) -> None:
        self.required = config.required
        self._config = config
        self._clock = clock
        self._remote = Remote(config, clock)
        self._labels = LabelCache()
        self._metrics = SinkMetrics(registry)

    def takes(self, stream: Stream) -> bool:
        return stream.holds_tables

    async def start(self) -> None:
        await self._remote.start()

    async def close(self) -> None:
        await self._remote.close()

    async def write(self, batches: Sequence[Batch]) -> None:
        """Store all tables; `PartialWrite` names those of which samples were refused, `Retryable` asks for all again."""
        refusals = Refusals()
        groups = self._groups(batches, refusals)
        parts = [Part(blocks) for blocks in _parts(map(whole, groups), self._config.max_samples)]
        await self._send_all(parts, refusals)
        for reason, count in refusals.by_reason.items():
            self._metrics.rejected.labels(reason).inc(count)
        error = refusals.error()
        if error is not None:
            raise error

    def _groups(self, batches: Sequence[Batch], refusals: Refusals) -> Iterable[Group]:
        """The tables by agent and layout, each by time; those of an impossible time are refused at once."""
        latest = self._clock.now() + self._config.max_ahead * 1000
        found: dict[Labels, dict[int, tuple[Table, int]]] = defaultdict(dict)
        index = -1
        for batch in batches:
            for table in batch.tables:
                index += 1
                if not FIRST_TIME <= table.time < END_TIME:
                    refusals.table(index, table.size, "impossible_time", f"time {table.time} is no time of ours")
                elif table.time > latest:
                    ahead = (table.time - self._clock.now()) / 1000
                    refusals.table(index, table.size, "future", f"{ahead:.0f} s in the future: the clock is wrong")
                else:
                    found[self._labels.of(batch.agent, table.layout)][table.time] = (table, index)
        for labels, by_time in found.items():
            tables, indices = zip(*(by_time[time] for time in sorted(by_time)), strict=True)
            yield Group(labels, tables[0].layout, tables, indices)

    async def _send_all(self, parts: Sequence[Part], refusals: Refusals) -> None:
        """Send the parts, some at once: no series is in two of them, so their order does not matter."""
        refused: deque[tuple[Part, Refused]] = deque()
        failures: list[Retryable] = []
        gate = asyncio.Semaphore(self._config.connections)

        async def send(part: Part) -> None:
            async with gate:
                try:
                    if not failures:
                        await self._send(part)
                except Refused as answer:
                    refused.append((part, answer))
                except Retryable as failure:
                    failures.append(failure)

        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                tasks.create_task(send(part))
        if failures:
            raise failures[0]
        await self._isolate(refused, refusals)

    async def _send(self, part: Part) -> None:
        body, samples = part.encode()
        if not samples:
            return
        self._metrics.bytes.inc(len(body))
        with self._metrics.seconds.time():
            await self._remote.send(body)
        self._metrics.samples.inc(samples)

    async def _isolate(self, refused: deque[tuple[Part, Refused]], refusals: Refusals) -> None:
        """Halve refused parts until each is stored or can be blamed; what remains when the probes are spent is blamed."""
        if any(not answer.about_time for _, answer in refused):
            await self._remote.check()
        probes = _PROBES
        while refused:
            part, answer = refused.popleft()
            halves = part.halves(below_table=not answer.about_time)
            if halves is None or probes < 2:
                for block in part.blocks:
                    refusals.block(block, answer)
                continue
            for half in halves:
                probes -= 1
                self._metrics.probes.inc()
                try:
                    await self._send(half)
                except Refused as again:
                    refused.append((half, again))


class Part:
    """The blocks of one request."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks

    def encode(self) -> tuple[bytes, int]:
        """The WriteRequest and how many samples it holds."""
        pieces: list[bytes] = []
        samples = 0
        for block in self.blocks:
            own, count = encode_block(block)
            pieces += own
            samples += count
        return b"".join(pieces), samples

    def halves(self, *, below_table: bool) -> tuple[Part, Part] | None:
        if len(self.blocks) > 1:
            middle = len(self.blocks) // 2
            return Part(self.blocks[:middle]), Part(self.blocks[middle:])
        cut = self.blocks[0].halves(below_table=below_table)
        return (Part([cut[0]]), Part([cut[1]])) if cut else None


def _parts(blocks: Iterable[Block], limit: int) -> Iterator[list[Block]]:
    """The blocks in parts of at most `limit` samples; larger blocks are cut by field and row, never by time."""
    part: list[Block] = []
    size = 0
    for block in blocks:
        for piece in _cut(block, limit):
            if part and size + piece.size > limit:
                yield part
                part, size = [], 0
            part.append(piece)
            size += piece.size
    if part:
        yield part


def _cut(block: Block, limit: int) -> Iterator[Block]:
    """Pieces of at most `limit` samples that share no series (one series' samples may exceed it)."""
    if block.size <= limit:
        yield block
        return
    times = len(block.group.tables)
    rows = block.group.layout.height
    fields = max(1, limit // (times * rows))
    step = max(1, limit // (times * fields))
    for field in range(0, len(block.group.layout.fields), fields):
        for row in range(0, rows, step):
            yield Block(
                block.group,
                block.tables,
                (field, min(field + fields, len(block.group.layout.fields))),
                (row, min(row + step, rows)),
            )
