"""Numbers, times and states as people read them, in their language."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from fenghuo.model import AgentId, Alert, Document, Event
from fenghuo_collector.console.charts import quantity
from fenghuo_collector.console.i18n import Language
from fenghuo_collector.feeds.base import Step

COLLECTOR = "collector"
"""By this name a collector signs the alerts of rules that see all agents."""
_SITE_LABEL = "organization_id"
_MEASURABLE_SKEW = 0.5
"""Seconds."""


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

    def skew(self, seconds: float | None) -> str:
        """How far a clock is off; what the network's delay alone may make is none."""
        if seconds is None:
            return "–"
        if abs(seconds) < _MEASURABLE_SKEW:
            return self._translate("none")
        return f"{'+' if seconds > 0 else '−'}{self.duration(max(1.0, abs(seconds)))}"

    def amount(self, value: float | None, unit: str = "") -> str:
        return "–" if value is None else quantity(value, unit)

    def alert_title(self, alert: Alert) -> str:
        return (alert.title_zh or alert.title) if self._language == "zh" else alert.title

    def alert_message(self, alert: Alert) -> str:
        return (alert.message_zh or alert.message) if self._language == "zh" else alert.message

    def runbook(self, alert: Alert) -> str:
        other = "en" if self._language == "zh" else "zh"
        return alert.runbook.get(self._language) or alert.runbook.get(other, "")

    def evidence(self, alert: Alert) -> list[tuple[str, str]]:
        """What an alert rests on, as names and values; values of what was read come first."""
        rest = dict(alert.evidence)
        read: Document = rest.pop("values") if isinstance(rest.get("values"), dict) else {}
        told = [(self._known("evidence", name), self._plain(value)) for name, value in rest.items()]
        return [(self._known("value", name), self._plain(value)) for name, value in read.items()] + told

    def _known(self, kind: str, name: str) -> str:
        """The translation of a name of some kind; the name itself where there is none."""
        text = f"{kind} {name}"
        found = self._translate(text)
        return name if found == text else found

    def _plain(self, value: object) -> str:
        if isinstance(value, float):
            return f"{value:.6g}"
        if isinstance(value, str):
            return self._local(value) or self._translate(value)
        return json.dumps(value, ensure_ascii=False, default=str)

    def _local(self, text: str) -> str:
        """A moment in ISO 8601 as one of the collector's time zone; "" where it is none."""
        try:
            return self.moment(round(datetime.fromisoformat(text).timestamp() * 1000)) if "T" in text else ""
        except ValueError:
            return ""

    def json(self, document: Mapping[str, Any]) -> str:
        """A document for people who want all of it."""
        return json.dumps(document, ensure_ascii=False, indent=2, default=str)

    def about(self, step: Step) -> AgentId | None:
        """The agent that an alert is about: who sent it, or whom an alert of the collector's own names; None if nobody."""
        labels = step.alert.labels
        if step.agent.name != COLLECTOR:
            return step.agent
        with contextlib.suppress(ValueError):
            return AgentId.parse(f"{labels['site']}/{labels['agent']}") if {"site", "agent"} <= labels.keys() else None
        return None

    def site(self, step: Step) -> str:
        """The site that an alert is about."""
        agent = self.about(step)
        return str(agent.site) if agent else step.alert.labels.get(_SITE_LABEL) or str(step.agent.site)

    def label(self, name: str) -> str:
        """A label's name, e.g. 端口 for `ifName`; in English as it is."""
        return self._known("label", name)

    def event_text(self, event: Event) -> str:
        """What an event says, in one line."""
        document = event.document
        message = str(document.get("message", ""))
        if self._language == "zh":
            message = str(document.get("fenghuo", {}).get("alert", {}).get("message_zh") or message)
        action = document.get("event", {}).get("action", "")
        name = document.get("host", {}).get("name", "")
        return message or action or name or self._translate("no message")

    def sensor(self, field: str) -> str:
        """A sensor's quantity, e.g. 温度 for `sensor_temperature_celsius`."""
        return self._translate(sensor_words(field)[0])

    def sensor_value(self, field: str, value: float) -> str:
        """With its unit; long times in days, hours and minutes."""
        unit = sensor_words(field)[1]
        return self.duration(value) if unit == "s" and value >= 60 else quantity(value, unit)


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
    "joules": "J",
    "watt_hours": "Wh",
    "cubic_metres_per_second": "m³/s",
    "ratio": "",
}


def sensor_words(field: str) -> tuple[str, str]:
    """Quantity and unit sign of a `sensor_<quantity>_<unit>` field, or one of a supply or a wireless network."""
    name = field.removeprefix("sensor_")
    for unit, sign in _UNITS.items():
        if name.endswith(f"_{unit}"):
            return name.removesuffix(f"_{unit}").replace("_", " "), sign
    return name.replace("_", " "), ""
