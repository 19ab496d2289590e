"""From single tables and events to batches for the spool: alerts at once, events soon, metrics by the second.

Everything here runs in the event loop and never waits. What is gathered is bounded by the sizes at which a batch is
made; what the disk cannot take is bounded, dropped and counted by the spool.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter
from pydantic import Field

from fenghuo.config import Duration, Section
from fenghuo.model import Event, Table
from fenghuo.wire import MAX_FRAME, Stream, encode_events, encode_tables
from fenghuo_agent.spool import Entry, Spool

_log = logging.getLogger(__name__)
_T = TypeVar("_T", Table, Event)
MAX_ENCODED = MAX_FRAME - 2**16
"""Bytes of an uncompressed body that is sure to fit into a frame, however badly it compresses."""
MAX_TABLES = 10_000
MAX_DOCUMENTS = 1_000


class BatchConfig(Section):
    """How long readings are gathered before they are sent as one batch."""

    flush_interval: Duration = Field(
        default=1.0, gt=0, le=60, description="Longest time that metrics are gathered before a batch of them is made."
    )
    event_interval: Duration = Field(
        default=0.2, gt=0, le=10, description="Longest time that events are gathered before a batch of them is made."
    )
    values: int = Field(
        default=20_000, ge=1, le=200_000, description="Number of values at which a batch of metrics is made at once."
    )


class BatchMetrics:
    """What went into batches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("fenghuo_agent_batches_total", "Batches made.", ["stream"], registry=registry)
        self.items = Counter(
            "fenghuo_agent_batched_items_total", "Values or documents put into batches.", ["stream"], registry=registry
        )
        self.bytes = Counter(
            "fenghuo_agent_batched_bytes_total", "Bytes of bodies before compression.", ["stream"], registry=registry
        )
        self.lost = Counter(
            "fenghuo_agent_batch_lost_items_total",
            "Values or documents lost because they cannot be encoded or are larger than a frame.",
            ["stream"],
            registry=registry,
        )


class Batcher:
    """Gathers, encodes and hands to the spool. All methods but `drain` return at once."""

    def __init__(self, spool: Spool, config: BatchConfig, registry: CollectorRegistry) -> None:
        self._spool = spool
        self._config = config
        self._metrics = BatchMetrics(registry)
        self._loop = asyncio.get_running_loop()
        self._tables: list[Table] = []
        self._values = 0
        self._documents: dict[Stream, list[Event]] = {stream: [] for stream in _DELAYED}
        self._timers: dict[Stream, asyncio.Handle] = {}

    def table(self, table: Table) -> None:
        """Take readings; they go out within `flush_interval`."""
        if not _is_whole(table):
            self._metrics.lost.labels(Stream.METRICS).inc(table.size)
            _log.error("a table of %s is lost: its columns do not fit its layout", table.layout.name)
            return
        self._tables.append(table)
        self._values += table.size
        if self._values >= self._config.values or len(self._tables) >= MAX_TABLES:
            self._flush(Stream.METRICS)
        elif Stream.METRICS not in self._timers:
            self._later(Stream.METRICS, self._config.flush_interval)

    def event(self, event: Event) -> None:
        """Take an event; it goes out within `event_interval`."""
        self._document(Stream.EVENTS, event, self._config.event_interval)

    def asset(self, event: Event) -> None:
        """Take what is known of a device, as an event of its own id; it goes out within `flush_interval`."""
        self._document(Stream.ASSETS, event, self._config.flush_interval)

    def alert(self, event: Event) -> None:
        """Take an alert (as `fenghuo.alerts.alert_to_event` gives it); it goes out in the loop's next turn."""
        self._document(Stream.ALERTS, event, 0)

    def save(self, state: Mapping[str, bytes]) -> asyncio.Future[None]:
        """Save small states (the rules' memory) in one transaction with everything taken so far."""
        return self._append([entry for stream in _ALL for entry in self._encode(stream)], state)

    async def drain(self) -> None:
        """Hand over everything taken so far; return once it is durable, or counted as lost."""
        await self.save({})

    def _document(self, stream: Stream, event: Event, delay: float) -> None:
        documents = self._documents[stream]
        documents.append(event)
        if len(documents) >= MAX_DOCUMENTS:
            self._flush(stream)
        elif stream not in self._timers:
            self._later(stream, delay)

    def _later(self, stream: Stream, delay: float) -> None:
        if delay:
            self._timers[stream] = self._loop.call_later(delay, self._flush, stream)
        else:
            self._timers[stream] = self._loop.call_soon(self._flush, stream)

    def _flush(self, stream: Stream) -> None:
        entries = self._encode(stream)
        if entries:
            self._append(entries, {})

    def _append(self, entries: Sequence[Entry], state: Mapping[str, bytes]) -> asyncio.Future[None]:
        for entry in entries:
            self._metrics.batches.labels(entry.stream).inc()
            self._metrics.items.labels(entry.stream).inc(entry.count)
            self._metrics.bytes.labels(entry.stream).inc(len(entry.body))
        return self._spool.append(entries, state)

    def _encode(self, stream: Stream) -> list[Entry]:
        """Take what was gathered for a stream and make batches of it; usually one."""
        timer = self._timers.pop(stream, None)
        if timer:
            timer.cancel()
        if stream == Stream.METRICS:
            tables, self._tables, self._values = self._tables, [], 0
            return self._split(stream, [table for table in tables if table.layout.height], encode_tables, _count_values)
        documents, self._documents[stream] = self._documents[stream], []
        return self._split(stream, documents, encode_events, len)

    def _split(
        self, stream: Stream, items: list[_T], encode: Callable[[Iterable[_T]], bytes], count: Callable[[list[_T]], int]
    ) -> list[Entry]:
        """Batches of `items`, halved until each fits into a frame; one that cannot be sent alone is counted as lost."""
        if not items:
            return []
        body, trouble = _try(encode, items)
        if not trouble:
            return [Entry(stream, body, count(items))]
        if len(items) > 1:
            middle = len(items) // 2
            return [
                entry for half in (items[:middle], items[middle:]) for entry in self._split(stream, half, encode, count)
            ]
        self._metrics.lost.labels(stream).inc(count(items))
        _log.error("one item of %s is lost: %s", stream, trouble)
        return []


def _try(encode: Callable[[Iterable[_T]], bytes], items: list[_T]) -> tuple[bytes, str]:
    """The body of a batch, or why there is none: an item that no MessagePack holds must not take others with it."""
    try:
        body = encode(items)
    except Exception as error:  # noqa: BLE001 — whatever an input put into a document, only that document is lost
        return b"", f"{type(error).__name__}: {error}"
    if len(body) > MAX_ENCODED:
        return b"", f"it takes {len(body)} bytes, a batch at most {MAX_ENCODED}"
    return body, ""


_DELAYED = (Stream.ALERTS, Stream.EVENTS, Stream.ASSETS)
_ALL = (*_DELAYED, Stream.METRICS)


def _count_values(tables: list[Table]) -> int:
    return sum(table.size for table in tables)


def _is_whole(table: Table) -> bool:
    """Whether a collector will take it: one column a field, one value a row."""
    if table.ended:
        return True
    height = table.layout.height
    return len(table.columns) == len(table.layout.fields) and all(len(column) == height for column in table.columns)
