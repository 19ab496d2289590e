"""The Prometheus sink against a real Prometheus."""

from __future__ import annotations

import time
from array import array
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import AgentId, Layout, Site, Table
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.prometheus import PrometheusConfig, PrometheusSink
from servers.prometheus import PrometheusServer

AGENT = AgentId(Site("bj/haidian/zgc-no1"), "gw1")


def batch(*tables: Table, agent: AgentId = AGENT, stream: Stream = Stream.METRICS) -> Batch:
    return Batch(agent, stream, 1, 0, tables=tables)


def now() -> int:
    return time.time_ns() // 1_000_000


def interface(device: str) -> Layout:
    rows = {"ifIndex": ["1", "2"], "ifName": ["Gi0/1", "Gi0/2"], "ifAlias": ['uplink 楼 "3"', ""]}
    return Layout(
        "interface", {"job": "snmp", "instance": "10.0.0.1", "device": device}, rows, ("ifOperStatus", "ifHCInOctets")
    )


@pytest.fixture
async def sink(prometheus_server: PrometheusServer) -> AsyncIterator[PrometheusSink]:
    made = PrometheusSink(
        PrometheusConfig(url=prometheus_server.remote_write), clock=SystemClock(), registry=CollectorRegistry()
    )
    await made.start()
    yield made
    await made.close()


async def test_when_a_table_is_written_promql_reads_equal_values_under_its_labels(sink, prometheus_server):
    at = now()
    await sink.write([batch(Table(interface("sw-1"), at, [[1, 2], array("Q", [2**63, 12345678901])]))])
    (first,) = prometheus_server.query('ifHCInOctets{device="sw-1",ifName="Gi0/1"}', at)
    assert first["metric"] == {
        "__name__": "ifHCInOctets",
        "site": "bj/haidian/zgc-no1",
        "agent": "gw1",
        "job": "snmp",
        "instance": "10.0.0.1",
        "device": "sw-1",
        "ifIndex": "1",
        "ifName": "Gi0/1",
        "ifAlias": 'uplink 楼 "3"',
    }
    assert float(first["value"][1]) == 2.0**63
    assert prometheus_server.value('ifHCInOctets{device="sw-1",ifAlias=""}', at) == 12345678901
    assert prometheus_server.value('ifOperStatus{device="sw-1",ifName="Gi0/2"}', at) == 2
