"""A Mosquitto for the sensors' tests, and somewhere to put what an input reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Asset, Event, Table
from fenghuo_agent.inputs.mqtt_sensor import MqttSensorConfig, MqttSensorInput, MqttSensorMetrics
from servers.process import free_port, listens, need, running


@dataclass
class Broker:
    port: int
    process: object

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = need("mosquitto", "mosquitto")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    command = [program, "-c", str(config)]
    with running(command, tmp_path / "mosquitto.log", lambda: listens(port)) as process:
        yield Broker(port, process)


class Basket:
    """An accumulator that keeps everything."""

    def __init__(self) -> None:
        self.tables: list[Table] = []

    def table(self, table: Table) -> None:
        self.tables.append(table)

    def event(self, event: Event) -> None:
        raise AssertionError(event)

    def asset(self, asset: Asset) -> None:
        raise AssertionError(asset)


@pytest.fixture
def basket() -> Basket:
    return Basket()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def make(registry: CollectorRegistry) -> Callable[..., MqttSensorInput]:
    metrics = MqttSensorMetrics(registry)

    def build(**settings) -> MqttSensorInput:
        clock = settings.pop("clock", SystemClock())
        return MqttSensorInput("mqtt_sensor[0]", MqttSensorConfig(**settings), metrics, clock)

    return build
