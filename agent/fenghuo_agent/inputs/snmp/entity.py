"""ENTITY-SENSOR-MIB (RFC 3433): one extra a sensor, one table a quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fenghuo.model import Value
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.extras import Block
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.snmp.objects import Object
from fenghuo_agent.snmp.walk import Walked, Walker


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor: its entPhysicalIndex and name, the field it becomes, and its power of ten."""

    index: int
    name: str
    field: str
    exponent: int
    factor: float = 1.0

    @property
    def oids(self) -> tuple[Oid, ...]:
        """Value and status."""
        return (*mibs.SENSOR_VALUE.oid, self.index), (*mibs.SENSOR_STATUS.oid, self.index)

    def decode(self, found: Sequence[Varbind | None]) -> tuple[Value]:
        """The measurement in the field's unit; None where the device says that it has none now."""
        raw, status = (_integer(varbind) for varbind in found)
        if raw is None or status not in (mibs.SENSOR_OK, None) or abs(raw) >= mibs.SENSOR_OVERFLOW:
            return (None,)
        if self.field == "sensor_state":
            return (int(raw == 1),)
        scaled = raw * 10**self.exponent if self.exponent >= 0 else raw / 10**-self.exponent
        return (scaled * self.factor if self.factor != 1.0 else scaled,)


async def entity_blocks(walker: Walker) -> tuple[list[Block], list[str]]:
    """The sensors of a device, and what is wrong with their tables. Raises `SnmpError`."""
    walked = await walker.walk((mibs.SENSOR_TYPE, mibs.SENSOR_SCALE, mibs.SENSOR_PRECISION))
    kinds = _numbers(walked, mibs.SENSOR_TYPE)
    if not kinds:
        return [], walked.faults
    names = await walker.walk((mibs.PHYSICAL_NAME,))
    texts = {
        index[0]: ber.text(varbind.value)[: mibs.MAX_LABEL]
        for index, varbind in names.columns[mibs.PHYSICAL_NAME].items()
        if len(index) == 1 and varbind.tag == ber.OCTETS
    }
    return list(_blocks(list(_sensors(walked, kinds, texts)))), walked.faults + names.faults


def _sensors(walked: Walked, kinds: dict[int, int], texts: dict[int, str]) -> Iterable[Sensor]:
    scales, precisions = _numbers(walked, mibs.SENSOR_SCALE), _numbers(walked, mibs.SENSOR_PRECISION)
    for index, kind in sorted(kinds.items()):
        name = mibs.SENSOR_FIELDS.get(kind)
        scale, precision = scales.get(index, mibs.SCALE_UNITS), precisions.get(index, 0)
        if name is None or not 1 <= scale <= 17 or not -8 <= precision <= 9:
            continue
        exponent = 3 * (scale - mibs.SCALE_UNITS) - max(precision, 0)
        yield Sensor(index, texts.get(index, ""), name, exponent, mibs.SENSOR_FACTORS.get(kind, 1.0))


def _blocks(sensors: Sequence[Sensor]) -> Iterable[Block]:
    for field in dict.fromkeys(sensor.field for sensor in sensors):
        chosen = tuple(sensor for sensor in sensors if sensor.field == field)
        labels = {
            "entPhysicalIndex": [str(sensor.index) for sensor in chosen],
            "entPhysicalName": [sensor.name for sensor in chosen],
        }
        yield Block("sensor", (field,), labels, chosen)


def _integer(varbind: Varbind | None) -> int | None:
    return ber.number(varbind.tag, varbind.value) if varbind is not None and varbind.tag == ber.INTEGER else None


def _numbers(walked: Walked, item: Object) -> dict[int, int]:
    return {
        index[0]: number
        for index, varbind in walked.columns[item].items()
        if len(index) == 1 and (number := ber.number(varbind.tag, varbind.value)) is not None
    }
