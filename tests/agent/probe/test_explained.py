"""One dead gateway makes one alert: real probes, the shipped rules, on a clock that is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.rules import Engine
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.reload import RuleFiles
from fenghuo_agent.inputs.probe.input import TargetsFailed
from servers.process import free_port

RULES = Path(__file__).parents[3] / "rules" / "availability" / "probe.yaml"
GATEWAY = "127.0.0.254"


async def alerts(make, explained) -> list[tuple[str, str]]:
    """Rule and instance of what is told in five minutes in which nothing answers."""
    clock = VirtualClock()
    port = free_port()
    source = make(
        {"tcp": [f"{GATEWAY}:{port}", f"127.0.0.2:{port}", f"127.0.0.3:{port}"]}, clock=clock, explained=explained
    )
    files = RuleFiles([RULES], side="agent", lists=Lists(clock=clock, background=False), datasets=frozenset())
    engine = Engine(files.load(), agent="bj/haidian/zgc-no1/gw1", clock=clock)
    told = []

    class Judge:
        def table(self, table):
            told.extend(engine.process(table))

    for _ in range(6):
        with pytest.raises(TargetsFailed):
            await source.once(Judge())
        clock.advance(60)
        told.extend(engine.advance(clock.now()))
    return sorted((alert.rule_name, alert.labels["instance"].partition(":")[0]) for alert in told)


async def test_what_a_dead_gateway_explains_is_not_told(make):
    def explained(host):
        return None if host == GATEWAY else GATEWAY

    assert await alerts(make, explained) == [("availability.service-failing", GATEWAY)]


async def test_without_an_explanation_each_is_told(make):
    assert [instance for _, instance in await alerts(make, None)] == ["127.0.0.2", GATEWAY, "127.0.0.3"]
