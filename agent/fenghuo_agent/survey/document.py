"""The document of one device: identity, ports, sensors, supplies, wireless, neighbours, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fenghuo_agent.profiles import Collected, Library, Sensor, collect, identify, sensors_of
from fenghuo_agent.profiles.collect import read_columns
from fenghuo_agent.profiles.evaluate import Measured, instance
from fenghuo_agent.profiles.identify import document_of
from fenghuo_agent.profiles.quantities import STATE
from fenghuo_agent.profiles.rows import Rows
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.survey.addresses import ADDRESS_COLUMNS, addresses_of
from fenghuo_agent.survey.neighbours import neighbours_of
from fenghuo_agent.survey.ports import PORT_COLUMNS, ports_of

LIMITS = Limits(repetitions=25, rows=16384, reply=1400)
Document = dict[str, Any]


async def survey(session: Session, library: Library, monotonic: Callable[[], float]) -> Document:
    """All that can be read of the device that an open session asks. Raises `SnmpError` where it does not answer."""
    started = monotonic()
    identity = await identify(session, library)
    profiles = library.of_device(identity.profile)
    readings = [reading for profile in profiles for reading in profile.readings]
    collected = await collect(session, LIMITS, readings)
    await read_columns(session, LIMITS, PORT_COLUMNS.values(), collected)
    await read_columns(session, LIMITS, ADDRESS_COLUMNS, collected)
    neighbours, faults = await neighbours_of(session, LIMITS)
    sensors = sensors_of(readings, collected.rows)
    device = document_of(identity)
    return {
        "device": device,
        "ports": ports_of(collected.rows),
        "sensors": [_sensor(*each) for each in _read(sensors, collected, "sensors")],
        "supplies": [_supply(*each) for each in _read(sensors, collected, "supplies")],
        "wireless": [_clients(*each) for each in _read(sensors, collected, "wireless")],
        "neighbours": neighbours,
        "addresses": addresses_of(collected.rows),
        "faults": list(dict.fromkeys([*collected.faults, *faults])),
        "requests": session.requests,
        "seconds": round(monotonic() - started, 3),
    }


def _read(sensors: Iterable[Sensor], collected: Collected, section: str) -> Iterable[tuple[Sensor, Measured]]:
    for sensor in sensors:
        if sensor.reading.section == section:
            measured = measure(sensor, collected.rows)
            if measured.value is not None:
                yield sensor, measured


def measure(sensor: Sensor, rows: Rows) -> Measured:
    """A sensor's value among what was read."""
    return sensor.read([instance(rows, oid, sensor) for oid in sensor.oids])


def _oid(sensor: Sensor) -> str:
    return ".".join(map(str, sensor.oid))


def _sensor(sensor: Sensor, measured: Measured) -> Document:
    quantity = sensor.quantity
    assert quantity is not None
    return {
        "name": sensor.name,
        "quantity": quantity.name,
        "unit": quantity.unit if quantity.name not in (STATE, "count") else "",
        "value": measured.value,
        "state": measured.state or "unknown",
        "text": sensor.reading.word(measured.value) if quantity.name == STATE else "",
        "oid": _oid(sensor),
    }


def _supply(sensor: Sensor, measured: Measured) -> Document:
    return {"name": sensor.name, "percent": measured.value, "oid": _oid(sensor)}


def _clients(sensor: Sensor, measured: Measured) -> Document:
    return {"name": sensor.name, "clients": measured.value, "oid": _oid(sensor)}
