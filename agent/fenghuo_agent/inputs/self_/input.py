"""The `self` input: the agent's own health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.model import Layout, Table
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.self_.collect import COUNTER_BITS, NAME, Collector
from fenghuo_agent.inputs.self_.config import SelfConfig
from fenghuo_agent.inputs.self_.process import COUNTERS, read_process

JOB = "fenghuo_agent"


class SelfInput:
    """Hands on all `fenghuo_agent_*` metrics of a registry, and what the system says of this process.

    `agent` is the agent's name: `instance` and `device` of its series. `disk` lies on the disk whose free room matters
    (the spool's folder). `sleep` waits, for tests on virtual time.
    """

    name = "self"

    datasets: frozenset[str] = frozenset()

    def __init__(
        self,
        config: SelfConfig,
        registry: CollectorRegistry,
        clock: Clock,
        agent: str,
        *,
        disk: Path | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._interval = config.interval
        self._registry = registry
        self._clock = clock
        self._disk = disk
        self._sleep = sleep
        self._started = clock.monotonic()
        self._labels = {"job": JOB, "instance": agent, "device": agent}
        self._collector = Collector(self._labels)
        self._process: Layout | None = None

    async def run(self, accumulator: Accumulator) -> None:
        """Read at every interval until cancelled; a reading that comes late does not shift the ones behind it."""
        due = self._clock.monotonic()
        while True:
            await self.once(accumulator)
            now = self._clock.monotonic()
            due = max(due + self._interval, now)
            await self._sleep(due - now)

    async def once(self, accumulator: Accumulator) -> None:
        """Read now."""
        now = self._clock.now()
        accumulator.table(self._read_process(now))
        for table in self._collector.tables(self._registry.collect(), now):
            accumulator.table(table)

    def _read_process(self, now: int) -> Table:
        values = read_process(self._started, self._clock.monotonic(), self._disk)
        if self._process is None:
            self._process = Layout(NAME, self._labels, {}, tuple(values), dict.fromkeys(COUNTERS, COUNTER_BITS))
        return Table(self._process, now, [(value,) for value in values.values()])
