"""The Alertmanager feed against a real Alertmanager."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry
from servers.alertmanager import alertmanager
from servers.process import free_port

from fenghuo.alerts import alert_to_event
from fenghuo.clock import SystemClock, VirtualClock
from fenghuo.errors import Retryable
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Alert, AlertState
from fenghuo.wire import Stream
from fenghuo_collector.feeds.alertmanager import AlertmanagerConfig, AlertmanagerFeed
from fenghuo_collector.feeds.alertmanager.encode import labels, postable
from fenghuo_collector.feeds.base import Step
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
        runbook={"en": "https://example.org/hot", "zh": "检查空调"},
    )
    return dataclasses.replace(alert, **changes)


def batch(*alerts: Alert) -> Batch:
    return Batch(
        AGENT, Stream.ALERTS, 1, CLOCK.now(), events=[alert_to_event(each, uuid7(each.time)) for each in alerts]
    )


@contextlib.asynccontextmanager
async def feeding(folder: Path, config: AlertmanagerConfig) -> AsyncIterator[AlertJournal]:
    journal = AlertJournal(JournalConfig(path=folder / "alerts.sqlite"), clock=CLOCK, registry=CollectorRegistry())
    await journal.start()
    runner = FeedRunner(
        AlertmanagerFeed(config, clock=CLOCK),
        journal,
        clock=CLOCK,
        random=Random(1),
        metrics=FeedMetrics(CollectorRegistry()),
        refresh=config.refresh,
        first_pause=0.05,
    )
    task = asyncio.create_task(runner.run())
    try:
        yield journal
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await journal.close()


async def until(condition, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


async def test_an_alert_appears_outlives_its_end_by_refreshes_and_resolves(tmp_path):
    with alertmanager(tmp_path / "am") as server:
        config = AlertmanagerConfig(
            urls=[server.url], refresh=0.3, expires_after=4, console_url="https://soc.example.org"
        )
        async with feeding(tmp_path, config) as journal:
            await journal.write([batch(hot())])
            await until(lambda: server.find(alertname="environment.server-room-hot"))
            (first,) = server.alerts()
            assert first["labels"] == {
                "alertname": "environment.server-room-hot",
                "severity": "high",
                "site": "bj/haidian/zgc-no1",
                "agent": "gw1",
                "device": "t1",
                "location": "机房",
            }
            assert first["annotations"]["summary_zh"] == "机房温度过高"
            assert first["annotations"]["runbook_url"] == "https://example.org/hot"
            assert first["generatorURL"] == "https://soc.example.org/alerts/f1"
            # It is told anew and so lives on behind the end it was first given.
            await until(lambda: server.alerts()[0]["endsAt"] > first["endsAt"])
            await asyncio.sleep(1.4)
            assert server.find(device="t1"), "it resolved although it fires: refreshes did not come"
            await journal.write([batch(hot(state=AlertState.RESOLVED, ends_at=CLOCK.now(), time=CLOCK.now()))])
            await until(lambda: not server.alerts())
            # The refreshes do not bring it back.
            await asyncio.sleep(0.7)
            assert not server.alerts()
