"""The input against a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import aiomqtt
import pytest

from fenghuo.errors import Permanent, Retryable
from fenghuo.model import Table
from servers.mosquitto import Authority, mosquitto, mosquitto_tls


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


def url(broker) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


def values(table: Table) -> dict[str, float]:
    return {name: column[0] for name, column in zip(table.layout.fields, table.columns, strict=True)}


async def test_when_a_sensor_publishes_it_should_hand_on_its_values_with_the_topics_parts_as_labels(
    make, basket, broker
):
    source = make(broker=url(broker), topic="school/{room}/{device}/state")
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
    source = make(broker=url(broker), topic="school/{room}/{device}/state")
    async with reading(source, basket, broker) as (_, task):
        broker.kill()
        with pytest.raises(Retryable, match=r"127\.0\.0\.1"):
            await asyncio.wait_for(task, 10)


async def test_when_nothing_listens_it_should_raise_at_once(make, basket):
    source = make(broker="mqtt://127.0.0.1:9", topic="school/{room}/{device}/state")
    with pytest.raises(Retryable, match=r"127\.0\.0\.1:9"):
        await asyncio.wait_for(source.run(basket), 5)


@pytest.mark.slow
async def test_when_the_broker_falls_silent_it_should_notice_by_keepalive(make, basket, broker):
    source = make(broker=url(broker), topic="school/{room}/{device}/state", keepalive=5)
    async with reading(source, basket, broker) as (_, task):
        broker.freeze()
        try:
            with pytest.raises(Retryable):
                await asyncio.wait_for(task, 20)
        finally:
            broker.thaw()


async def test_when_a_message_was_retained_it_should_not_count_as_a_reading_unless_asked(
    make, basket, broker, registry
):
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("school/old/env-9/state", json.dumps({"temperature": 9}), qos=1, retain=True)
    async with reading(make(broker=url(broker), topic="school/{room}/{device}/state"), basket, broker):
        dropped = {"input": "mqtt_sensor[0]", "reason": "retained"}
        name = "fenghuo_agent_mqtt_sensor_messages_dropped_total"
        await until(lambda: registry.get_sample_value(name, dropped) == 1, "the retained message")
        assert "env-9" not in {table.layout.labels["device"] for table in basket.tables}


async def test_when_asked_for_retained_messages_once_should_take_them(make, basket, broker):
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("school/old/env-9/state", json.dumps({"temperature": 9}), qos=1, retain=True)
    await make(broker=url(broker), topic="school/{room}/{device}/state", retained=True, once_wait=5).once(basket)
    assert [table.layout.labels["device"] for table in basket.tables] == ["env-9"]


async def test_once_without_a_message_should_say_what_to_look_at(make, basket, broker):
    source = make(broker=url(broker), topic="school/{room}/{device}/state", once_wait=0.2)
    with pytest.raises(Retryable, match=r"school/\+/\+/state.*is the topic right"):
        await source.once(basket)


async def test_when_messages_make_no_sense_it_should_count_them_and_read_on(make, basket, broker, registry, caplog):
    source = make(broker=url(broker), topic="school/{room}/{device}/state", max_payload=256)
    bad = [b"", b"{", b"\xff\xfe", b"null", b'{"a": "b"}', b"[]", b"{" * 200, b'{"temperature": 1}' + b" " * 256]
    async with reading(source, basket, broker) as (client, _):
        for number in range(200):
            await client.publish("school/lab/bad/state", bad[number % len(bad)])
        await client.publish("school/lab/good/state", json.dumps({"temperature": 20}))
        await until(lambda: any(t.layout.labels["device"] == "good" for t in basket.tables), "the good reading")
    name = "fenghuo_agent_mqtt_sensor_messages_dropped_total"
    samples = {s.labels["reason"]: s.value for f in registry.collect() for s in f.samples if s.name == name}
    assert sum(samples.values()) == 200
    assert set(samples) == {"not_json", "empty", "no_values", "too_long"}
    assert "bad" not in {table.layout.labels["device"] for table in basket.tables}
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == len(samples)


async def test_when_there_are_too_many_devices_it_should_drop_the_further_ones(make, basket, broker, registry):
    source = make(broker=url(broker), topic="school/{room}/{device}/state", max_devices=3)
    async with reading(source, basket, broker) as (client, _):
        for number in range(10):
            await client.publish(f"school/lab/d{number}/state", json.dumps({"temperature": number}))
        for _ in range(2):
            await client.publish("school/lab/d0/state", json.dumps({"temperature": 50}))
        await until(lambda: sum(50 in t.columns[0] for t in basket.tables) == 2, "the last readings")
    assert {table.layout.labels["device"] for table in basket.tables} - {"probe"} == {"d0", "d1"}
    name = "fenghuo_agent_mqtt_sensor_messages_dropped_total"
    assert registry.get_sample_value(name, {"input": "mqtt_sensor[0]", "reason": "too_many_devices"}) == 8
    assert registry.get_sample_value("fenghuo_agent_mqtt_sensor_devices", {"input": "mqtt_sensor[0]"}) == 3


async def test_a_bare_number_is_named_by_the_topic(make, basket, broker):
    source = make(broker=url(broker), topic="esphome/{device}/sensor/{field}/state")
    async with reading(source, basket, broker, "esphome/probe/sensor/temperature/state") as (client, _):
        await client.publish("esphome/lab-1/sensor/humidity/state", "41.5")
        await until(lambda: any(t.layout.labels["device"] == "lab-1" for t in basket.tables), "the reading")
    table = basket.tables[-1]
    assert values(table) == {"sensor_humidity_percent": 41.5}
    assert set(table.layout.labels) == {"job", "instance", "device"}


async def test_with_tls_and_a_certificate_of_its_own_it_should_read(make, basket, tmp_path):
    authority = Authority(tmp_path / "ca")
    own = authority.issue(tmp_path / "ca", "gw1")
    with mosquitto_tls(tmp_path / "broker", authority, "user gw1\ntopic readwrite school/#\n") as broker:
        tls = {"ca": str(authority.file), "certificate": str(own.cert), "key": str(own.key)}
        settings = {
            "broker": f"mqtts://localhost:{broker.port}",
            "topic": "school/{device}",
            "tls": tls,
            "retained": True,
        }
        context = __import__("ssl").create_default_context(cafile=authority.file)
        context.load_cert_chain(own.cert, own.key)
        async with aiomqtt.Client("localhost", broker.port, tls_context=context) as client:
            await client.publish("school/env-1", json.dumps({"temperature": 9}), qos=1, retain=True)
        await make(**settings, once_wait=5).once(basket)
        assert values(basket.tables[0]) == {"sensor_temperature_celsius": 9}
        with pytest.raises(Retryable):
            await make(**{**settings, "tls": {"ca": str(authority.file)}}, connect_timeout=1).once(basket)
        with pytest.raises(Retryable, match="certificate"):
            await make(**{**settings, "tls": {}}, once_wait=1).once(basket)


async def test_when_the_broker_refuses_the_password_it_should_say_so_for_good(make, basket, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text("gw1:unusable\n")
    passwords.chmod(0o700)
    with mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}") as broker:
        for protocol in ("3.1.1", "5"):
            secret = {"username": "gw1", "password": "wrong", "protocol": protocol}
            source = make(broker=url(broker), topic="a/{device}", **secret)
            with pytest.raises(Permanent, match=r"(?i)not authori[sz]ed") as caught:
                await asyncio.wait_for(source.run(basket), 5)
            assert "wrong" not in str(caught.value)
