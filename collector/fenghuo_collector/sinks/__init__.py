"""Sinks: where the collector stores what it takes in, in one explicit list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo_collector.sinks.base import Sink
from fenghuo_collector.sinks.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from fenghuo_collector.config import SinksConfig


def build_sinks(config: SinksConfig, clock: Clock, registry: CollectorRegistry) -> list[Sink]:
    """Every sink that the configuration asks for. Those with large clients are imported only where they are used."""
    sinks: list[Sink] = []
    if config.sqlite is not None:
        sinks.append(SqliteSink(config.sqlite, clock=clock, registry=registry))
    if config.prometheus is not None:
        from fenghuo_collector.sinks.prometheus.sink import PrometheusSink  # noqa: PLC0415 — only where it is used

        sinks.append(PrometheusSink(config.prometheus, clock=clock, registry=registry))
    if config.elasticsearch is not None:
        from fenghuo_collector.sinks.elasticsearch.sink import ElasticsearchSink  # noqa: PLC0415 — see above

        sinks.append(ElasticsearchSink(config.elasticsearch, clock=clock, registry=registry))
    return sinks
