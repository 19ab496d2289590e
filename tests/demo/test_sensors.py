"""What the simulated sensors say, as the agent's input reads it."""

from __future__ import annotations

import json
from random import Random

from fenghuo.demo.plan import build
from fenghuo.demo.sensors import SENSORS
from fenghuo_agent.inputs.mqtt_sensor import MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.decode import Decoder
from fenghuo_agent.inputs.mqtt_sensor.topic import Pattern

START = 1_767_225_600_000


def test_the_agents_input_reads_every_sensor():
    school = build(1, START)
    config = MqttSensorConfig(topic="school/{room}/{device}/state")
    pattern, decoder = Pattern.parse(config.topic), Decoder(config)
    found = {}
    for sensor in SENSORS:
        parts = pattern.match(sensor.topic)
        reading = decoder.decode(json.dumps(sensor.read(school, Random(1))).encode())
        found[parts["room"], parts["device"]] = reading.rows[""]
    assert 20 < found["server-room", "env-1"]["sensor_temperature_celsius"] < 27
    assert 400 < found["classroom-201", "air-201"]["sensor_co2_ppm"] < 1300
    assert 1000 < found["server-room", "rack-meter-1"]["sensor_power_watts"] < 2000
    assert 200 < found["server-room", "rack-meter-1"]["sensor_voltage_volts"] < 250


def test_the_server_rooms_sensor_follows_the_room():
    school = build(1, START)
    school.room.target = 41.0
    school.advance(START + 30_000)
    heat = SENSORS[0].read(school, Random(1))
    assert heat["temperature"] > 39
    assert heat["humidity"] < 40
