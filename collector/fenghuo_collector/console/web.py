"""The console's Starlette application: middleware, routes, and what every page is given."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib.resources import files
from ipaddress import ip_address
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fenghuo.clock import Clock
from fenghuo_collector.console import api, live, login, pages
from fenghuo_collector.console.auth import (
    Accounts,
    OneTimeLink,
    Sessions,
    Throttle,
)
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.console.i18n import Catalog
from fenghuo_collector.console.sight import Sight
from fenghuo_collector.console.state import Console, Streams, console_of

Handler = Callable[[Request], Awaitable[Response]]

_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def build(
    config: ConsoleConfig, sight: Sight, clock: Clock, accounts: Accounts, scrape: Callable[[], bytes] = bytes
) -> Starlette:
    """The application; `app.state.console.link` is set where nobody has a password yet.

    `scrape` gives what Prometheus reads at /metrics: text format 0.0.4.
    """
    templates = Environment(
        loader=PackageLoader("fenghuo_collector.console"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["path"] = _quoted_path  # pyright: ignore[reportUnknownMemberType] — jinja2 does not type its filters
    app = Starlette(
        routes=[
            Route("/", _signed_in(pages.overview)),
            Route("/sites/{site:path}", _signed_in(pages.site)),
            Route("/agents/{agent:path}/devices/{device:path}", _signed_in(pages.device)),
            Route("/agents/{agent:path}", _signed_in(pages.agent)),
            Route("/alerts", _signed_in(pages.alerts)),
            Route("/alerts/{fingerprint}", _signed_in(pages.alert)),
            Route("/events", _signed_in(pages.events)),
            Route("/live", _signed_in(live.changes)),
            Route("/login", login.show, methods=["GET"]),
            Route("/login", login.submit, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/first-login", login.first_show, methods=["GET"]),
            Route("/first-login", login.first_submit, methods=["POST"]),
            Route("/language/{language}", login.language),
            Route("/healthz", _health),
            Route("/metrics", _metrics),
            Mount("/api/v1", routes=api.routes(_signed_in)),
            Mount("/static", StaticFiles(directory=str(files("fenghuo_collector.console").joinpath("static")))),
        ],
        middleware=[Middleware(_SecurityHeaders)],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
    )
    app.state.console = Console(
        config=config,
        sight=sight,
        clock=clock,
        accounts=accounts,
        sessions=Sessions(clock, config.session),
        throttle=Throttle(clock),
        link=OneTimeLink(clock) if accounts.empty else None,
        catalog=Catalog.load(),
        templates=templates,
        streams=Streams(),
        closing=asyncio.Event(),
        scrape=scrape,
    )
    return app


def _quoted_path(text: object) -> str:
    """An agent, site or device name as part of a URL's path."""
    return quote(str(text), safe="/")


def _signed_in(handler: Handler) -> Handler:
    """`handler` for people who have logged in; pages lead others to the login, the API says 401."""

    async def guarded(request: Request) -> Response:
        if console_of(request).session(request) is not None:
            return await handler(request)
        if request.url.path.startswith("/api/") or request.url.path == "/live":
            return JSONResponse({"error": "log in first: POST /login"}, 401)
        target = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="")
        return RedirectResponse(f"/login?next={target}", 303)

    return guarded


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _metrics(request: Request) -> Response:
    """The newest values and our own metrics, for Prometheus: with the token, or from this host where none is set."""
    console = console_of(request)
    token = console.config.metrics_token
    if token is None:
        allowed = request.client is not None and ip_address(request.client.host).is_loopback
    else:
        given = request.headers.get("authorization", "")
        allowed = hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode())
    if not allowed:
        return PlainTextResponse("set console.metrics_token and send it as a bearer token\n", 403)
    text = await asyncio.to_thread(console.scrape)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if detail == HTTPStatus(status).phrase:
        detail = ""  # Said in the page's own words.
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": detail or HTTPStatus(status).phrase}, status)
    return console_of(request).page(request, "error.html", status, status=status, detail=detail)


async def _server_error(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "internal error; the collector's log says more"}, 500)
    return console_of(request).page(request, "error.html", 500, status=500, detail="")


class _SecurityHeaders:
    """Adds the headers that keep other sites' scripts and frames out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
