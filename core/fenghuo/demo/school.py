"""The state of a simulated school: devices, ports with traffic, a server room. The same seed and times give the same school.

State moves in whole seconds: `School.advance(now)` brings everything up to a moment, however seldom it is called.
Nothing here knows of SNMP or MQTT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

TICK_MS = 1000
MAX_TICKS = 600
BEIJING_MS = 8 * 3_600_000
DAY_MS = 86_400_000

UP, DOWN = 1, 2
ETHERNET, RADIO = 6, 71  # IANAifType: ethernetCsmacd, ieee80211


@dataclass(slots=True, kw_only=True)
class Port:
    """An interface with its counters (IF-MIB). `load` is the share of the speed that it carries on a quiet day."""

    index: int
    name: str
    alias: str = ""
    mac: bytes = bytes(6)
    kind: int = ETHERNET
    speed: int = 1000
    """Megabits per second."""
    admin: int = UP
    oper: int = UP
    load: float = 0.01
    phase: float = 0.0
    burst: float = 0.0
    burst_ends: int = 0
    error_rate: float = 0.0
    """Frames per second that arrive broken."""
    changed: int = 0
    """Unix milliseconds of the last change of state; 0 where it was before the device started."""
    in_octets: int = 0
    out_octets: int = 0
    in_packets: int = 0
    out_packets: int = 0
    in_multicast: int = 0
    out_multicast: int = 0
    in_broadcast: int = 0
    out_broadcast: int = 0
    in_errors: int = 0
    out_errors: int = 0
    in_discards: int = 0
    out_discards: int = 0

    def set(self, oper: int, now: int) -> None:
        if oper != self.oper:
            self.oper, self.changed = oper, now

    def clear(self) -> None:
        """What a restart of the device does to its counters."""
        self.changed = 0
        self.in_octets = self.out_octets = self.in_packets = self.out_packets = 0
        self.in_multicast = self.out_multicast = self.in_broadcast = self.out_broadcast = 0
        self.in_errors = self.out_errors = self.in_discards = self.out_discards = 0


@dataclass(slots=True, kw_only=True)
class Device:
    """A device of the school. `booted` is Unix milliseconds; `uplinks` are the ports of other devices that it hangs on."""

    name: str
    title: str
    title_zh: str
    description: str
    object_id: tuple[int, ...]
    services: int
    location: str
    ports: Sequence[Port]
    booted: int
    address: str = ""
    """Its IPv4 address, on loopback."""
    alive: bool = True
    max_size: int = 1472
    uplinks: list[Port] = field(default_factory=list[Port])

    def port(self, name: str) -> Port:
        """The port of that ifName; KeyError where there is none."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(f"{self.name} has no port {name}")


@dataclass(slots=True)
class ServerRoom:
    """The air of the server room, °C and %; drawn towards `target` as an air conditioner (or its failure) does."""

    temperature: float = 23.5
    humidity: float = 45.0
    target: float = 23.5

    def step(self, seconds: float, random: Random) -> None:
        pull = 1 - math.exp(-seconds / 5)
        self.temperature += (self.target - self.temperature) * pull + random.gauss(0, 0.05)
        drier = 45.0 - 0.9 * (self.temperature - 23.5)
        self.humidity += (drier - self.humidity) * pull + random.gauss(0, 0.1)


class School:
    """All devices and the room they stand in, at the moment `now` (Unix milliseconds)."""

    def __init__(self, devices: Sequence[Device], seed: int, start: int) -> None:
        self.devices = {device.name: device for device in devices}
        self.room = ServerRoom()
        self.now = start
        self._random = Random(f"{seed} traffic")

    def uptime(self, device: Device) -> int:
        """sysUpTime: hundredths of a second since the device started."""
        return max(0, self.now - device.booted) // 10

    def since_boot(self, device: Device, moment: int) -> int:
        """A moment as that device's sysUpTime was then; 0 for what was before it started."""
        return max(0, moment - device.booted) // 10

    def advance(self, now: int) -> None:
        """Bring the school up to `now` in steps of a second; after a long sleep of the machine in longer ones."""
        ticks = (now - self.now) // TICK_MS
        if ticks <= 0:
            return
        step = TICK_MS * -(-ticks // MAX_TICKS)
        while self.now + step <= now:
            self.now += step
            self._tick(step / 1000)

    def _tick(self, seconds: float) -> None:
        self.room.step(seconds, self._random)
        day = diurnal(self.now)
        for device in self.devices.values():
            if device.alive:
                for port in device.ports:
                    if port.oper == UP:
                        self._flow(port, seconds, day)

    def _flow(self, port: Port, seconds: float, day: float) -> None:
        """One step of a port's traffic: the day's curve, a slow swing, bursts, and frames that arrive broken."""
        random = self._random
        if self.now >= port.burst_ends:
            burst = random.random() < seconds / 45
            port.burst = random.uniform(2, 12) * port.load if burst else 0.0
            port.burst_ends = self.now + random.randrange(3_000, 15_000) if burst else self.now
        swing = 1 + 0.5 * math.sin(self.now / 20_000 + port.phase)
        share = min(0.97, (port.load * day * swing + port.burst) * random.uniform(0.85, 1.15))
        octets = port.speed * 125_000 * share * seconds
        downward, upward = octets, octets * (0.18 + 0.1 * math.sin(port.phase))
        port.in_octets += int(upward)
        port.out_octets += int(downward)
        port.in_packets += int(upward / 240) + 1
        port.out_packets += int(downward / 980) + 1
        port.in_multicast += random.randrange(3)
        port.out_multicast += random.randrange(6)
        port.in_broadcast += random.randrange(2)
        port.out_broadcast += random.randrange(5)
        if port.error_rate:
            port.in_errors += int(port.error_rate * seconds * random.uniform(0.8, 1.2))

    def cut(self, device: Device) -> None:
        """Take the device's power away: it answers nothing, and the ports it hangs on go down."""
        device.alive = False
        for port in device.uplinks:
            port.set(DOWN, self.now)

    def start(self, device: Device) -> None:
        """Give the power back: the device starts afresh, with sysUpTime and counters at zero."""
        device.alive, device.booted = True, self.now
        for port in device.ports:
            port.clear()
        for port in device.uplinks:
            port.set(UP, self.now)


def diurnal(now: int) -> float:
    """How busy a school is at a moment: 0.35 at night, 1 in the middle of lessons (Beijing time)."""
    hour = (now + BEIJING_MS) % DAY_MS / 3_600_000
    return 0.35 + 0.65 * math.exp(-(((hour - 11.5) / 4.5) ** 4))
