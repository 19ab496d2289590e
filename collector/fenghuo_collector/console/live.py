"""Tells open pages, by server-sent events, that what they show has changed; they then ask for themselves again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from fenghuo_collector.console.state import Console, console_of

MAX_STREAMS = 500
_LOOK_SECONDS = 1.0
_REST_SECONDS = 15.0
_RETRY_MS = 3000


async def changes(request: Request) -> Response:
    """The stream `text/event-stream`: `changed` with the number of the change, a comment now and then to keep it open."""
    console = console_of(request)
    if console.streams.open >= MAX_STREAMS:
        return JSONResponse({"error": "too many open pages"}, 503, headers={"Retry-After": "30"})
    return StreamingResponse(_messages(console, request), media_type="text/event-stream")


async def _messages(console: Console, request: Request) -> AsyncIterator[str]:
    console.streams.open += 1
    try:
        yield f"retry: {_RETRY_MS}\n\n"
        seen = console.sight.changes()
        quiet = 0.0
        while not console.closing.is_set() and not await request.is_disconnected():
            await asyncio.sleep(_LOOK_SECONDS)
            quiet += _LOOK_SECONDS
            now = console.sight.changes()
            if now != seen:
                seen, quiet = now, 0.0
                yield f"event: changed\nid: {now}\ndata: {now}\n\n"
            elif quiet >= _REST_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
    finally:
        console.streams.open -= 1
