"""The SNMP input: devices polled on their beats, or all once."""

from __future__ import annotations

import asyncio
from random import Random

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.device import Device, Shared
from fenghuo_agent.inputs.snmp.schedule import Schedule
from fenghuo_agent.inputs.snmp.tally import Metrics, Tally
from fenghuo_agent.snmp.errors import SnmpError


class DevicesFailed(FenghuoError):  # noqa: N818 — the name says what happened
    """Devices that could not be read: each with what is wrong and what to look at."""

    def __init__(self, failures: dict[str, SnmpError], asked: int) -> None:
        self.failures = failures
        lines = "\n".join(f"  {device}: {error}" for device, error in failures.items())
        super().__init__(f"{len(failures)} of {asked} SNMP devices could not be read:\n{lines}")


class SnmpInput:
    """Polls the configured devices."""

    name = "snmp"

    datasets: frozenset[str] = frozenset()

    def __init__(self, config: SnmpConfig, *, clock: Clock, random: Random, registry: CollectorRegistry) -> None:
        tally = Tally(devices={"up": 0, "down": 0, "unknown": len(config.devices)})
        self._metrics = Metrics(tally, registry)
        self._shared = Shared(config, clock, random, tally)
        self.devices = [Device(settings, self._shared) for settings in config.devices]

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._shared.tally

    async def run(self, accumulator: Accumulator) -> None:
        """Poll each device at its interval until cancelled."""
        await Schedule(self._shared, self._metrics).run(self.devices, accumulator)

    async def once(self, accumulator: Accumulator) -> None:
        """Poll each device once. Raises `DevicesFailed` with a hint for each that could not be read."""
        schedule = Schedule(self._shared, self._metrics)
        errors = await asyncio.gather(*(schedule.turn(device, accumulator) for device in self.devices))
        failures = {
            device.instance: error for device, error in zip(self.devices, errors, strict=True) if error is not None
        }
        if failures:
            raise DevicesFailed(failures, len(self.devices))
