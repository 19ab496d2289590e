"""Messages between the socket and their reading: bounded in bytes, the least urgent shed first."""

from __future__ import annotations

import asyncio

from aiomqtt import Message

from fenghuo.wire import Stream
from fenghuo_collector.ingest.metrics import IngestMetrics

_OVERHEAD = 500
"""Bytes that a message takes beside its payload, about."""
_BACKFILL = f"/{Stream.BACKFILL}"


class Inbox(asyncio.Queue[Message]):
    """A queue bounded in bytes. What finds no room is shed and counted: its agent, unanswered, sends it again.

    Backfill may fill one half only, so that a backlog never costs live batches their place.
    """

    def __init__(self, size: int, metrics: IngestMetrics) -> None:
        super().__init__()
        self._size = size
        self._metrics = metrics
        self._held = 0

    def put_nowait(self, item: Message) -> None:
        size = _size(item)
        bound = self._size // 2 if str(item.topic).endswith(_BACKFILL) else self._size
        if self._held and self._held + size > bound:
            self._metrics.shed.labels("inbox").inc()
            return
        self._held += size
        self._metrics.inbox_bytes.set(self._held)
        super().put_nowait(item)

    def get_nowait(self) -> Message:
        item = super().get_nowait()
        self._held -= _size(item)
        self._metrics.inbox_bytes.set(self._held)
        return item


def _size(message: Message) -> int:
    return _OVERHEAD + len(message.payload)
