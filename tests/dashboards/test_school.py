"""The dashboard's queries are answered by a real Prometheus that holds what agents send."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Layout, Table, single
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.prometheus.config import PrometheusConfig
from fenghuo_collector.sinks.prometheus.sink import PrometheusSink
from servers.prometheus import PrometheusServer, prometheus

FOLDER = Path(__file__).parents[2] / "dashboards"
FIELDS = ("ifOperStatus", "ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifOutErrors")


@pytest.fixture(scope="module")
def school() -> ModuleType:
    spec = importlib.util.spec_from_file_location("school", FOLDER / "school.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture
async def site(server: PrometheusServer) -> AsyncIterator[str]:
    """A school of its own for each test: ten minutes of a switch, a dead printer and a sensor."""
    name = f"bj/haidian/{uuid7(SystemClock().now())}"
    sink = PrometheusSink(
        PrometheusConfig.model_validate({"url": server.remote_write}), clock=SystemClock(), registry=CollectorRegistry()
    )
    await sink.start()
    now = int(time.time() * 1000)
    agent = AgentId.parse(f"{name}/gw1")
    switch = {"job": "snmp", "instance": "10.0.0.1", "device": "sw1"}
    ports = Layout("interface", switch, {"ifIndex": ["1", "2"], "ifName": ["a", "b"]}, FIELDS, {"ifHCInOctets": 64})
    tables = []
    for poll in range(11):
        at, grown = now - (10 - poll) * 60_000, poll * 60
        tables += [
            Table(ports, at, [[1, 2], [grown * 1000, 5], [grown * 2000, 5], [grown, 0], [0, 0]]),
            single("system", switch, {"snmp_up": 1, "snmp_scrape_duration_seconds": 0.2}, at),
            single("system", {**switch, "device": "printer", "instance": "10.0.0.9"}, {"snmp_up": 0}, at),
            single("sensor", {"job": "mqtt_sensor", "device": "t1"}, {"sensor_temperature_celsius": 24.5, "sensor_humidity_percent": 40}, at),
        ]  # fmt: skip
    await sink.write([Batch(agent, Stream.METRICS, 1, now, tables=tables)])
    yield name
    await sink.close()


def queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", [])]


async def test_every_query_of_the_dashboard_finds_something(server: PrometheusServer, site: str) -> None:
    board = json.loads((FOLDER / "school.json").read_text())
    asked = [(panel["title"], query) for panel in board["panels"] for query in queries(panel)]
    assert len(asked) == 11
    for title, query in asked:
        found = server.query(query.replace("$site", site).replace("$__rate_interval", "5m"))
        assert found, f"{title}: {query} finds nothing"


async def test_a_dead_device_is_listed_and_a_rate_is_in_bits(
    server: PrometheusServer, site: str, school: ModuleType
) -> None:
    (down,) = server.query(school.DOWN.replace("$site", site))
    assert down["metric"]["device"] == "printer"
    query = school.LINES["最忙的端口(接收) Busiest ports, in"][0]
    found = server.query(query.replace("$site", site).replace("$__rate_interval", "5m"))
    assert max(float(each["value"][1]) for each in found) == pytest.approx(8_000, rel=0.01)


def test_the_dashboard_is_what_its_code_builds(school: ModuleType) -> None:
    assert (FOLDER / "school.json").read_text() == school.build(), "run: python dashboards/school.py"


def test_every_picture_is_of_the_chosen_site(school: ModuleType) -> None:
    assert all('site="$site"' in query for query, _, _ in school.LINES.values())
