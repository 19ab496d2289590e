"""Serving the console: a listening socket of ours, uvicorn without its own signal handling."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from fenghuo.errors import Permanent
from fenghuo_collector.console.config import split_address
from fenghuo_collector.console.state import Console

_LAST_SECONDS = 1


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """The command line handles signals; the server ends when its task is cancelled."""
        yield


def listen(address: str) -> socket.socket:
    """A listening socket at `host:port` or `[v6]:port`; `Permanent` says what to change where it cannot be had."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
        server.listen(128)
    except OSError as error:
        server.close()
        raise Permanent(
            f"console.listen: cannot listen at {address}: {error.strerror}; choose another port or end what uses it"
        ) from None
    return server


async def serve(app: Starlette, sock: socket.socket) -> None:
    """Answer requests until cancelled; open pages are told to end."""
    console: Console = app.state.console
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_LAST_SECONDS,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        console.closing.set()
        server.should_exit = True
        await task
        raise
