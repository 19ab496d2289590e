"""Targets follow the configuration file while the agent runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.config import parse
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.reload import Reloads, needs_restart


def configuration(folder: Path, probe: str) -> AgentConfig:
    text = f"site: bj/haidian/zgc\ncollector: mqtt://127.0.0.1\nspool: {{path: {folder}/spool.db}}\ninputs: {{probe: {probe}}}\n"
    return parse(text.encode(), AgentConfig, env={}, file="agent.yaml", folder=folder)


def instances(basket) -> set[str]:
    return {table.layout.labels["instance"] for table in basket.of("probe")}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in 20 seconds")


async def test_targets_come_and_go_while_it_probes_and_the_series_of_those_that_went_end(make, basket, tmp_path):
    source = make("tcp://127.0.0.1:9", "tcp://127.0.0.2:9")
    first = configuration(tmp_path, "['tcp://127.0.0.1:9', 'tcp://127.0.0.2:9']")
    reloads = Reloads(first, [source], CollectorRegistry())
    running = asyncio.create_task(source.run(basket))
    await until(lambda: {"127.0.0.1:9", "127.0.0.2:9"} <= instances(basket))
    said = reloads.take(configuration(tmp_path, "['tcp://127.0.0.2:9', 'tcp://127.0.0.3:9']"))
    await until(lambda: "127.0.0.3:9" in instances(basket))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert said == "probes: 2 targets"
    assert {table.layout.labels["instance"] for table in basket.tables if table.ended} == {"127.0.0.1:9"}


def test_before_it_runs_targets_change_and_nothing_ends(make, tmp_path):
    source = make("10.20.0.1")
    reloads = Reloads(configuration(tmp_path, "[10.20.0.1]"), [source], CollectorRegistry())
    assert reloads.take(configuration(tmp_path, "[10.20.0.2]")) == "probes: 1 targets"
    assert [prober.target.instance for prober in source.probers] == ["10.20.0.2"]
    assert reloads.take(configuration(tmp_path, "[10.20.0.2]")) == "nothing that the running agent goes by"


@pytest.mark.parametrize(
    ("before", "after", "waiting"),
    [
        ("[10.20.0.1]", "[10.20.0.2]", []),
        ("{targets: [10.20.0.1]}", "{targets: [10.20.0.1], concurrency: 7}", ["inputs.probe.concurrency"]),
        ("[10.20.0.1]", "null", ["inputs.probe"]),
    ],
)
def test_only_what_cannot_be_changed_while_it_runs_waits_for_a_restart(tmp_path, before, after, waiting):
    assert needs_restart(configuration(tmp_path, before), configuration(tmp_path, after)) == waiting
