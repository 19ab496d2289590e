"""What the console's handlers share, and how they write a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from fenghuo.clock import Clock
from fenghuo_collector.console.auth import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    Accounts,
    OneTimeLink,
    Session,
    Sessions,
    Throttle,
)
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.console.formats import Formats
from fenghuo_collector.console.i18n import Catalog, Language, choose
from fenghuo_collector.console.sight import Sight


class Streams:
    """How many pages listen now; more than `MAX_STREAMS` are asked to come back."""

    def __init__(self) -> None:
        self.open = 0


@dataclass(slots=True)
class Console:
    """What handlers share; kept as `request.app.state.console`."""

    config: ConsoleConfig
    sight: Sight
    clock: Clock
    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    link: OneTimeLink | None
    catalog: Catalog
    templates: Environment
    streams: Streams
    closing: asyncio.Event
    """Set at shutdown, so that open streams end."""
    scrape: Callable[[], bytes]

    def session(self, request: Request) -> Session | None:
        return self.sessions.find(request.cookies.get(SESSION_COOKIE, ""))

    def language(self, request: Request) -> Language:
        return choose(
            request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""), self.config.language
        )

    def page(self, request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """A page in the request's language."""
        language = self.language(request)

        def translate(text: str) -> str:
            return self.catalog.translate(text, language)

        html = self.templates.get_template(template).render(
            _=translate,
            language=language,
            fmt=Formats(language, translate, self.sight.now()),
            session=self.session(request),
            site=self.sight.site,
            now=self.sight.now(),
            keeps=self.sight.keeps,
            title=self.config.title or str(self.sight.site),
            path=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **values,
        )
        return HTMLResponse(html, status_code)


def console_of(request: Request) -> Console:
    """What the application of this request was built with."""
    return request.app.state.console
