"""The agent as a whole: builds its pipeline, runs it, ends it in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock, SystemClock
from fenghuo.errors import FenghuoError
from fenghuo.ids import uuid7
from fenghuo.packs import packs_path
from fenghuo.rules import AHEAD_MS, Engine, RuleSet
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.reload import ReloadMetrics, RuleFiles, watch
from fenghuo.rules.runtime.telemetry import register_rules
from fenghuo.supervisor import Supervisor, until_possible
from fenghuo_agent.batcher import Batcher
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs import build_inputs
from fenghuo_agent.inputs.base import Input
from fenghuo_agent.once import Printer, failed, printer_for
from fenghuo_agent.pipeline import RULES_STATE, Pipeline
from fenghuo_agent.reload import ConfigFile, Reloads
from fenghuo_agent.spool import Spool
from fenghuo_agent.transport import Transport

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 1.0


async def run(config: AgentConfig, path: Path | None = None) -> None:
    """Poll, judge and ship until cancelled. Raises what makes a start impossible: rules, spool, certificates.

    `path` is the configuration's file: it is read again when it changes.
    """
    file = ConfigFile(path, os.environ) if path is not None else None
    clock, random, registry = SystemClock(), Random(), CollectorRegistry()
    inputs = build_inputs(config, clock, random, registry)
    async with started(config, inputs, clock, random, registry) as supervisor:
        Reloads(config, inputs, registry).watch(supervisor, file)
        await supervisor.run()


@contextlib.asynccontextmanager
async def started(
    config: AgentConfig, inputs: Sequence[Input], clock: Clock, random: Random, registry: CollectorRegistry
) -> AsyncGenerator[Supervisor]:
    """The agent's parts, ready to run: inputs → rules → batcher → spool → transport."""
    agent = config.identity
    lists = Lists(clock=clock, background=True)
    datasets = frozenset(name for each in inputs for name in each.datasets)
    files = RuleFiles(config.rules.files(packs_path()), side="agent", lists=lists, datasets=datasets)
    rules = files.load()
    lists.refresh()
    engine = Engine(rules, agent=str(agent), clock=clock, ahead_ms=AHEAD_MS)
    spool = await _open_spool(config, clock, random, registry)
    try:
        remembered = await until_possible("reading the spool", lambda: spool.load_state(RULES_STATE), random)
        if remembered is not None:
            engine.restore(remembered)
        batcher = Batcher(spool, config.batch, registry)
        pipeline = Pipeline(agent, engine, batcher, clock, os.urandom)
        register_rules(registry, lambda: pipeline.engine)
        boot = uuid7(clock.now())
        transport = Transport(config.collector, agent, spool, clock, random, registry, boot)
        supervisor = Supervisor(random, registry=registry, prefix="fenghuo_agent_part", clock=clock)
        for each in inputs:
            supervisor.add(each.name, lambda each=each: each.run(pipeline))
        supervisor.add("rules", lambda: pipeline.keep_time(config.rules.snapshot_interval))
        reloads = ReloadMetrics(registry, rules)
        supervisor.add("rule files", lambda: watch(files, pipeline.use, reloads, interval=config.rules.reload_interval))
        supervisor.add("transport", transport.run)
        _log.info("agent %s runs with %d rules; collector %s", agent, len(rules.rules), config.collector.url)
        _tell_asleep(rules)
        try:
            yield supervisor
        finally:
            await pipeline.drain()
            await transport.drain(_DRAIN_SECONDS)
    finally:
        await spool.close()


def _tell_asleep(rules: RuleSet) -> None:
    """Say which rules do not run, such as those that wait for data that no input brings: they must not be thought to watch."""
    titles: dict[str, list[str]] = {}
    for rule in rules.asleep:
        titles.setdefault(rule.reason, []).append(rule.title)
    for reason, of_rules in titles.items():
        _log.info("rules that do not run, because %s (%d): %s", reason, len(of_rules), "; ".join(of_rules))


async def _open_spool(config: AgentConfig, clock: Clock, random: Random, registry: CollectorRegistry) -> Spool:
    """The spool, once its disk has room. `Permanent` where it is not for us."""

    async def attempt() -> Spool:
        return Spool.open(config.spool, clock, registry)

    return await until_possible("the agent's start", attempt, random)


def once(config: AgentConfig, *, json: bool) -> int:
    """One round of all inputs, readings to standard output; 1 where an input failed, else 0."""
    return asyncio.run(_once(config, json=json))


async def _once(config: AgentConfig, *, json: bool) -> int:
    clock = SystemClock()
    printer = printer_for(config.identity, sys.stdout, as_json=json)
    inputs: Sequence[Input] = build_inputs(config, clock, Random(), CollectorRegistry())
    failures: list[bool] = []
    for group in _in_turn(inputs):
        failures += await asyncio.gather(*(_round(each, printer) for each in group))
    printer.finish()
    return int(any(failures))


def _in_turn(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    """All inputs: first the one that finds what others read, last the one that tells of all."""
    turns = {"discovery": 0, "self": 2}
    for turn in range(3):
        yield [each for each in inputs if turns.get(each.name, 1) == turn]


async def _round(each: Input, printer: Printer) -> bool:
    """Whether the input failed; what is wrong is said on standard error."""
    try:
        await each.once(printer)
    except (FenghuoError, OSError) as error:
        failed(each.name, error)
        return True
    return False
