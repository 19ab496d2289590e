"""Numbers, times and states as people read them, in their language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from fenghuo.model import Alert
from fenghuo_collector.console.charts import quantity
from fenghuo_collector.console.i18n import Language


def local_zone() -> tzinfo:
    """The collector's own time zone."""
    return datetime.now(UTC).astimezone().tzinfo or UTC


class Formats:
    """What templates call to write a value; `now` is Unix milliseconds."""

    def __init__(self, language: Language, translate: Callable[[str], str], now: int) -> None:
        self._language = language
        self._translate = translate
        self._now = now
        self._zone = local_zone()

    def moment(self, time: int | None) -> str:
        """A moment in the collector's time zone."""
        if time is None:
            return "–"
        return datetime.fromtimestamp(time / 1000, self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def iso(self, time: int) -> str:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")

    def ago(self, time: int | None) -> str:
        """How long ago a moment was."""
        if time is None:
            return self._translate("never")
        duration = self.duration(max(0, self._now - time) / 1000)
        return f"{duration}前" if self._language == "zh" else f"{duration} ago"

    def duration(self, seconds: float | None) -> str:
        """The two largest units of a span of time."""
        if seconds is None:
            return "–"
        units = (("天", "d", 86400), ("小时", "h", 3600), ("分", "min", 60), ("秒", "s", 1))
        parts: list[str] = []
        rest = int(seconds)
        for chinese, english, size in units:
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{chinese}" if self._language == "zh" else f"{count} {english}")
        separator = "" if self._language == "zh" else " "
        return separator.join(parts[:2]) or ("0秒" if self._language == "zh" else "0 s")

    def amount(self, value: float | None, unit: str = "") -> str:
        return "–" if value is None else quantity(value, unit)

    def alert_title(self, alert: Alert) -> str:
        return (alert.title_zh or alert.title) if self._language == "zh" else alert.title

    def alert_message(self, alert: Alert) -> str:
        return (alert.message_zh or alert.message) if self._language == "zh" else alert.message

    def runbook(self, alert: Alert) -> str:
        other = "en" if self._language == "zh" else "zh"
        return alert.runbook.get(self._language) or alert.runbook.get(other, "")

    def sensor(self, field: str) -> str:
        """A sensor's quantity, e.g. 温度 for `sensor_temperature_celsius`."""
        return self._translate(sensor_words(field)[0])

    def sensor_value(self, field: str, value: float) -> str:
        return quantity(value, sensor_words(field)[1])


_UNITS = {
    "celsius": "°C",
    "percent": "%",
    "volts": "V",
    "amperes": "A",
    "watts": "W",
    "voltamperes": "VA",
    "hertz": "Hz",
    "rpm": "rpm",
    "pascals": "Pa",
    "lux": "lx",
    "ppm": "ppm",
    "seconds": "s",
    "dbm": "dBm",
}


def sensor_words(field: str) -> tuple[str, str]:
    """Quantity and unit sign of a `sensor_<quantity>_<unit>` field."""
    name = field.removeprefix("sensor_")
    quantity_name, _, unit = name.rpartition("_")
    if unit not in _UNITS:
        return name.replace("_", " "), ""
    return quantity_name.replace("_", " "), _UNITS[unit]
