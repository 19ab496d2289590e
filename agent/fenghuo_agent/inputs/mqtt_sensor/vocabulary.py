"""What common sensors call their values: Zigbee2MQTT, Tasmota, Shelly (second generation) and ESPHome.

Keys are compared in lower case with `-` and spaces as `_`. A key of two parts (`battery.v`) is a field within an object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value's name, and the unit it is in: one, or a function that tells it by the number's size."""

    name: str
    unit: str | Callable[[float], str] = "1"


def _pressure_unit(value: float) -> str:
    """Air pressure is 300 to 1100 hPa anywhere on land, so its size tells its unit."""
    return "kPa" if value < 200 else "hPa" if value < 2_000 else "Pa"


def _voltage_unit(value: float) -> str:
    """Zigbee2MQTT gives a battery's voltage in mV and a socket's in V, both as `voltage`."""
    return "mV" if value >= 1000 else "V"


TEMPERATURE = Quantity("sensor_temperature_celsius", "°C")
DEW_POINT = Quantity("sensor_dew_point_celsius", "°C")
HUMIDITY = Quantity("sensor_humidity_percent", "%")
PRESSURE = Quantity("sensor_pressure_pascals", _pressure_unit)
BATTERY = Quantity("sensor_battery_percent", "%")
VOLTAGE = Quantity("sensor_voltage_volts", _voltage_unit)
CURRENT = Quantity("sensor_current_amperes", "A")
POWER = Quantity("sensor_power_watts", "W")
CO2 = Quantity("sensor_co2_ppm", "ppm")
ILLUMINANCE = Quantity("sensor_illuminance_lux", "lx")
POWER_FACTOR = Quantity("sensor_power_factor_ratio")
PM25 = Quantity("sensor_pm25_micrograms_per_cubic_metre", "µg/m³")
PM10 = Quantity("sensor_pm10_micrograms_per_cubic_metre", "µg/m³")

NUMBERS: dict[str, Quantity] = {
    "temperature": TEMPERATURE,
    "temp": TEMPERATURE,
    "local_temperature": TEMPERATURE,
    "tc": TEMPERATURE,
    "device_temperature": Quantity("sensor_device_temperature_celsius", "°C"),
    "dewpoint": DEW_POINT,
    "dew_point": DEW_POINT,
    "humidity": HUMIDITY,
    "rh": HUMIDITY,
    "soil_moisture": Quantity("sensor_soil_moisture_percent", "%"),
    "pressure": PRESSURE,
    "battery": BATTERY,
    "battery_level": BATTERY,
    "battery.percent": BATTERY,
    "battery.v": Quantity("sensor_voltage_volts", "V"),
    "voltage": VOLTAGE,
    "current": CURRENT,
    "power": POWER,
    "apower": POWER,
    "apparentpower": Quantity("sensor_apparent_power_voltamperes", "VA"),
    "reactivepower": Quantity("sensor_reactive_power_voltamperes_reactive", "var"),
    "power_factor": POWER_FACTOR,
    "pf": POWER_FACTOR,
    "energy.factor": POWER_FACTOR,
    "energy": Quantity("sensor_energy_joules", "kWh"),
    "energy.total": Quantity("sensor_energy_joules", "kWh"),
    "aenergy.total": Quantity("sensor_energy_joules", "Wh"),
    "frequency": Quantity("sensor_frequency_hertz", "Hz"),
    "freq": Quantity("sensor_frequency_hertz", "Hz"),
    "co2": CO2,
    "carbondioxide": CO2,
    "carbon_dioxide": CO2,
    "voc": Quantity("sensor_voc_ppm", "ppb"),
    "tvoc": Quantity("sensor_voc_ppm", "ppb"),
    "formaldehyd": Quantity("sensor_formaldehyde_micrograms_per_cubic_metre", "mg/m³"),
    "hcho": Quantity("sensor_formaldehyde_micrograms_per_cubic_metre", "mg/m³"),
    "pm25": PM25,
    "pm2.5": PM25,
    "pm2_5": PM25,
    "pm10": PM10,
    "illuminance": ILLUMINANCE,
    "illuminance_lux": ILLUMINANCE,
    "lux": ILLUMINANCE,
    "noise": Quantity("sensor_noise_decibels", "dB"),
    "linkquality": Quantity("sensor_linkquality"),
}
"""Numbers, by what they measure."""

BINARIES = frozenset(
    {
        "contact",
        "occupancy",
        "presence",
        "motion",
        "vibration",
        "tamper",
        "water_leak",
        "smoke",
        "gas",
        "carbon_monoxide",
        "battery_low",
        "output",
    }
)
"""Fields that are true or false; they become `sensor_<name>`, 1 or 0."""

TRANSPARENT = frozenset({"energy", "params", "result"})
"""Objects that only wrap a device's values and tell no part of it from another."""

TEMPERATURES = frozenset({TEMPERATURE.name, DEW_POINT.name})
UNIT_FIELDS = {"tempunit": TEMPERATURES, "pressureunit": frozenset({PRESSURE.name})}
"""Tasmota names the unit of some values in fields of the same message."""


def spelled(key: str) -> str:
    """A key as it is looked up."""
    return key.lower().replace("-", "_").replace(" ", "_")
