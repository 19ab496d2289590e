"""What the input's page says is what the input does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fenghuo_agent.inputs.mqtt_sensor import MqttSensorConfig, decode
from fenghuo_agent.inputs.mqtt_sensor import input as source
from fenghuo_agent.inputs.mqtt_sensor.units import UNITS
from fenghuo_agent.inputs.mqtt_sensor.vocabulary import BINARIES, NUMBERS

PACKAGE = Path(source.__file__).parent
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "mqtt_sensor.md").read_text()
SPELT_OTHERWISE = {"C", "F", "mg/m3", "ug/m3", "lux"}


def test_the_sample_is_shown_and_is_valid():
    sample = (PACKAGE / "sample.yaml").read_text()
    assert sample.strip() in PAGE
    for entry in yaml.safe_load(sample)["mqtt_sensor"]:
        MqttSensorConfig(**entry)


def test_every_unit_is_named():
    known = re.search(r"Units that `unit` knows: (.*?)\.\n", PAGE, re.DOTALL)[1]
    assert set(re.split(r"[;,]\s+", known.replace("\n", " "))) == set(UNITS) - SPELT_OTHERWISE


def test_every_value_of_the_built_in_mapping_is_named():
    for quantity in NUMBERS.values():
        assert f"`{quantity.name}`" in PAGE or quantity.name.startswith("sensor_pm10"), quantity.name
    for name in BINARIES:
        assert f"`{name}`" in PAGE


def test_every_reason_for_dropping_a_message_is_named():
    text = "".join(Path(module.__file__).read_text() for module in (decode, source))
    reasons = set(re.findall(r'Malformed\(\s*"(\w+)"', text)) | {"retained", "overflow"}
    assert len(reasons) > 8
    for reason in reasons:
        assert f"`{reason}`" in PAGE, reason
