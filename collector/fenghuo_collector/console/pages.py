"""The pages that people read."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fenghuo.alerts import event_to_alert
from fenghuo.errors import FenghuoError
from fenghuo.model import LEVELS, AgentId, AlertState, Event, Site
from fenghuo_collector.console.sight import AgentView, DeviceView, Sight
from fenghuo_collector.console.state import console_of
from fenghuo_collector.console.trends import RANGES, trends
from fenghuo_collector.feeds.base import Step

_MAX_DEVICES = 300
"""More devices than these are shown at their sites only."""
_RECENT_ALERTS = 300
_RECENTLY_RESOLVED = 20
_EVENTS_A_PAGE = 100
_EVENTS_OF_AN_ALERT = 20
"""So many of the newest events that made an alert are shown; of the others, their ids."""


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
    return await _site_page(request, console_of(request).sight.site)


async def site(request: Request) -> Response:
    return await _site_page(request, site_of(request.path_params["site"]))


async def _site_page(request: Request, place: Site) -> Response:
    """A site: the sites below it, its agents, its devices in numbers, what fires."""
    console = console_of(request)
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
        sites=_sites_below(place, agents, devices, firing),
        firing=firing,
        levels=_levels(firing),
        devices=devices,
        devices_shown=devices if len(devices) <= _MAX_DEVICES else [],
        devices_down=[device for device in devices if device.up is False],
        device_counts=Counter(str(device.agent) for device in devices),
        down_counts=Counter(str(device.agent) for device in devices if device.up is False),
    )


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site in numbers."""

    site: Site
    alerts: int
    agents: int
    agents_online: int
    devices: int
    devices_down: int


def _sites_below(
    place: Site, agents: Sequence[AgentView], devices: Sequence[DeviceView], firing: Sequence[Step]
) -> list[SiteRow]:
    """The sites with agents below `place`, each once: those with most alerts first."""
    alerts = Counter(step.agent.site for step in firing)
    online = Counter(view.agent.site for view in agents if view.online)
    count = Counter(device.agent.site for device in devices)
    down = Counter(device.agent.site for device in devices if device.up is False)
    rows = [
        SiteRow(site, alerts[site], number, online[site], count[site], down[site])
        for site, number in Counter(view.agent.site for view in agents if view.agent.site != place).items()
    ]
    return sorted(rows, key=lambda row: (-row.alerts, str(row.site)))


def _levels(firing: Sequence[Step]) -> list[tuple[str, int]]:
    counts = Counter(step.alert.level for step in firing)
    return [(level, counts[level]) for level in reversed(LEVELS) if counts[level]]


async def agent(request: Request) -> Response:
    console = console_of(request)
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
    """A device: its facts, ports, sensors, alerts and charts of the last 24 hours or another `range`."""
    console = console_of(request)
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
    return console.page(
        request,
        "device.html",
        found=found,
        device=found.device,
        firing=firing,
        trends=await trends(console, request, found, chosen),
        ranges=list(RANGES),
        chosen=chosen,
    )


def cursor(event: Event) -> str:
    """Where a page that ends with `event` ends."""
    return f"{event.time}.{event.id}"


async def alerts(request: Request) -> Response:
    """What fires, and what has lately come to an end."""
    console = console_of(request)
    firing = await console.sight.firing()
    recent = await console.sight.events(dataset="alert", limit=_RECENT_ALERTS)
    return console.page(
        request,
        "alerts.html",
        firing=firing,
        levels=_levels(firing),
        resolved=_resolved(recent, {step.alert.fingerprint for step in firing}),
    )


def _resolved(recent: Sequence[Event], firing: AbstractSet[str]) -> list[Step]:
    """The newest step of each alert that has come to an end, the newest first; `recent` is in that order."""
    newest: dict[str, Step] = {}
    for number, event in enumerate(recent):
        with contextlib.suppress(ValueError, KeyError, TypeError, FenghuoError):
            document = event.document
            place = AgentId.parse(f"{document['organization']['id']}/{document['observer']['name']}")
            step = Step(number, event.id, place, event_to_alert(event))
            newest.setdefault(step.alert.fingerprint, step)
    ended = [step for step in newest.values() if step.alert.state is AlertState.RESOLVED]
    return [step for step in ended if step.alert.fingerprint not in firing][:_RECENTLY_RESOLVED]


async def alert(request: Request) -> Response:
    console = console_of(request)
    steps = await console.sight.history(request.path_params["fingerprint"])
    if not steps:
        raise HTTPException(404, "no such alert")
    events = await _events_by_id(console.sight, steps[-1].alert.event_ids[-_EVENTS_OF_AN_ALERT:])
    past = list(reversed(steps))
    return console.page(request, "alert.html", step=steps[-1], steps=past, events=events)


async def _events_by_id(sight: Sight, ids: Sequence[str]) -> dict[str, Event]:
    """Those of these events that are kept here. The search finds other events that name the same id, too."""
    found = {event.id: event for id_ in ids if sight.keeps for event in await sight.events(text=id_, limit=20)}
    return {id_: found[id_] for id_ in ids if id_ in found}


async def events(request: Request) -> Response:
    """Stored events, of one data set or all, searched by text, newest first."""
    console = console_of(request)
    text = request.query_params.get("q", "")[:200]
    dataset = request.query_params.get("dataset", "")[:100]
    before = request.query_params.get("before", "")[:100]
    found = await console.sight.events(text=text, dataset=dataset, before=before or None, limit=_EVENTS_A_PAGE)
    older = cursor(found[-1]) if len(found) == _EVENTS_A_PAGE else None
    return console.page(request, "events.html", found=found, text=text, dataset=dataset, older=older)
