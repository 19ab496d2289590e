"""The shipped rules that judge notifications wake where traps are received, and fire on real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fenghuo.clock import SystemClock
from fenghuo.ids import Entropy
from fenghuo.model import AgentId, Event
from fenghuo.packs import packs_path
from fenghuo.rules import Engine
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.reload import RuleFiles
from fenghuo_agent.inputs.snmp_trap.input import SnmpTrapInput
from fenghuo_agent.pipeline import Pipeline
from servers.snmpd import snmpd

from .conftest import COMMUNITY

TITLE = "Somebody guesses SNMP communities"
entropy: Entropy = bytes


class Batches:
    """Stands in for the batcher."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.alerts: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def alert(self, event: Event) -> None:
        self.alerts.append(event)

    def save(self, state: Mapping[str, bytes]) -> None: ...


def rules(*datasets: str):
    clock = SystemClock()
    files = RuleFiles([packs_path()], side="agent", lists=Lists(clock=clock), datasets=frozenset(datasets))
    return files.load()


def test_the_rule_sleeps_without_the_input_and_wakes_with_it():
    assert TITLE in {rule.title for rule in rules().asleep}
    awake = rules(*SnmpTrapInput.datasets)
    assert TITLE in {rule.title for rule in awake.rules}
    assert TITLE not in {rule.title for rule in awake.asleep}


async def test_guessing_a_real_device_s_community_fires_the_rule(start, sender, tmp_path):
    """Ten wrong questions to a real snmpd, whose authenticationFailure traps come in by the socket, make one alert."""
    clock = SystemClock()
    batches = Batches()
    engine = Engine(rules("trap"), agent="bj/haidian/zgc-no1/gw1", clock=clock)
    pipeline = Pipeline(AgentId.parse("bj/haidian/zgc-no1/gw1"), engine, batches, clock, entropy)  # type: ignore[arg-type]
    async with start() as running:
        running.basket.event = pipeline.event
        lines = [f"trap2sink 127.0.0.1:{running.port} {COMMUNITY}", "authtrapenable 1"]
        with snmpd(tmp_path / "snmpd", lines=lines) as agent:
            ask = ("snmpget", "-v2c", "-c", "guess", "-t", "0.1", "-r", "0", agent.address(), "1.3.6.1.2.1.1.3.0")
            for _ in range(9):
                await sender.run(*ask)
            failures = [
                event for event in batches.events if event.document["event"]["action"] == "authenticationFailure"
            ]
            assert not batches.alerts
            while not batches.alerts:
                await sender.run(*ask)
                await asyncio.sleep(0)
                assert running.tally.accepted < 30
    assert len(failures) <= 9
    (alert,) = batches.alerts
    assert alert.document["fenghuo"]["alert"]["title"] == TITLE
    assert alert.document["fenghuo"]["alert"]["state"] == "firing"
    assert alert.document["fenghuo"]["alert"]["victim"] == {"ip": "127.0.0.1"}
