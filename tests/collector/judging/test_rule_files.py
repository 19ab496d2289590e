"""Rule files of the collector that change while it runs."""

from __future__ import annotations

import asyncio
import os

from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Event
from fenghuo.rules import Engine
from fenghuo.rules.files.reload import ReloadMetrics, RuleFiles, watch
from fenghuo.wire import Stream
from fenghuo_collector.judging import Judge, RulesConfig
from fenghuo_collector.sinks.base import Batch

SCHOOLS = [AgentId.parse(f"bj/haidian/school-{number}/gw1") for number in range(4)]
DISTRICT = AgentId.parse("bj/haidian/collector")
RULE = """
title: The same bad name asked for at several schools
id: 3f0f2a52-0b6c-4c7c-9a35-0b6f6a6b3d11
name: test.bad-name
kind: frequency
runs: collector
dataset: dns
group_by: [dns.question.name]
window: 5m
condition: value >= 4
"""


def batch(clock, number):
    document = {"event": {"dataset": "dns"}, "dns": {"question": {"name": "bad.example"}}}
    events = [Event(f"e{number}", clock.now(), document)]
    return Batch(SCHOOLS[number], Stream.EVENTS, 1, clock.now(), events=events)


async def test_a_changed_count_holds_for_the_window_that_is_open(tmp_path):
    clock, registry = VirtualClock(), CollectorRegistry()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rule.yaml").write_text(RULE)
    config = RulesConfig(paths=[tmp_path / "rules"], path=tmp_path / "rules.sqlite")
    files = RuleFiles(config.files(tmp_path), side="collector")
    rules = files.load()
    judge = Judge(Engine(rules, clock=clock), config, DISTRICT, clock, os.urandom, registry)
    await judge.start()
    for number in range(2):
        await judge.write([batch(clock, number)])
    assert not judge.engine.firing()
    now, before = asyncio.Event(), judge.engine
    task = asyncio.create_task(watch(files, judge.use, ReloadMetrics(registry, rules), interval=600, now=now))
    (tmp_path / "rules" / "rule.yaml").write_text(RULE.replace(">= 4", ">= 3"))
    now.set()
    async with asyncio.timeout(10):
        while judge.engine is before:  # noqa: ASYNC110 — an engine tells nobody that it is gone
            await asyncio.sleep(0.005)
    await judge.write([batch(clock, 2)])
    (alert,) = judge.engine.firing()
    assert alert.event_ids == ("e0", "e1", "e2")
    task.cancel()
    await judge.close()
