"""The SNMP input: devices polled on their beats, or all once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp import config
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.device import Device
from fenghuo_agent.inputs.snmp.listed import listed
from fenghuo_agent.inputs.snmp.profile_folders import library_of
from fenghuo_agent.inputs.snmp.schedule import Schedule
from fenghuo_agent.inputs.snmp.shared import Shared
from fenghuo_agent.inputs.snmp.tally import Metrics, Tally
from fenghuo_agent.profiles import Library
from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.walk import Limits

if TYPE_CHECKING:
    from fenghuo_agent.topology.rounds import Rounds


class DevicesFailed(FenghuoError):  # noqa: N818 — the name says what happened
    """Devices that could not be read: each with what is wrong and what to look at."""

    def __init__(self, failures: dict[str, SnmpError], asked: int) -> None:
        self.failures = failures
        lines = "\n".join(f"  {device}: {error}" for device, error in failures.items())
        super().__init__(f"{len(failures)} of {asked} SNMP devices could not be read:\n{lines}")


@dataclass(frozen=True, slots=True)
class Changes:
    """Instances of devices that another configuration brought, took away and gave other options."""

    added: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        parts = [("added", self.added), ("removed", self.removed), ("changed", self.changed)]
        return (
            ", ".join(f"{len(found)} {word}" for word, found in parts if found)
            or "the same as before, by the options and credentials of now"
        )


class SnmpInput:
    """Polls the configured devices, and those that are added while it runs."""

    name = "snmp"

    def __init__(self, config: SnmpConfig, *, clock: Clock, random: Random, registry: CollectorRegistry) -> None:
        tally = Tally(devices={"up": 0, "down": 0, "unknown": 0})
        self._metrics = Metrics(tally, registry)
        self._shared = Shared(config, clock, random, tally, library=library_of(config.profiles))
        self._schedule = Schedule(self._shared, self._metrics)
        self._devices: dict[str, Device] = {}
        self._by_host: dict[str, list[Device]] = {}
        self._configured: set[str] = set()
        self.topology = self._rounds(config, registry) if config.topology.enabled else None
        self.reconfigure(config)

    @property
    def devices(self) -> list[Device]:
        """All devices, in the order in which they came."""
        return list(self._devices.values())

    @property
    def datasets(self) -> frozenset[str]:
        """Changes of the topology, where it is read."""
        return frozenset(("topology",)) if self.topology is not None else frozenset()

    @property
    def settings(self) -> SnmpConfig:
        """The configuration that it goes by now."""
        return self._shared.config

    @property
    def library(self) -> Library:
        """The profiles by which devices are read."""
        return self._shared.library

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._shared.tally

    def get(self, instance: str) -> Device | None:
        """The device of that `instance` label."""
        return self._devices.get(instance)

    def up(self) -> Iterable[Device]:
        """The devices that answered when they were asked last."""
        return (device for device in self.devices if device.state == "up")

    def add(self, settings: config.Device) -> Device:
        """Poll this device from now on. One that is polled already takes the new options and keeps what it knows.

        Raises ValueError where there is no credential for it.
        """
        if not self._shared.config.credentials_of(settings):
            raise ValueError(f"there is no credential for {settings.address}")
        known = self._devices.get(settings.target.instance)
        if known is not None:
            known.reconfigure(settings)
            self._schedule.retime(known)
            return known
        device = Device(settings, self._shared)
        self._devices[device.instance] = device
        self._by_host.setdefault(device.host, []).append(device)
        self._shared.tally.move("", device.state)
        self._schedule.start(device)
        return device

    def reconfigure(self, config: SnmpConfig) -> Changes:
        """Go by another configuration from now on: devices come, go and change; what is known of those that stay is kept.

        Devices that were added from elsewhere stay, if there is still a credential for them. `concurrency`, `learning`,
        `topology` and `discover` are as they were at the start. Raises `Located` where the devices file is wrong; nothing
        has changed then.
        """
        changes, shared = Changes(), self._shared
        wanted = {device.target.instance: device for device in listed(config)}
        shared.config = config
        for instance in self._configured - wanted.keys():
            self.remove(instance)
            changes.removed.append(instance)
        for instance, device in list(self._devices.items()):
            settings = wanted.get(instance, device.config)
            if not config.credentials_of(settings):
                self.remove(instance)
                changes.removed.append(instance)
                continue
            if settings != device.config:
                changes.changed.append(instance)
            self.add(settings)
        for instance, settings in wanted.items():
            if instance not in self._devices:
                self.add(settings)
                changes.added.append(instance)
        self._configured = set(wanted)
        return changes

    def use(self, library: Library) -> None:
        """Read devices by these profiles: each at its next turn that is free."""
        self._shared.library = library
        for device in self.devices:
            device.relearn()

    def remove(self, instance: str) -> bool:
        """Poll a device no more, and end its series; whether it was polled."""
        device = self._devices.pop(instance, None)
        if device is None:
            return False
        there = self._by_host[device.host]
        there.remove(device)
        if not there:
            del self._by_host[device.host]
        self._shared.tally.move(device.state, "")
        self._schedule.stop(device)
        return True

    def poke(self, host: str, if_index: int | None = None) -> bool:
        """Poll that port (or the device) at once, but a device at most every few seconds; False where it is unknown.

        `host` is an IP address, such as the one that a trap came from.
        """
        poked = [self._schedule.poke(device, if_index) for device in self._by_host.get(_plain(host), ())]
        return any(poked)

    def label_of(self, host: str) -> str:
        """The `device` label of what is polled at an IP address; empty where nothing is."""
        return next((device.label for device in self._by_host.get(_plain(host), ())), "")

    async def run(self, accumulator: Accumulator) -> None:
        """Poll each device at its interval until cancelled."""
        if self.topology is None:
            await self._schedule.run(self.devices, accumulator)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.topology.run(accumulator), name="snmp topology")
            await self._schedule.run(self.devices, accumulator)

    def _rounds(self, config: SnmpConfig, registry: CollectorRegistry) -> Rounds:
        """The readings of the topology, which explain to the devices why they do not answer."""
        from fenghuo_agent.topology import rounds  # noqa: PLC0415 — what is not used takes no memory

        limits = Limits(config.max_repetitions, config.topology.max_rows, config.max_reply)
        shared = self._shared
        made = rounds.Rounds(
            lambda: self.devices,
            config.topology,
            limits,
            clock=shared.clock,
            random=shared.random,
            metrics=rounds.Metrics(registry),
            poke=self.poke,
        )
        shared.explain = made.outages.explain
        return made

    async def once(self, accumulator: Accumulator) -> None:
        """Poll each device once. Raises `DevicesFailed` with a hint for each that could not be read."""
        devices = self.devices
        errors = await asyncio.gather(*(self._schedule.turn(device, accumulator) for device in devices))
        failures = {device.instance: error for device, error in zip(devices, errors, strict=True) if error is not None}
        if failures:
            raise DevicesFailed(failures, len(devices))


def _plain(host: str) -> str:
    """An address as devices have it; one of version 4 in the clothes of version 6 as what it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
