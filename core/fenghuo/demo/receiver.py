"""Where the demo hears of alerts: a receiver of webhooks on loopback, as a school's own program might be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

MAX_HEAD, MAX_BODY = 16_384, 1_048_576
SECONDS = 10.0
_ANSWER = "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n"

Step = Mapping[str, Any]


class BadRequestError(ValueError):
    """A request that is no webhook's."""


class Receiver:
    """Hands on every step of an alert once, however often it is posted. Connections are kept open for the next."""

    def __init__(self, hear: Callable[[Step], None]) -> None:
        self._hear = hear
        self._known: set[str] = set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, host: str = "127.0.0.1") -> int:
        """Listen on a free port; returns it."""
        self._server = await asyncio.start_server(self._serve, host, 0, limit=MAX_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request and answer it; whether another may come."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        try:
            async with asyncio.timeout(SECONDS):
                self._take(await reader.readexactly(_body_size(head)))
        except BadRequestError:
            writer.write(_ANSWER.format(status="400 Bad Request", connection="close").encode())
            await writer.drain()
            return False
        writer.write(_ANSWER.format(status="200 OK", connection="keep-alive").encode())
        await writer.drain()
        return True

    def _take(self, body: bytes) -> None:
        try:
            document: Any = json.loads(body)
        except ValueError:
            raise BadRequestError from None
        if not isinstance(document, dict):
            raise BadRequestError
        content = cast("dict[str, Any]", document)
        for step in cast("list[Step]", content.get("steps", [content])):
            key = str(step.get("id"))
            if key not in self._known:
                self._known.add(key)
                self._hear(step)


def _body_size(head: str) -> int:
    first, *lines = head.split("\r\n")
    if not first.startswith("POST "):
        raise BadRequestError
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and value.strip().isdigit() and int(value) <= MAX_BODY:
            return int(value)
    raise BadRequestError
