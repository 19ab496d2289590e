"""Alerts, journals and receivers for the tests of the feeds."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

from aiohttp import web
from prometheus_client import CollectorRegistry

from fenghuo.alerts import alert_to_event
from fenghuo.clock import SystemClock
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Alert, AlertState
from fenghuo.wire import Stream
from fenghuo_collector.feeds.base import Feed, Step
from fenghuo_collector.feeds.runner import FeedMetrics, FeedRunner
from fenghuo_collector.incidents import AlertJournal, JournalConfig
from fenghuo_collector.sinks.base import Batch

AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
CLOCK = SystemClock()


def hot(**changes: object) -> Alert:
    now = CLOCK.now()
    alert = Alert(
        fingerprint="f1",
        rule_id="5d7a",
        rule_name="environment.server-room-hot",
        title="Server room too hot",
        title_zh="机房温度过高",
        state=AlertState.FIRING,
        level="high",
        labels={"device": "t1", "location": "机房"},
        time=now,
        starts_at=now - 300_000,
        value=35.5,
        message="t1 at 35.5 °C",
        message_zh="t1 温度 35.5 °C",
        evidence={"value": 35.5, "limit": 32},
        runbook={"en": "https://example.org/hot", "zh": "检查空调"},
    )
    return dataclasses.replace(alert, **changes)


def over(**changes: object) -> Alert:
    return hot(state=AlertState.RESOLVED, ends_at=CLOCK.now(), **changes)


def step(alert: Alert, number: int = 1) -> Step:
    return Step(number, f"key-{number}", AGENT, alert)


def batch(*alerts: Alert) -> Batch:
    return Batch(
        AGENT, Stream.ALERTS, 1, CLOCK.now(), events=[alert_to_event(each, uuid7(each.time)) for each in alerts]
    )


@contextlib.asynccontextmanager
async def journal(folder: Path) -> AsyncIterator[AlertJournal]:
    opened = AlertJournal(JournalConfig(path=folder / "alerts.sqlite"), clock=CLOCK, registry=CollectorRegistry())
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close()


@contextlib.asynccontextmanager
async def feeding(
    steps: AlertJournal, feed: Feed, registry: CollectorRegistry | None = None, **options: object
) -> AsyncIterator[FeedRunner]:
    """A feed that runs for the length of the block, impatiently."""
    runner = FeedRunner(
        feed,
        steps,
        clock=CLOCK,
        random=Random(1),
        metrics=FeedMetrics(registry or CollectorRegistry()),
        **{"refresh": None, "first_pause": 0.05, **options},
    )
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait until what another thread or process brings about holds."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 — there is no event to wait for
            await asyncio.sleep(0.02)


class Receiver:
    """An HTTP server that keeps what it is sent; `answers` are given first, then 200."""

    def __init__(self) -> None:
        self.answers: list[web.Response | float | None] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for headers, _ in self.requests]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((dict(request.headers), body))
        answer = self.answers.pop(0) if self.answers else web.Response()
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return web.Response()
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer


@contextlib.asynccontextmanager
async def receiver(port: int = 0, ssl_context: object = None) -> AsyncIterator[Receiver]:
    taking = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", taking.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context)
    await site.start()
    bound = runner.addresses[0][1]
    taking.url = f"http{'s' if ssl_context else ''}://127.0.0.1:{bound}/fenghuo"
    try:
        yield taking
    finally:
        await runner.cleanup()
