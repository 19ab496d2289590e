"""What sensors measure: units, names of series, and what no instrument of a school can show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

STATE = "state"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of measurement: its unit, the field of readings that it becomes, and the range of what is plausible."""

    name: str
    unit: str
    field: str
    low: float = -math.inf
    high: float = math.inf


def _quantity(name: str, unit: str, suffix: str, low: float = -math.inf, high: float = math.inf) -> Quantity:
    return Quantity(name, unit, f"sensor_{name}{suffix and '_' + suffix}", low, high)


QUANTITIES: Mapping[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        _quantity("temperature", "celsius", "celsius", -100, 500),
        _quantity("humidity", "percent", "percent", 0, 110),
        _quantity("voltage", "volts", "volts", -1e6, 1e6),
        _quantity("current", "amperes", "amperes", -1e5, 1e5),
        _quantity("power", "watts", "watts", -1e8, 1e8),
        _quantity("apparent_power", "voltamperes", "voltamperes", -1e8, 1e8),
        _quantity("power_factor", "ratio", "ratio", -1.01, 1.01),
        _quantity("energy", "watt-hours", "watt_hours", 0),
        _quantity("frequency", "hertz", "hertz", 0, 1e12),
        _quantity("fan_speed", "rpm", "rpm", 0, 100_000),
        _quantity("airflow", "cubic metres per second", "cubic_metres_per_second"),
        _quantity("pressure", "pascals", "pascals"),
        _quantity("load", "percent", "percent", 0, 1000),
        _quantity("charge", "percent", "percent", 0, 110),
        _quantity("utilisation", "percent", "percent", 0, 200),
        _quantity("runtime", "seconds", "seconds", 0),
        _quantity("signal", "dBm", "dbm", -200, 100),
        _quantity("optical_power", "dBm", "dbm", -100, 100),
        _quantity("count", "count", "", 0),
        _quantity(STATE, STATE, ""),
    )
}

NEVER = frozenset((2147483647, -2147483648, -2147483647, 4294967295, (1 << 64) - 1, (1 << 63) - 1))
"""Raw values that makers send for "not available" whatever the object says; no counter of these quantities gets there."""


def _dbm(per_milliwatt: float) -> Callable[[float], float | None]:
    return lambda value: 10 * math.log10(value / per_milliwatt) if value > 0 else None


CONVERSIONS: Mapping[str, Callable[[float], float | None]] = {
    "fahrenheit": lambda value: (value - 32) / 1.8,
    "kelvin": lambda value: value - 273.15,
    "milliwatts": _dbm(1.0),
    "microwatts": _dbm(1000.0),
    "minutes": lambda value: value * 60,
    "hours": lambda value: value * 3600,
    "timeticks": lambda value: value / 100,
    "bar": lambda value: value * 100_000,
    "hpa": lambda value: value * 100,
    "kpa": lambda value: value * 1000,
    "psi": lambda value: value * 6894.757293168,
}
"""From what a device sends, scaled, to the quantity's unit; None where it has no such value."""
