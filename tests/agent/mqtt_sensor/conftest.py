"""A Mosquitto for the sensors' tests, and somewhere to put what an input reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Asset, Event, Table
from fenghuo_agent.inputs.mqtt_sensor import MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.input import MqttSensorInput
from fenghuo_agent.inputs.mqtt_sensor.metrics import MqttSensorMetrics
from servers.mosquitto import Mosquitto, mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


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
