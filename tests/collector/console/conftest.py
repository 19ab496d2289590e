from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.applications import Starlette

from fenghuo.clock import VirtualClock
from fenghuo_collector.console.auth import Accounts
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.console.server import listen, serve
from fenghuo_collector.console.web import build

from .small_district import SmallDistrict

PASSWORD = "correct horse 电池"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def district() -> SmallDistrict:
    return SmallDistrict()


@pytest.fixture
def app(district: SmallDistrict, clock: VirtualClock, tmp_path: Path) -> Starlette:
    return build(
        ConsoleConfig(users={"wang": HASH}), district, clock, Accounts({"wang": HASH}, tmp_path / "users.json")
    )


@contextlib.asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """The console's address while it is served on a free loopback port."""
    sock = listen("127.0.0.1:0")
    task = asyncio.ensure_future(serve(app, sock))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def visitor(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not logged in."""
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address, headers={"accept-language": "en"}) as client,
    ):
        yield client


@pytest.fixture
async def analyst(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """Somebody who has logged in."""
    answer = await visitor.post("/login", data={"user": "wang", "password": PASSWORD})
    assert answer.status_code == 303
    return visitor
