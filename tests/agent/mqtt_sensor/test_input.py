"""The input against a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import aiomqtt
import pytest

from fenghuo.errors import Retryable
from fenghuo.model import Table


async def until(condition, what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def reading(source, basket, broker, topic="school/probe/probe/state"):
    """The input at work, from the moment that its subscription holds, and a client to publish with."""
    task = asyncio.create_task(source.run(basket))
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for _ in range(500):
                await client.publish(topic, json.dumps({"temperature": 1}))
                await asyncio.sleep(0.02)
                assert not task.done(), task.exception()
                if basket.tables:
                    break
            basket.tables.clear()
            yield client, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Retryable):
            await task


def values(table: Table) -> dict[str, float]:
    return {name: column[0] for name, column in zip(table.layout.fields, table.columns, strict=True)}


async def test_when_a_sensor_publishes_it_should_hand_on_its_values_with_the_topics_parts_as_labels(
    make, basket, broker
):
    source = make(broker=broker.url, topic="school/{room}/{device}/state")
    async with reading(source, basket, broker) as (client, _):
        before = time.time() * 1000
        payload = {"temperature": 23.5, "humidity": 41, "battery": 97, "voltage": 3005, "linkquality": 110}
        await client.publish("school/server-room/env-1/state", json.dumps(payload))
        await until(lambda: len(basket.tables) >= 1, "the reading")
    table = next(table for table in basket.tables if table.layout.labels["device"] == "env-1")
    assert table.layout.name == "sensor"
    assert table.layout.rows == (
        {"job": "mqtt_sensor", "instance": f"127.0.0.1:{broker.port}", "device": "env-1", "room": "server-room"},
    )
    assert values(table) == {
        "sensor_battery_percent": 97,
        "sensor_humidity_percent": 41,
        "sensor_linkquality": 110,
        "sensor_temperature_celsius": 23.5,
        "sensor_voltage_volts": 3.005,
    }
    assert before - 5 <= table.time <= time.time() * 1000


async def test_when_the_broker_goes_away_it_should_raise_for_the_supervisor(make, basket, broker):
    source = make(broker=broker.url, topic="school/{room}/{device}/state")
    async with reading(source, basket, broker) as (_, task):
        broker.process.terminate()
        with pytest.raises(Retryable, match=r"127\.0\.0\.1"):
            await asyncio.wait_for(task, 10)


async def test_when_nothing_listens_it_should_raise_at_once(make, basket):
    source = make(broker="mqtt://127.0.0.1:9", topic="school/{room}/{device}/state")
    with pytest.raises(Retryable, match=r"127\.0\.0\.1:9"):
        await asyncio.wait_for(source.run(basket), 5)
