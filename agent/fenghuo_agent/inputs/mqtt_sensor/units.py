"""Units that sensors speak in, and how they turn into base units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """`base` = value × `scale` + `offset`; `suffix` is what value names end in."""

    suffix: str
    scale: float = 1.0
    offset: float = 0.0

    def to_base(self, value: float) -> float:
        return value if self.scale == 1.0 and self.offset == 0.0 else value * self.scale + self.offset


UNITS: dict[str, Unit] = {
    "°C": Unit("celsius"),
    "C": Unit("celsius"),
    "°F": Unit("celsius", 5 / 9, -160 / 9),
    "F": Unit("celsius", 5 / 9, -160 / 9),
    "K": Unit("celsius", 1.0, -273.15),
    "%": Unit("percent"),
    "Pa": Unit("pascals"),
    "hPa": Unit("pascals", 100.0),
    "mbar": Unit("pascals", 100.0),
    "kPa": Unit("pascals", 1000.0),
    "bar": Unit("pascals", 100_000.0),
    "mmHg": Unit("pascals", 133.322387415),
    "inHg": Unit("pascals", 3386.389),
    "psi": Unit("pascals", 6894.757293),
    "V": Unit("volts"),
    "mV": Unit("volts", 0.001),
    "A": Unit("amperes"),
    "mA": Unit("amperes", 0.001),
    "W": Unit("watts"),
    "mW": Unit("watts", 0.001),
    "kW": Unit("watts", 1000.0),
    "VA": Unit("voltamperes"),
    "var": Unit("voltamperes_reactive"),
    "J": Unit("joules"),
    "Wh": Unit("joules", 3600.0),
    "kWh": Unit("joules", 3_600_000.0),
    "lx": Unit("lux"),
    "lux": Unit("lux"),
    "ppm": Unit("ppm"),
    "ppb": Unit("ppm", 0.001),
    "µg/m³": Unit("micrograms_per_cubic_metre"),
    "ug/m3": Unit("micrograms_per_cubic_metre"),
    "mg/m³": Unit("micrograms_per_cubic_metre", 1000.0),
    "mg/m3": Unit("micrograms_per_cubic_metre", 1000.0),
    "dB": Unit("decibels"),
    "dBm": Unit("dbm"),
    "Hz": Unit("hertz"),
    "m": Unit("metres"),
    "cm": Unit("metres", 0.01),
    "mm": Unit("metres", 0.001),
    "m/s": Unit("metres_per_second"),
    "km/h": Unit("metres_per_second", 1 / 3.6),
    "s": Unit("seconds"),
    "ms": Unit("seconds", 0.001),
    "min": Unit("seconds", 60.0),
    "h": Unit("seconds", 3600.0),
    "1": Unit("ratio"),
}
