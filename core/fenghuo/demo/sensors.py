"""Simulated environmental sensors: JSON as Zigbee2MQTT publishes it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

import aiomqtt

from fenghuo.demo.school import School, diurnal
from fenghuo.mqtt import Client

Payload = Mapping[str, float | int | bool | str]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor that publishes what `read` says of the school every `every` seconds, at school/<room>/<name>/state."""

    room: str
    name: str
    every: float
    read: Callable[[School, Random], Payload]

    @property
    def topic(self) -> str:
        return f"school/{self.room}/{self.name}/state"


def _server_room(school: School, random: Random) -> Payload:
    room = school.room
    return {
        "temperature": round(room.temperature, 2),
        "humidity": round(room.humidity, 2),
        "battery": 87,
        "voltage": 2900,
        "linkquality": random.randrange(90, 130),
    }


def _rack_meter(school: School, random: Random) -> Payload:
    power = 1450 + 60 * math.sin(school.now / 45_000) + random.uniform(-15, 15)
    voltage = 229 + random.uniform(-1.5, 1.5)
    return {
        "state": "ON",
        "power": round(power, 1),
        "voltage": round(voltage, 1),
        "current": round(power / voltage, 2),
        "energy": round(school.now / 3.6e6 % 1e5, 2),
        "linkquality": random.randrange(140, 180),
    }


def _classroom(school: School, random: Random) -> Payload:
    busy = diurnal(school.now)
    return {
        "temperature": round(21.5 + 2 * busy + 0.3 * math.sin(school.now / 60_000), 2),
        "humidity": round(48 + 4 * math.cos(school.now / 90_000), 2),
        "co2": round(450 + 700 * busy + random.uniform(-15, 15)),
        "battery": 64,
        "linkquality": random.randrange(50, 90),
    }


SENSORS = (
    Sensor("server-room", "env-1", 2.0, _server_room),
    Sensor("server-room", "rack-meter-1", 5.0, _rack_meter),
    Sensor("classroom-201", "air-201", 7.0, _classroom),
)


async def publish(school: School, seed: int, host: str, port: int, *, retry: float = 0.5) -> None:
    """Publish all sensors until cancelled; where the broker is away, try again every `retry` seconds."""
    random = Random(f"{seed} sensors")
    while True:
        try:
            client = Client(host, port, timeout=5, identifier="demo-sensors")
            async with client, asyncio.TaskGroup() as group:
                for sensor in SENSORS:
                    group.create_task(_speak(sensor, client, partial(sensor.read, school, random)))
        except* (aiomqtt.MqttError, OSError):
            await asyncio.sleep(retry)


async def _speak(sensor: Sensor, client: Client, read: Callable[[], Payload]) -> None:
    while True:
        await client.publish(sensor.topic, json.dumps(read()), qos=0)
        await asyncio.sleep(sensor.every)
