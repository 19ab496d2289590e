"""From a message's bytes to a batch: everything that is judged of the wire, without effects."""

from __future__ import annotations

from dataclasses import dataclass

from fenghuo.errors import WireError
from fenghuo.model import AgentId, Table
from fenghuo.wire import MAX_BODY, Frame, Topic, decompress, split_frame
from fenghuo.wire.body import decode_tables
from fenghuo_collector.ingest.ahead import AheadGuard
from fenghuo_collector.ingest.config import LimitsConfig
from fenghuo_collector.ingest.documents import MAX_TIME, Bounds, Rejected, decode_documents
from fenghuo_collector.ingest.layouts import LayoutCache
from fenghuo_collector.ingest.normalise import Normaliser
from fenghuo_collector.sinks.base import Batch

MAX_SEQUENCE = 2**53
"""Numbers stay exact in every language and store."""
MAX_ID = 64
_TABLE_BYTES = 300
_COLUMN_BYTES = 100


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message whose header is read and agrees with its topic; the body is still compressed."""

    topic: Topic
    header: Frame
    codec: int
    body: bytes
    length: int
    """Bytes of the whole message."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an envelope held: a batch of what is good, and what was rejected, by index in the body."""

    batch: Batch
    rejected: list[Rejected]
    newest: int | None
    """The latest time among the items, Unix milliseconds by the agent's clock."""
    corrected: int
    """Items whose time was too far ahead and was put right."""


def read_envelope(topic: Topic, payload: bytes) -> Envelope:
    """The header of a message; `WireError` where it is none or speaks of another agent or stream than the topic."""
    header, codec, body = split_frame(payload)
    if header.agent != str(topic.agent):
        raise WireError("topic", f"a batch of {header.agent[:100]!r} on the topic of {topic.agent}")
    if header.stream != topic.stream:
        raise WireError("topic", f"a batch of stream {header.stream[:20]!r} on the topic of {topic.stream}")
    if not (0 < len(header.spool) <= MAX_ID and len(header.boot) <= MAX_ID):
        raise WireError("header", "a header whose spool or boot id is empty or too long")
    if max(header.sequence, header.oldest, header.dropped, header.count, abs(header.sent)) > MAX_SEQUENCE:
        raise WireError("header", "a header with a number out of range")
    return Envelope(topic, header, codec, body, len(payload))


class Opener:
    """Opens one agent's envelopes; keeps what makes that cheap: layouts already seen, texts already made."""

    def __init__(self, agent: AgentId, limits: LimitsConfig) -> None:
        self._agent = agent
        self._limits = limits
        self._bounds = Bounds(limits.document, limits.document_keys)
        self._layouts = LayoutCache(limits.layouts, limits.layout_bytes)
        self.normaliser = Normaliser(agent)

    def open(self, envelope: Envelope, received: int) -> Opened:
        """Decompress, decode, check and complete a batch; `WireError` where it is none as a whole."""
        if envelope.topic.stream.holds_tables:
            return self._tables(envelope, received)
        return self._documents(envelope, received)

    def _tables(self, envelope: Envelope, received: int) -> Opened:
        body = decompress(envelope.body, envelope.codec, min(self._limits.batch, MAX_BODY))
        tables = decode_tables(body, self._layouts)
        rejected: list[Rejected] = []
        newest = max((table.time for table in tables), default=None)
        guard = self._guard(envelope, received)
        if self._layouts.faults or any(not 0 <= table.time <= guard.bound for table in tables):
            tables, rejected = self._sift(tables, guard)
        size = sum(8 * table.size + _COLUMN_BYTES * len(table.columns) + _TABLE_BYTES for table in tables)
        stream, sequence = envelope.topic.stream, envelope.header.sequence
        batch = Batch(self._agent, stream, sequence, received, tables=tables, size=size)
        return Opened(batch, rejected, newest, guard.corrected)

    def _guard(self, envelope: Envelope, received: int) -> AheadGuard:
        return AheadGuard(envelope.header.sent, received, round(self._limits.ahead * 1000))

    def _sift(self, tables: list[Table], guard: AheadGuard) -> tuple[list[Table], list[Rejected]]:
        good: list[Table] = []
        rejected: list[Rejected] = []
        for index, table in enumerate(tables):
            fault = self._layouts.faults.get(table.layout)
            if fault is None and not 0 <= table.time <= MAX_TIME:
                fault = f"table {table.layout.name} with a time out of range"
            believed = guard.table(table) if fault is None else None
            if believed is not None:
                good.append(believed)
            else:
                rejected.append(Rejected(index, fault or _ahead(table, guard)))
        return good, rejected

    def _documents(self, envelope: Envelope, received: int) -> Opened:
        body = decompress(envelope.body, envelope.codec, min(self._limits.documents, MAX_BODY))
        found = decode_documents(body, self._bounds)
        newest = max((event.time for event in found.events), default=None)
        guard = self._guard(envelope, received)
        events = found.events
        if newest is not None and newest > guard.bound:
            events = [guard.event(event) for event in events]
        self.normaliser.complete(events, received)
        stream, sequence = envelope.topic.stream, envelope.header.sequence
        batch = Batch(self._agent, stream, sequence, received, events=events, size=found.size)
        return Opened(batch, found.rejected, newest, guard.corrected)


def _ahead(table: Table, guard: AheadGuard) -> str:
    seconds = (table.time - guard.received) / 1000
    return f"table {table.layout.name} of {seconds:.0f} s in the future: a clock is wrong"
