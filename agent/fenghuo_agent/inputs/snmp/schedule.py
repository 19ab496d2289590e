"""When devices are polled: each on its own beat, so that a slow or dead one costs the others nothing."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence

from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp.device import Device, Shared
from fenghuo_agent.inputs.snmp.tally import Metrics
from fenghuo_agent.snmp.errors import SnmpError

log = logging.getLogger(__name__)

JITTER = 0.02
FIRST_ROUND = 10.0
"""Seconds over which the first polls are spread, where intervals are longer."""
Sleep = Callable[[float], Awaitable[object]]


def phase(instance: str, interval: float) -> float:
    """When within the interval a device is polled: spread evenly, and the same after a restart."""
    return zlib.crc32(instance.encode()) / (1 << 32) * interval


class Schedule:
    """Polls devices until cancelled; never two polls of one device at once.

    Devices that answer and devices that do not have places of their own, so that the silent ones keep none waiting.
    """

    def __init__(self, shared: Shared, metrics: Metrics, *, sleep: Sleep = asyncio.sleep) -> None:
        self._shared = shared
        self._metrics = metrics
        self._sleep = sleep
        self._polling = asyncio.Semaphore(shared.config.concurrency)
        self._probing = asyncio.Semaphore(shared.config.concurrency)
        self._learning = asyncio.Semaphore(shared.config.learning)

    async def run(self, devices: Sequence[Device], accumulator: Accumulator) -> None:
        """Poll each device at its interval."""
        async with asyncio.TaskGroup() as group:
            for device in devices:
                group.create_task(self._tend(device, accumulator), name=f"snmp {device.instance}")

    async def _tend(self, device: Device, accumulator: Accumulator) -> None:
        clock, random, interval = self._shared.clock, self._shared.random, device.interval
        due = clock.monotonic() + phase(device.instance, interval)
        if interval > FIRST_ROUND:
            # Whoever starts an agent sees every device soon, not when its turn in a long interval comes.
            await self._sleep(phase(device.instance, FIRST_ROUND))
            await self.turn(device, accumulator)
        while True:
            jitter = random.uniform(0, JITTER * interval)
            await self._sleep(max(0.0, due + jitter - clock.monotonic()))
            await self.turn(device, accumulator)
            due += interval
            late = clock.monotonic() - due
            if late > 0:
                missed = int(late // interval) + 1
                self._shared.tally.skipped += missed
                due += missed * interval

    async def turn(self, device: Device, accumulator: Accumulator) -> SnmpError | None:
        """Poll one device, or say that it is down where it is still silent; what failed, if it did."""
        clock, options = self._shared.clock, self._shared.config
        if device.failures and clock.monotonic() < device.probe_at and not await self._stirs(device):
            device.unreachable(accumulator)
            return None
        try:
            await self._poll(device, accumulator)
        except SnmpError as error:
            failed = error
        except Exception as error:  # one device's surprise must not end the others
            log.error("%s: unexpected %s", device.instance, repr(error), extra={"device": device.instance})  # noqa: TRY400 — the traceback is for debugging
            log.debug("where it came from", exc_info=True)
            failed = SnmpError(f"{device.instance}: unexpected {error!r}")
        else:
            self._note(device, None)
            return None
        self._note(device, failed)
        pause = min(device.interval * 2.0 ** min(device.failures - 1, 16), max(device.interval, options.probe_max))
        device.probe_at = clock.monotonic() + pause * 0.9
        device.unreachable(accumulator)
        return failed

    async def _stirs(self, device: Device) -> bool:
        """Whether a device that was silent answers one question, so that none is said to be down once it is back."""
        if not device.silent:
            return False
        async with self._probing:
            return await device.stirs()

    async def _poll(self, device: Device, accumulator: Accumulator) -> None:
        if device.state != "up":
            async with self._probing:
                await device.contact()
        if device.unlearnt:
            async with self._learning, self._polling:
                await self._timed(device, accumulator)
        else:
            async with self._polling:
                await self._timed(device, accumulator)

    async def _timed(self, device: Device, accumulator: Accumulator) -> None:
        started = self._shared.clock.monotonic()
        await device.poll(accumulator)
        self._metrics.seconds.observe(self._shared.clock.monotonic() - started)

    def _note(self, device: Device, error: SnmpError | None) -> None:
        """Count, and log where the device's state changed."""
        tally = self._shared.tally
        tally.poll(error.kind if error else "ok")
        before = device.state
        device.failures = device.failures + 1 if error else 0
        device.state = "down" if error else "up"
        if before == device.state:
            return
        tally.devices[before] = tally.devices.get(before, 0) - 1
        tally.devices[device.state] = tally.devices.get(device.state, 0) + 1
        if error:
            log.warning("%s", error, extra={"device": device.instance})
        elif before == "down":
            log.info("%s answers again", device.instance, extra={"device": device.instance})
