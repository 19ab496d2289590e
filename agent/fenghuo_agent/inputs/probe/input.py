"""The `probe` input: targets asked on their beats, or all once."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.prober import Explained, Prober, Shared, targets
from fenghuo_agent.inputs.probe.schedule import Schedule
from fenghuo_agent.inputs.probe.tally import Metrics, Tally
from fenghuo_agent.inputs.probe.target import Target


class TargetsFailed(FenghuoError):  # noqa: N818 — the name says what happened
    """Targets that did not answer as they should: each with what is wrong."""

    def __init__(self, failures: dict[str, ProbeFailed | CannotProbe], asked: int) -> None:
        self.failures = failures
        lines = "\n".join(f"  {target}: {error}" for target, error in failures.items())
        super().__init__(f"{len(failures)} of {asked} probes failed:\n{lines}")


def nothing_explains(host: str) -> None:
    """For where no topology is known."""
    del host


class ProbeInput:
    """Probes the configured targets.

    `explained` says, for a host that does not answer, which dead device upstream explains it; the readings then say so
    (`probe_explained`), and rules are silent about it. It is asked in the event loop and must not wait.
    """

    name = "probe"
    datasets: frozenset[str] = frozenset()

    def __init__(
        self,
        config: ProbeConfig,
        *,
        clock: Clock,
        random: Random,
        registry: CollectorRegistry,
        explained: Explained = nothing_explains,
    ) -> None:
        self._shared = Shared.make(clock, explained)
        metrics = Metrics(self._shared.tally, registry)
        self._schedule = Schedule(clock, random, self._shared.tally, metrics, config.concurrency)
        self._probers: dict[tuple[str, str], Prober] = {}
        self._running: Accumulator | None = None
        for target in targets(config):
            self._add(target)

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._shared.tally

    @property
    def probers(self) -> list[Prober]:
        """One for each target."""
        return list(self._probers.values())

    def use(self, config: ProbeConfig, accumulator: Accumulator | None) -> None:
        """Probe these targets from now on. Those that stay as they were keep their beat; series of the others end.

        `concurrency` is that of the start.
        """
        wanted = {(target.kind, target.instance): target for target in targets(config)}
        for key, prober in list(self._probers.items()):
            target = wanted.get(key)
            if target == prober.target:
                del wanted[key]
                continue
            del self._probers[key]
            self._schedule.remove(prober)
            for table in prober.end():
                if accumulator is not None:
                    accumulator.table(table)
        for target in wanted.values():
            self._add(target)

    def reconfigure(self, config: ProbeConfig) -> str:
        """Go by another section while it runs; what there is to probe now, in words. Before it runs, no series ends."""
        self.use(config, self._running)
        return f"{len(self._probers)} targets"

    def _add(self, target: Target[Any]) -> None:
        prober = self._probers[target.kind, target.instance] = Prober(target, self._shared)
        self._schedule.add(prober)

    async def run(self, accumulator: Accumulator) -> None:
        """Probe each target at its interval until cancelled."""
        self._running = accumulator
        try:
            await self._schedule.run(accumulator)
        finally:
            self._running = None
            self._shared.close()

    async def once(self, accumulator: Accumulator) -> None:
        """Probe each target once. Raises `TargetsFailed` with what is wrong with each that failed."""
        probers = self.probers
        try:
            errors = await asyncio.gather(*(self._schedule.turn(prober, accumulator) for prober in probers))
        finally:
            self._shared.close()
        failures = {
            f"{prober.target.kind} {prober.target.instance}": error
            for prober, error in zip(probers, errors, strict=True)
            if error is not None
        }
        if failures:
            raise TargetsFailed(failures, len(probers))
