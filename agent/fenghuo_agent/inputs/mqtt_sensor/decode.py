"""Payload → values, without effects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import cast
from zoneinfo import ZoneInfo

import msgspec

from fenghuo.model import Value
from fenghuo_agent.inputs.mqtt_sensor.config import FieldConfig, MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.units import UNITS
from fenghuo_agent.inputs.mqtt_sensor.vocabulary import BINARIES, NUMBERS, TRANSPARENT, UNIT_FIELDS, Quantity, spelled

MAX_DEPTH = 6
MAX_LEAVES = 2048
MAX_LIST = 16
MAX_MAGNITUDE = 1e300
MAX_CHANNEL = 128

Leaf = tuple[tuple[str, ...], object]


class Malformed(ValueError):  # noqa: N818 — the name says what the payload is
    """A payload that no reading can be made of; `reason` is a short metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message says. `channels` tell apart the parts of a device that has several; "" is the device itself.

    `rows` has, by channel, the values by name; `time` is Unix milliseconds where the payload tells it.
    """

    rows: Mapping[str, Mapping[str, float]]
    time: int | None
    ignored: int
    """Numbers and booleans that no mapping knows."""

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(sorted({name for row in self.rows.values() for name in row}))

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(sorted(self.rows))

    def columns(self) -> list[list[Value]]:
        """The values by field and channel, in the order of `fields` and `channels`; None where one has none."""
        rows = [self.rows[channel] for channel in self.channels]
        return [[row.get(name) for row in rows] for name in self.fields]


class Decoder:
    """Reads payloads as one configured input describes them."""

    def __init__(self, config: MqttSensorConfig) -> None:
        self._fields = dict(config.fields)
        self._built_in = config.built_in
        self._time = config.time
        self._zone: tzinfo | None = ZoneInfo(config.time_zone) if config.time_zone else None
        self._max_fields = config.max_fields
        self._max_payload = config.max_payload

    def decode(self, payload: bytes, field: str | None = None) -> Reading:
        """The reading of a payload; raises `Malformed`. `field` is what the topic calls a bare number."""
        if len(payload) > self._max_payload:
            raise Malformed("too_long", f"{len(payload)} bytes, at most {self._max_payload} are looked at")
        leaves = list(_leaves(_parse(payload), field))
        rows: dict[str, dict[str, float]] = {}
        ignored = 0
        units = _units(leaves)
        time: int | None = None
        for path, value in leaves:
            whole = ".".join(path)
            if whole == self._time:
                time = self._moment(value)
                continue
            found = self._value(path, whole, value, units)
            if found is None:
                ignored += isinstance(value, bool | int | float)
                continue
            channel, name, number = found
            if len(channel) > MAX_CHANNEL:
                raise Malformed("long_name", f"an object named by more than {MAX_CHANNEL} characters")
            rows.setdefault(channel, {})[name] = number
        count = sum(map(len, rows.values()))
        if count > self._max_fields:
            raise Malformed("too_many_fields", f"{count} values, at most {self._max_fields} are taken")
        if not count:
            raise Malformed("no_values", "nothing in it that the mapping knows")
        return Reading(rows, time, ignored)

    def _value(
        self, path: tuple[str, ...], whole: str, value: object, units: Mapping[str, str]
    ) -> tuple[str, str, float] | None:
        """Channel, name and base-unit number of a leaf; None where it is no value of ours."""
        configured = self._fields.get(whole)
        if configured is not None:
            number = _configured(configured, value)
            return None if number is None else ("", configured.name, number)
        return _built_in(path, value, units) if self._built_in else None

    def _moment(self, value: object) -> int:
        """Unix milliseconds of an ISO 8601 text, or of a number of seconds or milliseconds."""
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=self._zone) if self._zone else moment.astimezone()
                return round(moment.astimezone(UTC).timestamp() * 1000)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
                return round(value if value > 1e11 else value * 1000)
        except (ValueError, OverflowError, OSError):
            pass
        raise Malformed("time", f"{self._time} holds no time")


def _parse(payload: bytes) -> object:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("not_json", str(error)) from None
    except RecursionError:
        raise Malformed("too_deep", "nested beyond all measure") from None


def _leaves(content: object, field: str | None) -> Iterator[Leaf]:
    """Every scalar with its path. A bare one goes by the topic's name for it, or as `value`."""
    if not isinstance(content, dict | list):
        if content is None:
            raise Malformed("empty", "null")
        yield (field or "value",), content
        return
    stack: list[tuple[tuple[str, ...], object]] = [((), cast("object", content))]
    count = 0
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            inner = list(cast("dict[str, object]", item).items())
        elif isinstance(item, list):
            inner = [(str(index), part) for index, part in enumerate(cast("list[object]", item)[:MAX_LIST])]
        else:
            yield path, item
            continue
        if len(path) >= MAX_DEPTH:
            raise Malformed("too_deep", f"nested deeper than {MAX_DEPTH} levels")
        count += len(inner)
        if count > MAX_LEAVES:
            raise Malformed("too_many_fields", f"more than {MAX_LEAVES} fields")
        stack.extend(((*path, key), part) for key, part in reversed(inner))


def _units(leaves: list[Leaf]) -> dict[str, str]:
    """Value name → unit, where the message itself names units."""
    units: dict[str, str] = {}
    for path, value in leaves:
        names = UNIT_FIELDS.get(spelled(path[-1]))
        if names and isinstance(value, str) and value in UNITS:
            units |= dict.fromkeys(names, value)
    return units


def _number(value: object) -> float | None:
    """The finite number that a value is or spells; None where it is none."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int) and abs(value) >= 1 << 1023:
        return None
    if isinstance(value, int | float):
        number = float(value)
        return number if math.isfinite(number) and abs(number) < MAX_MAGNITUDE else None
    return None


def _configured(mapping: FieldConfig, value: object) -> float | None:
    if isinstance(value, str) and value in mapping.states:
        return mapping.states[value]
    number = _number(value)
    if number is None:
        return None
    number = number * mapping.scale + mapping.offset
    return UNITS[mapping.unit].to_base(number) if mapping.unit else number


def _built_in(path: tuple[str, ...], value: object, units: Mapping[str, str]) -> tuple[str, str, float] | None:
    leaf = spelled(path[-1])
    if leaf in BINARIES:
        return (_channel(path, 1), f"sensor_{leaf}", float(value)) if isinstance(value, bool) else None
    pair = f"{spelled(path[-2])}.{leaf}" if len(path) > 1 else leaf
    quantity: Quantity | None = NUMBERS.get(pair)
    inside = 2
    if quantity is None or len(path) == 1:
        quantity, inside = NUMBERS.get(leaf), 1
    if quantity is None or isinstance(value, bool):
        return None
    number = _number(value)
    if number is None:
        return None
    unit = units.get(quantity.name) or (quantity.unit if isinstance(quantity.unit, str) else quantity.unit(number))
    return _channel(path, inside), quantity.name, UNITS[unit].to_base(number)


def _channel(path: tuple[str, ...], inside: int) -> str:
    """What tells this part of the device from its other parts: the objects that the value lies in."""
    return ".".join(key for key in path[:-inside] if spelled(key) not in TRANSPARENT)
