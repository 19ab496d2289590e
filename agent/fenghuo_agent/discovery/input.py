"""Discovery in the running agent: scans now and then, tells what is new, and has it polled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from random import Random
from typing import Protocol

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.ids import Entropy, uuid7
from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.config import DiscoverConfig, nowhere
from fenghuo_agent.discovery.found import Found, asset_of
from fenghuo_agent.discovery.metrics import Metrics, Totals
from fenghuo_agent.discovery.neighbours import kernel_neighbours
from fenghuo_agent.discovery.pace import Sleep
from fenghuo_agent.discovery.questions import label_of
from fenghuo_agent.discovery.recognise import Recognise
from fenghuo_agent.discovery.register import DATASET, Change, Register, event_of
from fenghuo_agent.discovery.scan import Hint, Manners, Scan, WireOf, neighbour_hints
from fenghuo_agent.discovery.wire import UdpWire
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp.config import Device, SnmpConfig
from fenghuo_agent.snmp.access import Target

log = logging.getLogger(__name__)

SOON = 10.0
"""Seconds from the start of an agent that knows devices to its first scan: their polls go first."""
TAKE_EVERY = 30.0
LOOK_EVERY = 60.0
MOST_REMEMBERED = 16_384

Around = Callable[[], Awaitable[Iterable[tuple[str, str]]]]


async def _nobody() -> Iterable[tuple[str, str]]:
    return ()


class Polled(Protocol):
    """A device that is polled."""

    @property
    def instance(self) -> str: ...


class Polling(Protocol):
    """Who polls: `SnmpInput`."""

    def get(self, instance: str) -> Polled | None: ...

    def up(self) -> Iterable[Polled]: ...

    def add(self, settings: Device) -> object: ...

    def remove(self, instance: str) -> bool: ...


class DiscoveryInput:
    """Scans the configured subnets: all at `interval`, new neighbours at `neighbours`.

    `around` gives addresses that known devices have as neighbours, each with how (lldp, cdp, arp). `ignored` says which
    devices the admin does not want polled.
    """

    name = "discovery"
    datasets: frozenset[str] = frozenset({DATASET})

    def __init__(
        self,
        settings: Callable[[], SnmpConfig],
        path: Path,
        *,
        polling: Polling,
        recognise: Recognise,
        clock: Clock,
        random: Random,
        entropy: Entropy,
        registry: CollectorRegistry,
        around: Around = _nobody,
        ignored: Callable[[], Iterable[Target]] = tuple,
        sleep: Sleep = asyncio.sleep,
        wire_of: WireOf = UdpWire,
    ) -> None:
        self._settings = settings
        discover = settings().discover or nowhere()
        self._options: DiscoverConfig = discover
        self._path = path
        self._polling = polling
        self._recognise = recognise
        self._clock = clock
        self._random = random
        self._entropy = entropy
        self._around = around
        self._ignored = ignored
        self._sleep = sleep
        self._wire_of = wire_of
        memory = store.load(path)
        self._salt, self._scanned = memory.salt, memory.scanned
        self.totals = Totals(spoilt=memory.spoilt)
        self._attempts = Attempts(discover.wrong_attempts, clock, memory.salt)
        try:
            self._attempts.restore(memory.attempts)
        except ValueError:
            self.totals.spoilt += 1
        self.register = Register(discover.forget_after, memory.devices)
        self._adopted: set[str] = set()
        self._asked: dict[Target, None] = {}
        Metrics(self.totals, lambda: self.register.devices, lambda: self._attempts.withheld, registry)

    async def run(self, accumulator: Accumulator) -> None:
        """Have known devices polled, then scan until cancelled."""
        known = [device for device in self.register.devices if device.state != "gone"]
        self._adopt(known)
        if known:
            await self._sleep(SOON)
        while True:
            self._reread()
            due = self._scanned + self._options.interval * 1000
            if self._clock.now() >= due or self._clock.now() < self._scanned:
                await self.scan(accumulator)
            else:
                await self.look_around(accumulator)
            rest = max(1.0, (self._scanned + self._options.interval * 1000 - self._clock.now()) / 1000)
            await self._rest(min(rest, self._options.neighbours * self._random.uniform(0.95, 1.05)))

    async def _rest(self, seconds: float) -> None:
        """Wait, but not on when the configuration says otherwise."""
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0 and not self._changed():
            await self._sleep(min(left, LOOK_EVERY))

    def _changed(self) -> bool:
        return self._settings().discover not in (None, self._options)

    def _reread(self) -> None:
        """Go by the configuration as it is now; where other subnets stand in it, all is scanned."""
        discover = self._settings().discover
        if discover is not None and discover != self._options:
            self._options, self._scanned = discover, 0

    async def once(self, accumulator: Accumulator) -> None:
        """Scan everything once; of what is found nothing is remembered, so that it is news to the agent that runs."""
        await self._scan(accumulator)
        store.save_attempts(self._path, self._attempts, self._salt)

    async def scan(self, accumulator: Accumulator) -> None:
        """Ask everywhere. Who was silent for too long is gone afterwards."""
        await self._scan(accumulator)
        self._save()

    async def _scan(self, accumulator: Accumulator) -> None:
        self._recall()
        began, started = self._clock.now(), self._clock.monotonic()
        log.info("discovery begins: %d addresses", self._options.scope.size)
        scan = self._new_scan(accumulator)
        try:
            await scan.run(sweep=True, hints=await self._hints(), wire_of=self._wire_of)
        finally:
            self._finish(scan, "full", accumulator)
        self._scanned, self.totals.seconds = began, self._clock.monotonic() - started
        now = self._clock.now()
        self.register.alive((each.instance for each in self._polling.up()), now)
        for change in self.register.silent(now, began):
            self._tell(change, accumulator)
        self._asked.clear()
        log.info(
            "discovery ends after %.0f s: %d devices found, %d let no credential in; %d datagrams",
            *(self.totals.seconds, len(scan.devices()), len(scan.locked), scan.counts.datagrams + scan.counts.sessions),
        )

    async def look_around(self, accumulator: Accumulator) -> None:
        """Ask only at addresses that neighbour tables name and that were not asked since the last scan of everything."""
        hints = [
            hint for hint in await self._hints() if self.register.at(hint[0]) is None and hint[0] not in self._asked
        ]
        for target, _ in hints:
            if len(self._asked) < MOST_REMEMBERED:
                self._asked[target] = None
        if not hints:
            return
        scan = self._new_scan(accumulator)
        try:
            await scan.run(sweep=False, hints=hints, wire_of=self._wire_of)
        finally:
            self._finish(scan, "neighbours", accumulator)
        self._save()

    def _new_scan(self, accumulator: Accumulator) -> Scan:
        """A scan of which the agent takes what was found now and then: a large one takes an hour."""
        options, taken = self._options, self._clock.monotonic()
        chooser = options.chooser(self._settings().credentials)

        def looked() -> None:
            nonlocal taken
            if self._clock.monotonic() - taken >= TAKE_EVERY:
                taken = self._clock.monotonic()
                self._take(scan, accumulator)

        scan = Scan(
            options.scope,
            chooser,
            manners=Manners(rate=options.rate, timeout=options.timeout, retries=options.retries),
            attempts=self._attempts,
            recognise=self._recognise,
            clock=self._clock,
            random=self._random,
            sleep=self._sleep,
            looked=looked,
        )
        return scan

    async def _hints(self) -> list[Hint]:
        """Where somebody is said to be: by the kernel's tables, and by who is watched for neighbours."""
        scope = self._options.scope
        hints = neighbour_hints(scope, kernel_neighbours())
        for address, how in await self._around():
            hints += [(target, how) for target in scope.targets_at(address)]
        return hints

    def _take(self, scan: Scan, accumulator: Accumulator) -> list[Found]:
        """Take what was found so far, each device at the address at which it is polled or was known already."""
        found = scan.devices(self._is_known)
        for change in self.register.seen(found, self._clock.now()):
            self._tell(change, accumulator)
            accumulator.asset(asset_of(change.device, self._clock.now()))
        self._adopt(found)
        return found

    def _is_known(self, target: Target) -> bool:
        known = self.register.at(target)
        return self._polling.get(target.instance) is not None or (known is not None and known.target == target)

    def _finish(self, scan: Scan, kind: str, accumulator: Accumulator) -> None:
        """Take all that was found, and say what is known of it; what is polled tells more of itself by the polls."""
        self.totals.take(kind, scan.counts)
        for device in self._take(scan, accumulator):
            if self._polling.get(device.instance) is None:
                accumulator.asset(asset_of(device, self._clock.now()))

    def _tell(self, change: Change, accumulator: Accumulator) -> None:
        now = self._clock.now()
        event = event_of(change, now, uuid7(now, self._entropy))
        log.info("%s", event.document["message"])
        accumulator.event(event)
        if change.action == "device-gone":
            accumulator.asset(asset_of(change.device, now))
            self._release(change.device.instance)
        if change.moved:
            self._release(change.moved)

    def _adopt(self, devices: Iterable[Found]) -> None:
        """Have them polled, unless they are already, at whichever address, or the admin does not want it."""
        if not self._options.adopt:
            return
        credentials = self._settings().credentials
        labels = {label_of(each, place) for place, each in enumerate(credentials)}
        ignored = set(self._ignored())
        for device in devices:
            targets = (device.target, *device.also)
            if ignored.isdisjoint(targets) and not any(self._polling.get(target.instance) for target in targets):
                # The label of a credential that is no longer there would let none be tried.
                self._poll(device, device.credential if device.credential in labels else "")

    def _poll(self, device: Found, credential: str) -> None:
        try:
            self._polling.add(Device.model_validate({"address": device.instance, "credential": credential}))
        except ValueError as reason:
            log.warning("%s was found but cannot be polled: %s", device.instance, reason)
        else:
            self._adopted.add(device.instance)

    def _release(self, instance: str) -> None:
        """Have it polled no more, if it is polled because of us."""
        if instance in self._adopted:
            self._adopted.discard(instance)
            self._polling.remove(instance)

    def _recall(self) -> None:
        """Know what scans by hand tried meanwhile."""
        with contextlib.suppress(ValueError):
            self._attempts.restore(store.load(self._path).attempts)

    def _save(self) -> None:
        self._recall()
        if not store.save(self._path, self.register.devices, self._attempts, self._salt, self._scanned):
            self.totals.unsaved += 1
