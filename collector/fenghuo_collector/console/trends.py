"""The charts of a device's page: its sensors and its ports over a span of time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from fenghuo_collector.console.charts import Line, chart
from fenghuo_collector.console.formats import local_zone, sensor_words
from fenghuo_collector.console.i18n import Language
from fenghuo_collector.console.sight import NAMING_LABELS, DevicePage, PortView
from fenghuo_collector.console.state import Console

_NO_CHART = {("sensor", "sensor_state")}
"""Numbers of which each sensor means something else."""
_MINUTE = 60_000
DAY = 24 * 60 * _MINUTE
RANGES: Mapping[str, int] = {
    "10m": 10 * _MINUTE,
    "1h": 60 * _MINUTE,
    "6h": 6 * 60 * _MINUTE,
    "24h": DAY,
    "7d": 7 * DAY,
}
"""Spans that a page offers, in milliseconds."""
_USUAL = "24h"
_YOUNG = ("10m", "1h")
"""Where there is no more than this of a device, this is drawn unless another range is asked for."""
_LEAST_GAP = 3 * _MINUTE
_MAX_PORT_CHARTS = 8
_MAX_LINES = 5


@dataclass(frozen=True, slots=True)
class Trends:
    """Charts, each a heading and an SVG picture, over `range`, one of `RANGES`."""

    range: str
    charts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Drawing:
    heading: str
    unit: str
    lines: Sequence[Line]


async def trends(console: Console, request: Request, found: DevicePage, chosen: str) -> Trends:
    """The charts of `found`: its sensors, and the port with index `chosen` or the busiest ones."""
    asked = request.query_params.get("range", "")
    name = asked if asked in RANGES else _USUAL
    end = console.sight.now()
    asker = _Asker(console, request, found, end - RANGES[name], end)
    drawings = await asyncio.gather(
        *(
            asker.sensor(*each)
            for each in sorted({(sensor.measurement, sensor.field) for sensor in found.sensors} - _NO_CHART)
        ),
        *(asker.port(port) for port in _ports(found, chosen)),
    )
    if name != asked:
        name = _fitting(drawings, end)
    empty = asker.text("no data in this span")
    return Trends(name, [(each.heading, _picture(each, end - RANGES[name], end, empty)) for each in drawings])


def _ports(found: DevicePage, chosen: str) -> Sequence[PortView]:
    busy = sorted(
        (port for port in found.ports if port.oper == "up" or found.device.up is False),
        key=lambda port: -((port.in_bps or 0) + (port.out_bps or 0)),
    )
    return [port for port in found.ports if port.index == chosen] or busy[:_MAX_PORT_CHARTS]


def _fitting(drawings: Sequence[_Drawing], end: int) -> str:
    """The usual range, or a shorter one that holds all there is."""
    oldest = min((line.points[0][0] for each in drawings for line in each.lines), default=0)
    return next((name for name in _YOUNG if end - RANGES[name] <= oldest), _USUAL)


def _picture(drawing: _Drawing, start: int, end: int, empty: str) -> str:
    return chart(
        drawing.lines,
        start=start,
        end=end,
        unit=drawing.unit,
        title=drawing.heading,
        empty=empty,
        zone=local_zone(),
        gap=_gap(drawing.lines),
    )


def _gap(lines: Sequence[Line]) -> int:
    """Three times the usual distance of points: what is further apart was not polled between."""
    distances = sorted(
        after[0] - before[0] for line in lines for before, after in zip(line.points, line.points[1:], strict=False)
    )
    return max(3 * distances[len(distances) // 2], _LEAST_GAP) if distances else _LEAST_GAP


class _Asker:
    """Asks for the lines of one device's charts."""

    def __init__(self, console: Console, request: Request, found: DevicePage, start: int, end: int) -> None:
        self._console = console
        self._language: Language = console.language(request)
        self._found = found
        self._start, self._end = start, end

    def text(self, english: str) -> str:
        return self._console.catalog.translate(english, self._language)

    async def port(self, port: PortView) -> _Drawing:
        """Bits per second in and out."""
        labels = {"ifIndex": port.index}
        lines: list[Line] = []
        for word, fields in (("in", ("ifHCInOctets", "ifInOctets")), ("out", ("ifHCOutOctets", "ifOutOctets"))):
            for field in fields:
                found = await self._lines("interface", field, labels, rate=True, name=self.text(word), factor=8)
                lines += found
                if found:
                    break
        return _Drawing(f"{port.name} {port.alias}".strip(), "b/s", lines)

    async def sensor(self, measurement: str, field: str) -> _Drawing:
        """All sensors of the device that measure the same."""
        words, unit = sensor_words(field)
        lines = await self._lines(measurement, field, {}, rate=False)
        return _Drawing(self.text(words), unit, lines[:_MAX_LINES])

    async def _lines(
        self, measurement: str, field: str, labels: Mapping[str, str], *, rate: bool, name: str = "", factor: int = 1
    ) -> list[Line]:
        device = self._found.device
        series = await self._console.sight.series(
            device.agent,
            measurement,
            field,
            {"device": device.name, **labels},
            start=self._start,
            end=self._end,
            rate=rate,
        )
        return [
            Line(
                name or next((found for label in NAMING_LABELS if (found := line.labels.get(label))), field),
                [(time, None if value is None else value * factor) for time, value in line.points],
            )
            for line in series
            if line.points
        ]
