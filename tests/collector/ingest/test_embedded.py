"""Ingest through the embedded broker, which speaks MQTT 3.1.1 only."""

from __future__ import annotations

import pytest

from fenghuo_collector.broker import EmbeddedBroker, EmbeddedBrokerConfig

from .support import MemorySink, events_frame, make_ingest, running, until, wire_agent


@pytest.fixture
async def embedded_port():
    broker = EmbeddedBroker(EmbeddedBrokerConfig(listen="127.0.0.1:0"))
    await broker.start()
    yield broker.port
    await broker.stop()


async def test_when_the_broker_lacks_mqtt_5_ingest_goes_on_with_3_1_1(embedded_port):
    sink = MemorySink()
    async with running(make_ingest(embedded_port, sink)), wire_agent(embedded_port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert sink.ids == ["e1"]
