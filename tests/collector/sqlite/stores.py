"""Stores, tables and batches for the tests of the embedded store."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock, VirtualClock
from fenghuo.model import AgentId, Event, Layout, Table, Value
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite import SqliteConfig, SqliteSink

AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
OTHER = AgentId.parse("bj/haidian/zgc-no2/gw1")
START = 1_767_225_600_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@contextlib.asynccontextmanager
async def store(folder: Path, clock: Clock | None = None, **options: object) -> AsyncIterator[SqliteSink]:
    """A store that looks after itself only when a test says `maintain()`."""
    config = SqliteConfig.model_validate({"path": folder, "maintenance_interval": 1e9, **options})
    sink = SqliteSink(config, clock=clock or VirtualClock(START), registry=CollectorRegistry())
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


def ports(names: Sequence[str] = ("a", "b"), fields: Sequence[str] = ("ifHCInOctets",), **labels: str) -> Layout:
    shared = {"job": "snmp", "instance": "10.20.0.5", "device": "sw1", **labels}
    return Layout(
        "interface", shared, {"ifName": list(names)}, tuple(fields), {field: 64 for field in fields if "HC" in field}
    )


def metrics(*tables: Table, agent: AgentId = AGENT, sequence: int = 1, received: int = START) -> Batch:
    return Batch(agent, Stream.METRICS, sequence, received, tables=tables)


def documents(*events: Event, agent: AgentId = AGENT, stream: Stream = Stream.EVENTS, received: int = START) -> Batch:
    return Batch(agent, stream, 1, received, events=events)


def drawn(sink: SqliteSink, field: str, labels: Mapping[str, str], **options: object) -> list[tuple[int, Value]]:
    """The points of the one series that there is."""
    found = sink.query.series(AGENT, "interface", field, labels, 0, 2**50, max_points=10**9, **options)
    assert len(found) <= 1
    return list(found[0].points) if found else []
