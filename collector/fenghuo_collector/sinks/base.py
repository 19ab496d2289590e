"""What a sink is.

A sink stores batches somewhere. It answers for every item: accepted (silence), rejected for good, or to come again.
Each sink is a package of the same files: `config.py`, `sink.py`, `encode.py` (model → its bytes), `sample.yaml`, and
what else it needs. Sinks do not queue and do not retry: ingest gives each sink a bounded queue and a worker of its own
(`fenghuo_collector.ingest.delivery`), so that a slow or dead sink costs the others nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fenghuo.model import AgentId, Event, Table
from fenghuo.wire import Stream


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One batch of an agent's stream as ingest accepted it; `tables` or `events` is filled, by stream.

    Layouts of tables are shared between batches (same object for the same labels), so a sink may cache by layout
    together with `agent`. `agent` is to be added to every series as labels `site` and `agent`. `received` is Unix
    milliseconds by the collector's clock; events already carry `observer.*`, `organization.*` and `event.ingested`.
    """

    agent: AgentId
    stream: Stream
    sequence: int
    received: int
    tables: Sequence[Table] = ()
    events: Sequence[Event] = ()
    size: int = 0
    """Bytes it takes in memory, roughly: what queues are bounded by."""

    @property
    def count(self) -> int:
        """Items: values for tables, otherwise documents."""
        return sum(table.size for table in self.tables) + len(self.events)


class Sink(Protocol):
    """One configured store. All writes are idempotent: the same batch may come again after a crash or a lost answer."""

    @property
    def name(self) -> str:
        """Short and unique, e.g. `prometheus`; a metric label."""
        ...

    @property
    def required(self) -> bool:
        """Whether the agents' acknowledgements wait for it."""
        ...

    def takes(self, stream: Stream) -> bool:
        """Whether batches of this stream are for it."""
        ...

    async def start(self) -> None:
        """Connect, install templates, open files. Raises `Retryable` or `Permanent`."""
        ...

    async def write(self, batches: Sequence[Batch]) -> None:
        """Store these batches durably, in order, in as few calls as the store likes; return when they are stored.

        Raises `Retryable` (nothing may be assumed stored: all come again), `PartialWrite` (indices count through the
        items of all batches: tables for metrics, else documents), `Permanent` (all are refused for good).
        """
        ...

    async def close(self) -> None: ...
