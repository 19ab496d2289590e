"""Messages that wait to be read, bounded in bytes."""

from __future__ import annotations

from aiomqtt import Message
from prometheus_client import CollectorRegistry

from fenghuo_collector.ingest.inbox import Inbox
from fenghuo_collector.ingest.metrics import IngestMetrics


def message(stream: str, size: int = 500) -> Message:
    return Message(f"fenghuo/1/bj/gw1/{stream}", bytes(size), 1, False, 1, None)


async def test_when_there_is_no_room_messages_are_shed_and_counted_and_backfill_leaves_half_to_the_others():
    registry = CollectorRegistry()
    inbox = Inbox(10_000, IngestMetrics(registry))
    for _ in range(8):
        inbox.put_nowait(message("backfill"))
    assert inbox.qsize() == 5
    for _ in range(8):
        inbox.put_nowait(message("metrics"))
    assert inbox.qsize() == 10
    assert registry.get_sample_value("fenghuo_collector_ingest_shed_messages_total", {"reason": "inbox"}) == 6
    for _ in range(10):
        await inbox.get()
    assert registry.get_sample_value("fenghuo_collector_ingest_inbox_bytes") == 0


async def test_when_a_message_is_larger_than_the_bound_it_passes_alone():
    inbox = Inbox(1000, IngestMetrics(CollectorRegistry()))
    inbox.put_nowait(message("events", 5000))
    inbox.put_nowait(message("events", 5000))
    assert inbox.qsize() == 1
