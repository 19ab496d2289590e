"""When devices are polled: each on its own beat, so that a slow or dead one costs the others nothing."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence

from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp.device import Device
from fenghuo_agent.inputs.snmp.shared import Shared
from fenghuo_agent.inputs.snmp.tally import Metrics
from fenghuo_agent.snmp.errors import SnmpError

log = logging.getLogger(__name__)

JITTER = 0.02
FIRST_ROUND = 10.0
"""Seconds over which the first polls are spread, where intervals are longer."""
POKED_APART = 3.0
"""Least seconds between two polls of a device out of its turn."""
MOST_PORTS = 16
"""Where more ports than that want to be read at once, the whole device is."""
WHOLE = -1
"""Stands among ports for the whole device."""
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
        self._running: tuple[asyncio.TaskGroup, Accumulator] | None = None
        self._tasks: dict[Device, tuple[asyncio.Task[None], float]] = {}
        self._poked: dict[Device, set[int]] = {}

    async def run(self, devices: Sequence[Device], accumulator: Accumulator) -> None:
        """Poll each device at its interval, and those that come later by `start`; until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._running = group, accumulator
            try:
                for device in devices:
                    self.start(device)
                await asyncio.Event().wait()
            finally:
                self._running = None
                self._tasks.clear()
                self._poked.clear()

    def start(self, device: Device, *, first: bool = True) -> None:
        """Poll one more device from now on, `first` soon and then on its beat; where nothing runs, nothing happens."""
        if self._running is None:
            return
        group, accumulator = self._running
        task = group.create_task(self._tend(device, accumulator, first=first), name=f"snmp {device.instance}")
        self._tasks[device] = task, device.interval

    def retime(self, device: Device) -> None:
        """Go by the device's interval, where that is another now, without a poll between."""
        task, interval = self._tasks.get(device, (None, device.interval))
        if task is not None and interval != device.interval:
            task.cancel()
            self.start(device, first=False)

    def stop(self, device: Device) -> None:
        """Poll a device no more, and end its series."""
        task, _ = self._tasks.pop(device, (None, 0.0))
        if task is not None:
            task.cancel()
        ended = device.leave()
        if self._running is not None:
            for table in ended:
                self._running[1].table(table)

    def poke(self, device: Device, port: int | None) -> bool:
        """Poll a device, or one port of it, at once; soon where it was done just now. False where nothing runs."""
        if self._running is None or device not in self._tasks:
            return False
        ports = self._poked.get(device)
        if ports is None:
            ports = self._poked[device] = set()
            group, accumulator = self._running
            group.create_task(self._after_poke(device, accumulator), name=f"snmp {device.instance} at once")
        if len(ports) <= MOST_PORTS:
            ports.add(WHOLE if port is None else port)
        return True

    async def _after_poke(self, device: Device, accumulator: Accumulator) -> None:
        clock = self._shared.clock
        wait = device.poked_at + POKED_APART - clock.monotonic()
        if wait > 0:
            await self._sleep(wait)
        device.poked_at = clock.monotonic()
        ports = self._poked.pop(device, set[int]())
        if device not in self._tasks:
            return
        self._shared.tally.pokes += 1
        if WHOLE not in ports and len(ports) <= MOST_PORTS:
            async with device.lock, self._polling:
                if await device.glance(accumulator, ports):
                    return
        device.probe_at = 0.0
        await self.turn(device, accumulator)

    async def _tend(self, device: Device, accumulator: Accumulator, *, first: bool = True) -> None:
        clock, random, interval = self._shared.clock, self._shared.random, device.interval
        due = clock.monotonic() + phase(device.instance, interval)
        if interval > FIRST_ROUND and first:
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
        async with device.lock:
            return await self._turn(device, accumulator)

    async def _turn(self, device: Device, accumulator: Accumulator) -> SnmpError | None:
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
        if not device.reach.silent:
            return False
        async with self._probing:
            return await device.reach.stirs()

    async def _poll(self, device: Device, accumulator: Accumulator) -> None:
        if device.state != "up" or not device.reach.settled:
            async with self._probing:
                await device.reach.contact(device.failures)
        if device.unlearnt and not (device.known and self._learning.locked()):
            async with self._learning, self._polling:
                await self._timed(device, accumulator)
        else:
            # One whose rows are known is polled by these until there is a place to learn them anew.
            async with self._polling:
                await self._timed(device, accumulator, learn=False)

    async def _timed(self, device: Device, accumulator: Accumulator, *, learn: bool = True) -> None:
        started = self._shared.clock.monotonic()
        await device.poll(accumulator, learn=learn)
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
        tally.move(before, device.state)
        if error:
            log.warning("%s", error, extra={"device": device.instance})
        elif before == "down":
            log.info("%s answers again", device.instance, extra={"device": device.instance})
