"""Logging in and out, choosing a language, and the one-time link of the first start."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fenghuo_collector.console.auth import LANGUAGE_COOKIE, SESSION_COOKIE
from fenghuo_collector.console.state import Console, console_of

_MAX_FORM = 4096


def _local(target: str) -> str:
    """A path of this site only, so that a crafted link cannot lead elsewhere after the login."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; the values of anything else are empty."""
    if int(request.headers.get("content-length") or _MAX_FORM + 1) > _MAX_FORM:
        return {}
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def show(request: Request) -> Response:
    console = console_of(request)
    return console.page(request, "login.html", next=_local(request.query_params.get("next", "/")), error="", wait=0)


async def submit(request: Request) -> Response:
    console = console_of(request)
    form = await _form(request)
    address = _address(request)
    target = _local(form.get("next", "/"))
    wait = console.throttle.wait(address)
    if wait > 0:
        return console.page(request, "login.html", 429, next=target, error="wait", wait=int(wait) + 1)
    if not console.accounts.check(form.get("user", ""), form.get("password", "")):
        console.throttle.failed(address)
        return console.page(request, "login.html", 403, next=target, error="wrong", wait=0)
    console.throttle.succeeded(address)
    return _enter(console, form["user"], target)


def _enter(console: Console, user: str, target: str) -> Response:
    response = RedirectResponse(target, 303)
    response.set_cookie(
        SESSION_COOKIE,
        console.sessions.open(user),
        max_age=int(console.config.session),
        httponly=True,
        samesite="lax",
        secure=console.config.secure_cookies,
    )
    return response


async def leave(request: Request) -> Response:
    console = console_of(request)
    form = await _form(request)
    session = console.session(request)
    if session and hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        console.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


async def first_show(request: Request) -> Response:
    console = console_of(request)
    token = request.query_params.get("token", "")
    valid = console.link is not None and console.link.valid(token)
    return console.page(request, "first.html", 200 if valid else 410, token=token, valid=valid, error="")


async def first_submit(request: Request) -> Response:
    console = console_of(request)
    form = await _form(request)
    token = form.get("token", "")
    link = console.link
    if link is None or not link.valid(token):
        return console.page(request, "first.html", 410, token="", valid=False, error="")
    try:
        console.accounts.add(form.get("user", ""), form.get("password", ""))
    except ValueError as error:
        return console.page(request, "first.html", 422, token=token, valid=True, error=str(error))
    link.use()
    return _enter(console, form["user"], "/")


async def language(request: Request) -> Response:
    """Remember a language and go back to where the link stood."""
    response = RedirectResponse(_local(request.query_params.get("next", "/")), 303)
    chosen = request.path_params["language"]
    if chosen in {"zh", "en"}:
        response.set_cookie(LANGUAGE_COOKIE, chosen, max_age=365 * 86400, samesite="lax")
    return response
