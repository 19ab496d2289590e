"""What the spool says of its own health."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fenghuo.wire import Stream
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool.store import Depths, Lost

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class SpoolMetrics:
    """Depth, losses and speed of the spool. Safe to use from the writer's thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._batches = Gauge(
            "fenghuo_agent_spool_batches", "Undelivered batches on disk.", ["stream"], registry=registry
        )
        self._items = Gauge(
            "fenghuo_agent_spool_items", "Undelivered values or documents on disk.", ["stream"], registry=registry
        )
        self._bytes = Gauge(
            "fenghuo_agent_spool_bytes", "Bytes that undelivered batches take on disk.", ["stream"], registry=registry
        )
        self.cap = Gauge("fenghuo_agent_spool_cap_bytes", "Most bytes that batches may take.", registry=registry)
        self.waiting = Gauge(
            "fenghuo_agent_spool_waiting_bytes", "Bytes in memory that wait for the disk.", registry=registry
        )
        self._dropped = Counter(
            "fenghuo_agent_spool_dropped_items_total",
            "Values or documents lost, by reason: cap, memory (the disk took nothing), refused, damage.",
            ["stream", "reason"],
            registry=registry,
        )
        self.failures = Counter(
            "fenghuo_agent_spool_disk_failures_total", "Transactions that the disk did not take.", registry=registry
        )
        self.commit_seconds = Histogram(
            "fenghuo_agent_spool_commit_seconds",
            "Time of one durable transaction.",
            registry=registry,
            buckets=_SECONDS,
        )
        for stream in DATA_STREAMS:
            for reason in ("cap", "memory", "refused", "damage"):
                self._dropped.labels(stream, reason)

    def depths(self, depths: Depths) -> None:
        for stream, depth in depths.items():
            self._batches.labels(stream).set(depth.batches)
            self._items.labels(stream).set(depth.items)
            self._bytes.labels(stream).set(depth.bytes)

    def lost(self, lost: Mapping[Stream, Lost], reason: str) -> None:
        for stream, amount in lost.items():
            self._dropped.labels(stream, reason).inc(amount.items)
