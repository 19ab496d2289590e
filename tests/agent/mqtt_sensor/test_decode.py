"""Payloads of common vendors, and of none."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fenghuo_agent.inputs.mqtt_sensor import MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.decode import Decoder, Malformed
from fenghuo_agent.inputs.mqtt_sensor.units import UNITS


def decode(payload, field=None, **options):
    decoder = Decoder(MqttSensorConfig(topic="a/{device}", **options))
    return decoder.decode(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), field)


def rows(payload, **options):
    return {channel: dict(row) for channel, row in decode(payload, **options).rows.items()}


def test_zigbee2mqtt():
    payload = {
        "battery": 100,
        "humidity": 43.1,
        "linkquality": 105,
        "pressure": 1013.2,
        "temperature": 22.4,
        "voltage": 3015,
        "occupancy": True,
        "contact": False,
        "last_seen": "2026-01-01T00:00:00Z",
        "update": {"state": "idle", "installed_version": 1},
    }
    assert rows(payload) == {
        "": {
            "sensor_battery_percent": 100,
            "sensor_humidity_percent": 43.1,
            "sensor_linkquality": 105,
            "sensor_pressure_pascals": 101_320,
            "sensor_temperature_celsius": 22.4,
            "sensor_voltage_volts": 3.015,
            "sensor_occupancy": 1,
            "sensor_contact": 0,
        }
    }
    assert decode(payload).ignored == 1


def test_tasmota_keeps_several_sensors_of_one_device_apart_and_heeds_its_units():
    payload = {
        "Time": "2026-01-01T00:00:00",
        "DS18B20-1": {"Id": "01", "Temperature": 68.0},
        "DS18B20-2": {"Id": "02", "Temperature": 50.0},
        "BME280": {"Temperature": 77.0, "Humidity": 40.0, "DewPoint": 50.0, "Pressure": 760.0},
        "ENERGY": {"Total": 2.0, "Power": 15, "Voltage": 231, "Current": 0.07, "Factor": 0.9, "ApparentPower": 17},
        "TempUnit": "F",
        "PressureUnit": "mmHg",
    }
    found = rows(payload)
    assert found["DS18B20-1"] == {"sensor_temperature_celsius": pytest.approx(20)}
    assert found["DS18B20-2"] == {"sensor_temperature_celsius": pytest.approx(10)}
    assert found["BME280"] == {
        "sensor_temperature_celsius": pytest.approx(25),
        "sensor_humidity_percent": 40,
        "sensor_dew_point_celsius": pytest.approx(10),
        "sensor_pressure_pascals": pytest.approx(101_325, abs=1),
    }
    assert found[""] == {
        "sensor_energy_joules": 7.2e6,
        "sensor_power_watts": 15,
        "sensor_voltage_volts": 231,
        "sensor_current_amperes": 0.07,
        "sensor_power_factor_ratio": 0.9,
        "sensor_apparent_power_voltamperes": 17,
    }


def test_channels_stand_side_by_side_in_columns_with_nothing_where_one_lacks_a_value():
    reading = decode({"A": {"temperature": 1}, "B": {"temperature": 2, "humidity": 3}})
    assert reading.channels == ("A", "B")
    assert reading.fields == ("sensor_humidity_percent", "sensor_temperature_celsius")
    assert reading.columns() == [[None, 3], [1, 2]]


def test_shelly():
    status = {
        "id": 0,
        "output": True,
        "apower": 12.5,
        "voltage": 229.4,
        "current": 0.06,
        "pf": 0.8,
        "aenergy": {"total": 10.0, "by_minute": [0.0, 0.0], "minute_ts": 1},
        "temperature": {"tC": 41.2, "tF": 106.2},
    }
    assert rows(status) == {
        "": {
            "sensor_output": 1,
            "sensor_power_watts": 12.5,
            "sensor_voltage_volts": 229.4,
            "sensor_current_amperes": 0.06,
            "sensor_power_factor_ratio": 0.8,
            "sensor_energy_joules": 36_000,
        },
        "temperature": {"sensor_temperature_celsius": 41.2},
    }
    assert rows({"id": 0, "battery": {"V": 5.2, "percent": 84}})[""] == {
        "sensor_voltage_volts": 5.2,
        "sensor_battery_percent": 84,
    }


def test_bare_numbers_and_numbers_spelt_as_text():
    assert decode(b"21.5", "temperature").rows == {"": {"sensor_temperature_celsius": 21.5}}
    assert rows({"battery": "100.00"}) == {"": {"sensor_battery_percent": 100}}
    assert rows(7, fields={"value": "sensor_people"}) == {"": {"sensor_people": 7}}


def test_configured_fields_go_first_and_turn_into_base_units():
    fields = {
        "in.t": {"name": "sensor_temperature_celsius", "unit": "°F", "offset": -2, "scale": 2},
        "door": {"name": "sensor_door_open", "states": {"OPEN": 1, "SHUT": 0}},
        "humidity": "own_humidity",
    }
    payload = {"in": {"t": 35, "rh": 4}, "door": "OPEN", "humidity": 50}
    assert rows(payload, fields=fields) == {
        "": {"sensor_temperature_celsius": pytest.approx(20), "sensor_door_open": 1, "own_humidity": 50},
        "in": {"sensor_humidity_percent": 4},
    }
    assert rows(payload, fields=fields, built_in=False)[""]["own_humidity"] == 50
    with pytest.raises(Malformed, match="nothing in it"):
        decode({"door": "AJAR"}, fields=fields)


def test_air_pressure_is_known_by_its_size():
    for given_value in (101.3, 1013, 101_300):
        assert rows({"pressure": given_value})[""]["sensor_pressure_pascals"] == pytest.approx(101_300)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01T08:00:00", 1_767_225_600_000),
        ("2026-01-01T08:00:00+08:00", 1_767_225_600_000),
        (1_767_225_600, 1_767_225_600_000),
        (1_767_225_600.25, 1_767_225_600_250),
        (1_767_225_600_250, 1_767_225_600_250),
    ],
)
def test_a_payloads_own_time(value, expected):
    assert decode({"temperature": 1, "at": value}, time="at", time_zone="Asia/Shanghai").time == expected


@pytest.mark.parametrize("value", ["yesterday", -1, True, 1e300, "0001-01-01T00:00:00+14:00", None, {}])
def test_a_time_that_is_none_is_malformed(value):
    payload = {"temperature": 1, "at": value}
    if value == {}:
        assert decode(payload, time="at").time is None
        return
    with pytest.raises(Malformed):
        decode(payload, time="at")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b"null", "empty"),
        (b"{}", "no_values"),
        (b'{"temperature": null}', "no_values"),
        (b'{"temperature": NaN}', "not_json"),
        (b'{"temperature": 1e999}', "not_json"),
        (b"[" * 5000 + b"]" * 5000, "too_deep"),
        (b'{"a":' * 8 + b'{"temperature":1}' + b"}" * 8, "too_deep"),
        (b"1" * 20_000, "too_long"),
        (b"[" + b",".join([b"[1]"] * 16 * 16) + b"]", "no_values"),
        (json.dumps({f"s{n}": {"temperature": n} for n in range(65)}).encode(), "too_many_fields"),
        (json.dumps({"x" * 129: {"temperature": 1}}).encode(), "long_name"),
    ],
)
def test_what_makes_no_sense_is_malformed_for_a_reason(payload, reason):
    with pytest.raises(Malformed) as caught:
        decode(payload)
    assert caught.value.reason == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["temperature", "battery", "a", "TempUnit", "at"]) | st.text(), inner, max_size=5
        )
    ),
    max_leaves=30,
)
payloads = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda value: json.dumps(value).encode(), json_values),
    st.builds(lambda value, cut: json.dumps(value).encode()[:cut], json_values, st.integers(0, 100)),
)


@settings(max_examples=400, deadline=None)
@given(payloads, st.sampled_from([None, "temperature", "x"]))
def test_any_payload_is_read_or_refused_and_what_is_read_can_be_sent(payload, field):
    try:
        reading = decode(payload, field, time="at")
    except Malformed as error:
        assert error.reason.replace("_", "").isalpha()
        return
    assert len(reading.columns()) == len(reading.fields)
    msgspec.msgpack.encode([reading.channels, reading.fields, reading.columns()])
    for column in reading.columns():
        for value in column:
            assert value is None or abs(value) < 1e308


def test_every_unit_that_a_value_can_have_ends_in_a_base_unit():
    assert UNITS["°F"].to_base(32) == pytest.approx(0)
    assert UNITS["kWh"].to_base(1) == 3_600_000
    for unit in UNITS.values():
        assert not unit.suffix.startswith(("milli", "kilo", "hecto"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"topic": "a/{device}", "fields": {"t": {"name": "x", "unit": "°X"}}}, "unknown unit"),
        ({"topic": "a/{device}", "fields": {"t": "x", "u": "x"}}, "two fields are named x"),
        ({"topic": "a/{device}", "device": "d"}, "names the device already"),
        ({"topic": "a/{room}/+", "labels": {"room": "x"}}, "given by Fenghuo or by the topic"),
        ({"topic": "a/{job}"}, "choose another name"),
        ({"topic": "a/{x}/{x}"}, "two parts"),
        ({"topic": "a/x{y}/b"}, "whole level"),
        ({"topic": "a/#/b"}, "only for the end"),
        ({"topic": "a", "broker": "http://x"}, "no broker's address"),
        ({"topic": "a", "broker": "mqtt://u:secret-9@x"}, "password_file"),
        ({"topic": "a", "broker": "mqtt://x:99999"}, "no address"),
        ({"topic": "a", "time_zone": "Mars/Olympus"}, "unknown time zone"),
        ({"topic": "a", "broker": "mqtt://u:secret-9@x:99999"}, "no address"),
        ({"topic": "a", "tls": {"certificate": "c.pem"}}, "belong together"),
        ({"topic": "a", "tls": {"ca": "c.pem"}}, "needs an mqtts"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_with_the_reason(options, says):
    with pytest.raises(ValidationError, match=says) as caught:
        MqttSensorConfig(**options)
    assert "secret-9" not in str(caught.value)
