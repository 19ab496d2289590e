"""A whole agent whose rule files change under it."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import single
from fenghuo_agent.app import started
from fenghuo_agent.config import AgentConfig

RULE = """\
title: Hot
id: 0191d6a0-0000-7000-8000-000000000001
name: test.hot
kind: threshold
data: sensor_temperature_celsius
condition: value > 30
level: high
message: "{device} is hot"
"""


class Thermometer:
    """An input that tells a reading when it is asked to."""

    name = "thermometer"
    datasets = frozenset()

    def __init__(self):
        self.pipeline = None
        self.ready = asyncio.Event()
        self.clock = SystemClock()

    async def run(self, pipeline):
        self.pipeline = pipeline
        self.ready.set()
        await asyncio.Event().wait()

    def read(self, device, celsius):
        labels = {"job": "test", "device": device}
        self.pipeline.table(single("sensor", labels, {"sensor_temperature_celsius": celsius}, self.clock.now()))


class Told:
    """What the agent's log says; each line can be waited for."""

    def __init__(self, caplog):
        self.caplog = caplog

    def __contains__(self, text):
        return any(text in record.getMessage() for record in self.caplog.records)

    def count(self, text):
        return sum(text in record.getMessage() for record in self.caplog.records)

    async def wait_for(self, text):
        async with asyncio.timeout(20):
            while text not in self:  # noqa: ASYNC110 — a log tells nobody
                await asyncio.sleep(0.01)


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO)
    return Told(caplog)


async def test_changed_rules_judge_the_next_reading_and_broken_ones_are_refused(tmp_path, told):
    rules, overlays = tmp_path / "rules", tmp_path / "overlays"
    rules.mkdir()
    overlays.mkdir()
    (rules / "hot.yaml").write_text(RULE)
    config = AgentConfig.model_validate(
        {
            "site": "bj/haidian/zgc-no1",
            "agent": "gw1",
            "collector": {"url": "mqtt://127.0.0.1:1"},
            "spool": {"path": str(tmp_path / "spool.db")},
            "rules": {"paths": [str(rules)], "overlays": [str(overlays)], "reload_interval": 1},
        }
    )
    registry, thermometer = CollectorRegistry(), Thermometer()

    def metric(name, **labels):
        return registry.get_sample_value(name, labels)

    async with started(config, [thermometer], SystemClock(), Random(), registry) as supervisor:
        running = asyncio.create_task(supervisor.run())
        await asyncio.wait_for(thermometer.ready.wait(), 10)
        thermometer.read("t1", 25)
        assert "t1 is hot" not in told

        (overlays / "site.yaml").write_text("overlay: test.hot\ncondition: value > 20\n")
        await told.wait_for("the rules have changed")
        thermometer.read("t1", 25)
        assert "t1 is hot" in told
        assert metric("fenghuo_rules_reloads_total", result="loaded") == 1

        (rules / "hot.yaml").write_text(RULE.replace("value > 30", "value >> 30"))
        await told.wait_for("those before go on")
        assert f"{rules}/hot.yaml:6:19: condition: unexpected '>'" in told
        assert metric("fenghuo_rules_reloads_total", result="refused") == 1
        assert metric("fenghuo_rules_loaded") == 1
        thermometer.read("t2", 25)
        assert "t2 is hot" in told
        assert told.count("t1 is hot") == 1

        (rules / "hot.yaml").write_text(RULE.replace("is hot", "is too hot"))
        await asyncio.wait_for(_until(lambda: metric("fenghuo_rules_reloads_total", result="loaded") == 2), 20)
        thermometer.read("t3", 25)
        assert "t3 is too hot" in told
        running.cancel()
        await asyncio.wait([running])


async def _until(holds):
    while not holds():  # noqa: ASYNC110 — a metric tells nobody
        await asyncio.sleep(0.01)
