"""A broker, a collector and an agent under load, each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.mosquitto import Mosquitto, mosquitto

from .world import RATE, Collector, LoadedAgent, collector, loaded_agent


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def district(tmp_path: Path, broker: Mosquitto) -> Iterator[Collector]:
    made = collector(
        tmp_path / "collector", broker={"url": f"mqtt://127.0.0.1:{broker.port}", "retry_max": "1s", "keepalive": "2s"}
    )
    made.start()
    made.ready()
    yield made
    made.stop()


@pytest.fixture
def school(tmp_path: Path, broker: Mosquitto) -> Iterator[LoadedAgent]:
    made = loaded_agent(tmp_path / "agent", broker.port, rate=RATE)
    made.start()
    yield made
    made.stop()
