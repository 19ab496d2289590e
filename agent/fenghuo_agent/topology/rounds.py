"""Reading the tables of all devices on a slow beat of their own, and telling what comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from random import Random
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.clock import Clock
from fenghuo.ids import Entropy, uuid7
from fenghuo.model import Event
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.message import Envelope
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.topology.collect import collect
from fenghuo_agent.topology.config import TopologyConfig
from fenghuo_agent.topology.host import Host, read_host
from fenghuo_agent.topology.join import join
from fenghuo_agent.topology.model import Topology
from fenghuo_agent.topology.outages import Outages
from fenghuo_agent.topology.readings import Readings
from fenghuo_agent.topology.root import upstreams_of
from fenghuo_agent.topology.seen import Seen
from fenghuo_agent.topology.watch import Watch

log = logging.getLogger(__name__)

ENTRIES_A_MAC = 4
"""Most forwarding entries that are kept, for each MAC that may be remembered; a MAC is seen by every switch on its ways."""
TICK = 30.0
"""Seconds between two looks at what is due."""
SETTLE = 20.0
"""Seconds that devices get to be found by the polls before the first round."""
Sleep = Callable[[float], Awaitable[object]]


class Visitable(Protocol):
    """A device that is polled."""

    @property
    def instance(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    def visit(self) -> Session: ...

    def in_vlan(self, number: int, /) -> Envelope: ...


class Metrics:
    """`fenghuo_agent_topology_…`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "fenghuo_agent_topology"
        self.visits = Counter(
            f"{prefix}_visits", "Readings of a device's tables by result.", ["result"], registry=registry
        )
        self.failures = Counter(f"{prefix}_failures", "Rounds that ended in a fault of ours.", registry=registry)
        self.links = Gauge(f"{prefix}_links", "Links known.", registry=registry)
        self.macs = Gauge(f"{prefix}_macs", "MAC addresses whose place is known.", registry=registry)
        self.dropped = Counter(
            f"{prefix}_events_left_out", "Changes that were only counted, too many at once.", registry=registry
        )


class Rounds:
    """Reads each device once an interval, joins what all say, and tells changes."""

    def __init__(
        self,
        devices: Callable[[], Iterable[Visitable]],
        config: TopologyConfig,
        limits: Limits,
        *,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        poke: Callable[[str], object] = lambda _: None,
        host: Callable[[], Host] = read_host,
        sleep: Sleep = asyncio.sleep,
        entropy: Entropy | None = None,
    ) -> None:
        self._devices = devices
        self._config = config
        self._limits = limits
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._host = host
        self._sleep = sleep
        self._entropy = entropy or random.randbytes
        self._seen: dict[str, Seen] = {}
        self._due: dict[str, float] = {}
        self._fresh: set[str] = set()
        self._joined = float("-inf")
        self._readings = Readings()
        self._watch = Watch(
            remember=round(config.remember * 1000), most_macs=config.max_macs, most_events=config.max_events
        )
        self.topology = Topology()
        self.outages = Outages(self._down, clock, poke)

    def _down(self) -> list[str]:
        return [device.instance for device in self._devices() if device.state == "down"]

    async def run(self, accumulator: Accumulator) -> None:
        """Read and tell until cancelled."""
        await self._sleep(SETTLE)
        while True:
            await self._safely(accumulator)
            await self._sleep(min(TICK, self._config.interval / 4))

    async def _safely(self, accumulator: Accumulator) -> None:
        """A tick; what goes wrong in it is told and ends neither the next one nor the polls."""
        try:
            await self.tick(accumulator)
        except Exception as error:  # polls go on, whatever is wrong with the picture
            log.error("the topology could not be joined: %r", error)  # noqa: TRY400 — the traceback is for debugging
            log.debug("where it came from", exc_info=True)
            self._metrics.failures.inc()

    async def tick(self, accumulator: Accumulator) -> None:
        """Read the devices that are due; join and tell where the interval is over, or a device is read for the first time."""
        now = self._clock.monotonic()
        devices = {device.instance: device for device in self._devices()}
        for gone in self._seen.keys() - devices.keys():
            del self._seen[gone]
        due = [one for one in devices.values() if one.state == "up" and self._due.get(one.instance, now) <= now]
        first = any(one.instance not in self._seen for one in due)
        await self._visit(due)
        if self._seen and (first or now - self._joined >= self._config.interval):
            self._joined = now
            await self._tell(devices, accumulator)
        for document in self.outages.news():
            self._event(accumulator, document)

    async def _visit(self, devices: Collection[Visitable]) -> None:
        places = asyncio.Semaphore(self._config.concurrency)

        async def one(device: Visitable) -> None:
            async with places:
                await self._read(device)

        await asyncio.gather(*(one(device) for device in devices))

    async def _read(self, device: Visitable) -> None:
        known = device.instance in self._seen
        # The first reading of all comes at once, so that the next ones are spread by chance.
        pause = self._config.interval * (1.0 if known else self._random.uniform(0.5, 1.0))
        self._due[device.instance] = self._clock.monotonic() + pause
        try:
            with device.visit().open(self._config.deadline) as session:
                contexts = device.in_vlan if self._config.vlan_contexts else None
                seen = await collect(session, self._limits, contexts)
        except SnmpError as error:
            self._metrics.visits.labels(error.kind).inc()
            return
        except Exception as error:  # one device's surprise must not end the others
            log.error("%s: unexpected %s", device.instance, repr(error), extra={"device": device.instance})  # noqa: TRY400 — the traceback is for debugging
            log.debug("where it came from", exc_info=True)
            self._metrics.visits.labels("unexpected").inc()
            return
        self._metrics.visits.labels("incomplete" if seen.silent else "ok").inc()
        before = self._seen.get(device.instance)
        if seen.faults and (before is None or before.faults != seen.faults):
            log.info("%s: %s", device.instance, "; ".join(seen.faults), extra={"device": device.instance})
        seen.device, seen.time = device.label, self._clock.now()
        seen = self._seen[device.instance] = _filled(seen, before)
        self._bound(seen)
        if not seen.silent:
            self._fresh.add(device.instance)

    def _bound(self, seen: Seen) -> None:
        """Where the forwarding tables together are too large, keep of this one only what no nearer switch will say."""
        if sum(len(one.stations) for one in self._seen.values()) <= ENTRIES_A_MAC * self._config.max_macs:
            return
        devices = frozenset(mac for one in self._seen.values() for mac in one.macs) | self._host().macs
        further = {port for instance, port in self.topology.further if instance == seen.instance}
        seen.prune(further, devices)

    async def _tell(self, devices: Mapping[str, Visitable], accumulator: Accumulator) -> None:
        host = self._host()
        seen = dict(self._seen)
        # It takes a second where there are a hundred switches with thousands of MACs each; polls go on meanwhile.
        topology = await asyncio.to_thread(join, seen, host.macs, host.bindings)
        now = self._clock.now()
        silent = seen.keys() - self._fresh
        self._fresh = set()
        dropped = self._watch.dropped
        events = await asyncio.to_thread(self._watch.step, topology, silent, now)
        self.topology = topology
        self.outages.use(topology, upstreams_of(topology, self._config.root or "", host))
        labels = {name: device.labels for name, device in devices.items() if name in seen}
        for table in self._readings.tables(topology, labels, now):
            accumulator.table(table)
        for document in events:
            self._event(accumulator, document)
        self._metrics.links.set(len(topology.links))
        self._metrics.macs.set(len(topology.locations))
        self._metrics.dropped.inc(self._watch.dropped - dropped)

    def _event(self, accumulator: Accumulator, document: dict[str, object]) -> None:
        now = self._clock.now()
        accumulator.event(Event(uuid7(now, self._entropy), now, document))


def _filled(seen: Seen, before: Seen | None) -> Seen:
    """What a device says, with what it said before where a part could not be read."""
    if before is None:
        return seen
    if "neighbours" in seen.silent:
        seen.neighbours, seen.advertised, seen.base_ports = before.neighbours, before.advertised, before.base_ports
    if "stations" in seen.silent:
        seen.stations, seen.bridge = before.stations, before.bridge
    if "bindings" in seen.silent:
        seen.bindings = before.bindings
    if "spanning-tree" in seen.silent:
        seen.designated, seen.blocked, seen.root_port = before.designated, before.blocked, before.root_port
    return seen
