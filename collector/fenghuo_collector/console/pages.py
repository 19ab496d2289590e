"""The pages that people read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fenghuo.model import LEVELS, AgentId, Event, Site
from fenghuo_collector.console.charts import Line, chart
from fenghuo_collector.console.formats import local_zone, sensor_words
from fenghuo_collector.console.sight import AgentView, DevicePage, Sight
from fenghuo_collector.feeds.base import Step

if TYPE_CHECKING:
    from fenghuo_collector.console.web import Console

DAY = 86_400_000
_LEAST_GAP = 180_000
_MAX_PORT_CHARTS = 8


def _console(request: Request) -> Console:
    return request.app.state.console


def agent_of(text: str) -> AgentId:
    """The agent that a path names; 404 where it is none."""
    try:
        return AgentId.parse(text)
    except ValueError as error:
        raise HTTPException(404, str(error)) from None


def site_of(text: str) -> Site:
    """The site that a path names; 404 where it is none."""
    try:
        return Site(text)
    except ValueError as error:
        raise HTTPException(404, str(error)) from None


async def overview(request: Request) -> Response:
    return await _site_page(request, _console(request).sight.site)


async def site(request: Request) -> Response:
    return await _site_page(request, site_of(request.path_params["site"]))


async def _site_page(request: Request, place: Site) -> Response:
    """A site: the sites below it, its agents, its devices in numbers, what fires."""
    console = _console(request)
    sight = console.sight
    agents = [view for view in sight.agents() if place.contains(view.agent.site)]
    if not agents and place != sight.site:
        raise HTTPException(404, f"no agent at {place}")
    firing = [step for step in await sight.firing() if place.contains(step.agent.site)]
    devices = [device for device in sight.devices() if place.contains(device.agent.site)]
    return console.page(
        request,
        "overview.html",
        place=place,
        agents=agents,
        sites=_sites_below(place, agents),
        firing=firing,
        levels=_levels(firing),
        sites_alerts=Counter(str(step.agent.site) for step in firing),
        devices=devices,
        devices_down=[device for device in devices if device.up is False],
        device_counts=Counter(str(device.agent) for device in devices),
        down_counts=Counter(str(device.agent) for device in devices if device.up is False),
    )


def _sites_below(place: Site, agents: Sequence[AgentView]) -> list[Site]:
    """The sites with agents at or below `place`, each once, in order."""
    return sorted({view.agent.site for view in agents if view.agent.site != place})


def _levels(firing: Sequence[Step]) -> list[tuple[str, int]]:
    counts = Counter(step.alert.level for step in firing)
    return [(level, counts[level]) for level in reversed(LEVELS) if counts[level]]


async def agent(request: Request) -> Response:
    console = _console(request)
    wanted = agent_of(request.path_params["agent"])
    view = next((view for view in console.sight.agents() if view.agent == wanted), None)
    if view is None:
        raise HTTPException(404, f"no agent {wanted}")
    return console.page(
        request,
        "agent.html",
        view=view,
        devices=sorted(console.sight.devices(wanted), key=lambda device: (device.up is not False, device.name)),
        firing=[step for step in await console.sight.firing() if step.agent == wanted],
    )


async def device(request: Request) -> Response:
    """A device: its facts, ports, sensors, alerts and 24 hours of charts."""
    console = _console(request)
    wanted = agent_of(request.path_params["agent"])
    name = request.path_params["device"]
    found = await console.sight.device(wanted, name)
    if found is None:
        raise HTTPException(404, f"{wanted} knows no device {name}")
    chosen = request.query_params.get("port", "")
    firing = [
        step
        for step in await console.sight.firing()
        if step.agent == wanted and step.alert.labels.get("device") == name
    ]
    charts = await _charts(console, request, found, chosen)
    return console.page(
        request, "device.html", found=found, device=found.device, firing=firing, charts=charts, chosen=chosen
    )


Chart = tuple[str, str]
"""A heading and its picture."""


async def _charts(console: Console, request: Request, found: DevicePage, chosen: str) -> list[Chart]:
    sensors = sorted({sensor.field for sensor in found.sensors})
    busy = sorted(
        (port for port in found.ports if port.oper == "up"),
        key=lambda port: -((port.in_bps or 0) + (port.out_bps or 0)),
    )
    ports = [port for port in found.ports if port.index == chosen] or busy[:_MAX_PORT_CHARTS]
    drawn = [_sensor_chart(console, request, found, field) for field in sensors]
    drawn += [_port_chart(console, request, found, port.index, port.name, port.alias) for port in ports]
    return list(await asyncio.gather(*drawn))


async def _port_chart(
    console: Console, request: Request, found: DevicePage, index: str, name: str, alias: str
) -> Chart:
    labels = {"device": found.device.name, "ifIndex": index}
    lines: list[Line] = []
    for word, field in (("in", "ifHCInOctets"), ("out", "ifHCOutOctets")):
        lines += await _lines(
            console.sight, found, "interface", field, labels, rate=True, name=_text(console, request, word), factor=8
        )
    heading = f"{name} {alias}".strip()
    return heading, _draw(console, request, lines, unit="b/s", title=heading)


async def _sensor_chart(console: Console, request: Request, found: DevicePage, field: str) -> Chart:
    lines = await _lines(console.sight, found, "sensor", field, {"device": found.device.name}, rate=False)
    words, unit = sensor_words(field)
    heading = _text(console, request, words)
    return heading, _draw(console, request, lines[:6], unit=unit, title=heading)


def _text(console: Console, request: Request, text: str) -> str:
    return console.catalog.translate(text, console.language(request))


async def _lines(
    sight: Sight,
    found: DevicePage,
    measurement: str,
    field: str,
    labels: dict[str, str],
    *,
    rate: bool,
    name: str = "",
    factor: int = 1,
) -> list[Line]:
    end = sight.now()
    series = await sight.series(found.device.agent, measurement, field, labels, start=end - DAY, end=end, rate=rate)
    own = [line for line in series if line.points]
    return [
        Line(
            name or line.labels.get("entPhysicalName") or line.labels.get("sensor") or field,
            [(time, None if value is None else value * factor) for time, value in line.points],
        )
        for line in own
    ]


def _draw(console: Console, request: Request, lines: Sequence[Line], *, unit: str, title: str) -> str:
    end = console.sight.now()
    return chart(
        lines,
        start=end - DAY,
        end=end,
        unit=unit,
        title=title,
        empty=_text(console, request, "no data in these 24 hours"),
        zone=local_zone(),
        gap=_gap(lines),
    )


def _gap(lines: Sequence[Line]) -> int:
    """Three times the usual distance of points: what is further apart was not polled between."""
    distances = sorted(
        after[0] - before[0] for line in lines for before, after in zip(line.points, line.points[1:], strict=False)
    )
    return max(3 * distances[len(distances) // 2], _LEAST_GAP) if distances else _LEAST_GAP


def cursor(event: Event) -> str:
    """Where a page that ends with `event` ends."""
    return f"{event.time}.{event.id}"


async def alerts(request: Request) -> Response:
    console = _console(request)
    firing = await console.sight.firing()
    return console.page(request, "alerts.html", firing=firing, levels=_levels(firing))


async def alert(request: Request) -> Response:
    console = _console(request)
    steps = await console.sight.history(request.path_params["fingerprint"])
    if not steps:
        raise HTTPException(404, "no such alert")
    return console.page(request, "alert.html", step=steps[-1], steps=list(reversed(steps)))


async def events(request: Request) -> Response:
    """Stored events, searched by text, newest first."""
    console = _console(request)
    text = request.query_params.get("q", "")[:200]
    before = request.query_params.get("before", "")[:100]
    limit = 100
    found = await console.sight.events(text=text, before=before or None, limit=limit)
    older = cursor(found[-1]) if len(found) == limit else None
    return console.page(request, "events.html", found=found, text=text, older=older)
