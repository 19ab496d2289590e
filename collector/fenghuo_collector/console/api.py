"""The read-only JSON API beside the pages: what they show, for programs. Documented in docs/reference/api.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fenghuo_collector.console.pages import agent_of, cursor, site_of
from fenghuo_collector.console.sight import Sight
from fenghuo_collector.console.state import console_of
from fenghuo_collector.console.trends import DAY
from fenghuo_collector.feeds.base import Step

Handler = Callable[[Request], Awaitable[Response]]
_MAX_EVENTS = 1000


def routes(guard: Callable[[Handler], Handler]) -> list[Route]:
    """The API's routes, each behind `guard`."""
    handlers: Mapping[str, Handler] = {
        "/agents": agents,
        "/devices": devices,
        "/agents/{agent:path}/devices/{device:path}": device,
        "/alerts": alerts,
        "/alerts/{fingerprint}": alert,
        "/events": events,
        "/series": series,
    }
    return [Route(path, guard(handler)) for path, handler in handlers.items()]


def _sight(request: Request) -> Sight:
    return console_of(request).sight


def _whole(request: Request, name: str, default: int | None, most: int | None = None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise HTTPException(400, f"{name}: a whole number is expected, not {text!r}") from None
    return min(value, most) if most is not None else value


def _json(view: Any) -> dict[str, Any]:
    """A view as JSON; agents as their path."""
    return {**asdict(view), **({"agent": str(view.agent)} if hasattr(view, "agent") else {})}


def step_json(step: Step) -> dict[str, Any]:
    """One step of an alert."""
    return {"number": step.number, "id": step.key, "agent": str(step.agent), **asdict(step.alert)}


def _list(name: str, rows: Sequence[dict[str, Any]]) -> JSONResponse:
    return JSONResponse({name: rows})


async def agents(request: Request) -> Response:
    return _list("agents", [_json(view) for view in _sight(request).agents()])


async def devices(request: Request) -> Response:
    wanted = request.query_params.get("agent")
    found = _sight(request).devices(agent_of(wanted) if wanted else None)
    return _list("devices", [_json(view) for view in found])


async def device(request: Request) -> Response:
    wanted, name = agent_of(request.path_params["agent"]), request.path_params["device"]
    found = await _sight(request).device(wanted, name)
    if found is None:
        raise HTTPException(404, f"{wanted} knows no device {name}")
    return JSONResponse(
        {
            "device": _json(found.device),
            "facts": dict(found.facts),
            "ports": [asdict(port) for port in found.ports],
            "sensors": [{**asdict(sensor), "labels": dict(sensor.labels)} for sensor in found.sensors],
            "links": [asdict(link) for link in found.links],
        }
    )


async def alerts(request: Request) -> Response:
    return _list("alerts", [step_json(step) for step in await _sight(request).firing()])


async def alert(request: Request) -> Response:
    steps = await _sight(request).history(request.path_params["fingerprint"])
    if not steps:
        raise HTTPException(404, "no such alert")
    return _list("steps", [step_json(step) for step in steps])


async def events(request: Request) -> Response:
    query = request.query_params
    found = await _sight(request).events(
        text=query.get("q", "")[:200],
        site=site_of(query["site"]) if "site" in query else None,
        dataset=query.get("dataset", ""),
        before=query.get("before", "")[:100] or None,
        limit=max(1, _whole(request, "limit", 100, _MAX_EVENTS) or 1),
    )
    return _list(
        "events",
        [{"id": event.id, "time": event.time, "document": event.document, "cursor": cursor(event)} for event in found],
    )


async def series(request: Request) -> Response:
    """Values over time: `agent`, `measurement`, `field`, `start`, `end` (Unix ms), `rate=1`; other names match labels."""
    query = dict(request.query_params)
    end = _whole(request, "end", _sight(request).now()) or 0
    start = _whole(request, "start", end - DAY) or 0
    for name in ("agent", "measurement", "field"):
        if not query.get(name):
            raise HTTPException(400, f"{name} is missing")
    known = {"agent", "measurement", "field", "start", "end", "rate"}
    found = await _sight(request).series(
        agent_of(query["agent"]),
        query["measurement"],
        query["field"],
        {name: value for name, value in query.items() if name not in known},
        start=start,
        end=end,
        rate=query.get("rate") == "1",
    )
    return _list("series", [{"labels": dict(line.labels), "points": list(line.points)} for line in found])
