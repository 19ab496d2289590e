"""What the collector counted, read from its own metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

INGESTED = "fenghuo_collector_ingest_items_total"
READINGS = frozenset({"metrics", "backfill"})
LOST = frozenset(
    {
        "fenghuo_collector_ingest_dropped_items_total",
        "fenghuo_collector_ingest_rejected_items_total",
        "fenghuo_collector_sink_lost_items_total",
        "fenghuo_collector_sink_rejected_items_total",
    }
)
"""Each counts items; that batches are missing too says nothing more, as their items are among those the agent gave up."""


def count(exposition: str) -> dict[str, int]:
    """Values read, documents (events, alerts, assets) and losses, from an exposition of the collector's metrics."""
    counts = {"readings": 0, "events": 0, "lost": 0}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == INGESTED:
                kind = "readings" if sample.labels.get("stream") in READINGS else "events"
                counts[kind] += int(sample.value)
            elif sample.name in LOST:
                counts["lost"] += int(sample.value)
    return counts


async def read_counts(console: str, seconds: float) -> Mapping[str, int]:
    """The counts of the collector whose console is at that address; zeros where it does not answer in time."""
    try:
        text = await asyncio.wait_for(asyncio.to_thread(_fetch, f"{console}/metrics", seconds), seconds + 0.1)
    except (URLError, OSError, TimeoutError, ValueError):
        return {"readings": 0, "events": 0, "lost": 0}
    return count(text)


def _fetch(url: str, seconds: float) -> str:
    with urlopen(url, timeout=seconds) as answer:  # noqa: S310 — an http address on loopback
        return answer.read().decode()
