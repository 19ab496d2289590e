"""The `mqtt_sensor` section of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fenghuo.config import Duration, Secret, Section, Size, Tls
from fenghuo.config.broker import BrokerAddress, BrokerUrl
from fenghuo_agent.inputs.mqtt_sensor.topic import Pattern
from fenghuo_agent.inputs.mqtt_sensor.units import UNITS

VALUE_NAME = r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$"
LABEL_NAME = r"^[a-zA-Z][a-zA-Z0-9_]{0,63}$"
RESERVED_LABELS = frozenset({"job", "instance", "site", "agent", "channel"})


class FieldConfig(Section):
    """What becomes of one field of the payload."""

    name: str = Field(pattern=VALUE_NAME, description="Name of the value, such as sensor_temperature_celsius.")
    unit: str | None = Field(
        default=None, description="Unit that the payload speaks in, such as °F, hPa or mV; turned into the base unit."
    )
    scale: float = Field(default=1.0, description="Factor by which the payload's number is multiplied first.")
    offset: float = Field(default=0.0, description="What is then added, in the payload's unit.")
    states: dict[str, float] = Field(
        default_factory=dict[str, float], description="Numbers that texts stand for, such as {OPEN: 1, CLOSED: 0}."
    )

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise ValueError(f"unknown unit {unit!r}; known are {', '.join(UNITS)}")
        return unit


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


FieldMapping = Annotated[FieldConfig, BeforeValidator(_named, json_schema_input_type=str | FieldConfig)]


class MqttSensorConfig(Section):
    """Sensors that publish JSON (or bare numbers) to an MQTT broker."""

    broker: BrokerUrl = Field(
        default="mqtt://127.0.0.1", description="Broker's address: mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS."
    )
    topic: str = Field(
        description="Topic to read; {name} stands for one level and becomes a label, {device} names the device, "
        "{field} the value of a bare number, + and a last # stand for levels that do not matter."
    )
    username: str | None = Field(default=None, description="User name for the broker.")
    password: Secret | None = Field(default=None, description="Password for the broker.")
    tls: Tls = Field(
        default_factory=Tls, description="How the broker of an `mqtts://` URL is verified, and what we show it."
    )
    protocol: Literal["3.1.1", "5"] = Field(default="3.1.1", description="Version of MQTT to speak.")
    fields: dict[str, FieldMapping] = Field(
        default_factory=dict[str, FieldConfig],
        description="Payload field (nested ones by path: AM2301.Temperature) to the value's name or {name, unit, scale, "
        "offset, states}; goes before the built-in mapping.",
    )
    built_in: bool = Field(
        default=True,
        description="Whether fields under their usual names (temperature, humidity, battery, …) are taken as well.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="Labels that every reading gets, such as {room: server-room}."
    )
    device: str | None = Field(
        default=None, description="Name of the device, where the topic has no {device} part; else the whole topic."
    )
    time: str | None = Field(
        default=None,
        description="Payload field that holds the time of measurement (ISO 8601, or Unix seconds or milliseconds); "
        "the time of arrival where not given.",
    )
    time_zone: str | None = Field(
        default=None,
        description="Zone of payload times that name none, such as Asia/Shanghai; the system's if not given.",
    )
    retained: bool = Field(
        default=False,
        description="Whether messages that the broker kept from earlier count as readings; their age is not known.",
    )
    max_devices: int = Field(
        default=1000, ge=1, le=100_000, description="Most devices that are taken; messages of further ones are dropped."
    )
    max_fields: int = Field(default=64, ge=1, le=1024, description="Most values that are taken from one message.")
    max_payload: Size = Field(default=16_384, ge=16, le=2**20, description="Longest payload that is looked at.")
    keepalive: Annotated[Duration, Field(ge=5, le=3600)] = Field(
        default=15.0, description="Silence after which the connection is probed."
    )
    connect_timeout: Annotated[Duration, Field(gt=0, le=120)] = Field(
        default=10.0, description="Longest wait for the broker's answer."
    )
    once_wait: Annotated[Duration, Field(gt=0, le=600)] = Field(
        default=10.0, description="How long `fenghuo agent once` listens for messages."
    )

    @field_validator("topic")
    @classmethod
    def _pattern(cls, topic: str) -> str:
        Pattern.parse(topic)
        return topic

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        try:
            if zone is not None:
                ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {zone!r}; expected a name such as Asia/Shanghai") from None
        return zone

    @model_validator(mode="after")
    def _tls_is_spoken(self) -> Self:
        if self.tls.given and not BrokerAddress.parse(self.broker).secure:
            raise ValueError("`tls` needs an mqtts:// address")
        return self

    @model_validator(mode="after")
    def _labels_are_free(self) -> Self:
        named = set(Pattern.parse(self.topic).names)
        for label in self.labels:
            if label in RESERVED_LABELS or label in named or label == "device":
                raise ValueError(f"label {label!r} is given by Fenghuo or by the topic")
        if self.device is not None and "device" in named:
            raise ValueError("the topic names the device already: leave out one of device and {device}")
        names = [field.name for field in self.fields.values()]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two fields are named {doubled[0]}")
        return self
