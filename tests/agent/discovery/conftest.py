"""A network on a virtual clock: devices that answer, late or wrongly or not at all, and what was sent to whom when."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.demo.ber import BerError, Tag
from fenghuo.demo.mib import Instance, View
from fenghuo.demo.snmp_server import Agent
from fenghuo.demo.usm import User
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.knock import Knocker
from fenghuo_agent.discovery.outcome import Opened
from fenghuo_agent.discovery.pace import Pacer
from fenghuo_agent.discovery.questions import Plan
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential, Target, parse_address
from fenghuo_agent.snmp.message import RESPONSE

Answer = Callable[[bytes], bytes | list[bytes] | None]


@dataclass
class Network:
    """Answers come `delay` seconds after a question; `errors` gives what the network says of a target, after how long."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    devices: dict[Target, Answer] = field(default_factory=dict)
    delays: dict[Target, float] = field(default_factory=dict)
    errors: dict[Target, tuple[int, float]] = field(default_factory=dict)
    sources: dict[Target, Target] = field(default_factory=dict)
    sent: list[tuple[float, Target, bytes]] = field(default_factory=list)
    knocker: Knocker | None = None

    def __post_init__(self) -> None:
        self._due: list = []
        self._order = itertools.count()

    def at(self, address: str, answer: Answer, delay: float = 0.01) -> Target:
        """Put a device there."""
        target = parse_address(address)
        self.devices[target], self.delays[target] = answer, delay
        return target

    def send(self, target: Target, datagram: bytes) -> None:
        now = self.clock.monotonic()
        self.sent.append((now, target, datagram))
        if target in self.errors:
            number, delay = self.errors[target]
            self._push(now + delay, lambda: self.knocker.failed(target, number))
            return
        answer = self.devices.get(target)
        try:
            found = answer(datagram) if answer else None
        except BerError:
            found = None
        source = self.sources.get(target, target)
        for each in [found] if isinstance(found, bytes) else found or []:
            self._push(now + self.delays[target], lambda each=each: self.knocker.heard(each, source))

    def _push(self, due: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (due, next(self._order), what))

    async def sleep(self, seconds: float) -> None:
        """Let time go by, and what is under way arrive in it."""
        end = self.clock.monotonic() + math.ceil(seconds * 1000) / 1000
        while self._due and self._due[0][0] <= end:
            due, _, what = heapq.heappop(self._due)
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            what()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
        await asyncio.sleep(0)

    def to(self, target: Target) -> list[bytes]:
        """What was sent to a target."""
        return [datagram for _, each, datagram in self.sent if each == target]


@pytest.fixture
def network() -> Network:
    return Network()


def device(
    community: str = "right", user: tuple[str, str, bytes] | None = None, clock: VirtualClock | None = None
) -> Answer:
    """An agent that has a sysObjectID, for a community in v2c or a user (name, password, engine id) in v3."""
    view = View({(1, 3, 6, 1, 2, 1, 1, 2, 0): Instance(Tag.OBJECT_IDENTIFIER, (1, 3, 6, 1, 4, 1, 99999))})
    known = User(*user, lambda: int(clock.monotonic()) if clock else 0) if user else None
    return Agent(view, community, lambda: True, 1472, known).answer


def old_device(community: str = "right") -> Answer:
    """An agent that speaks v1 only."""

    def answer(datagram: bytes) -> bytes | None:
        start, stop = ber.inside(datagram, 0, len(datagram), ber.SEQUENCE)
        version, at = ber.read_integer(datagram, start, stop)
        name, at = ber.read_octets(datagram, at, stop) if version < 3 else (b"", 0)
        if version != 0 or name.decode() != community:
            return None
        _, at, stop = ber.header(datagram, at, stop)
        request_id, _ = ber.read_integer(datagram, at, stop)
        return response(0, community, request_id)

    return answer


def response(version: int, community: str, request_id: int) -> bytes:
    """An answer to GET sysObjectID.0."""
    value = ber.oid((1, 3, 6, 1, 4, 1, 99999))
    varbind = ber.tlv(ber.SEQUENCE, ber.oid((1, 3, 6, 1, 2, 1, 1, 2, 0)) + value)
    fields = ber.integer(request_id) + ber.integer(0) * 2
    pdu = ber.tlv(RESPONSE, fields + ber.tlv(ber.SEQUENCE, varbind))
    return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.tlv(ber.OCTETS, community.encode()) + pdu)


def community(name: str = "right", **fields) -> Credential:
    return Credential.model_validate({"community": name, **fields})


def user(name: str = "monitor", password: str = "correct horse", **fields) -> Credential:
    return Credential.model_validate({"user": name, "auth": {"sha256": password}, **fields})


@dataclass
class Knocking:
    """A knocker on a virtual network."""

    network: Network
    knocker: Knocker
    attempts: Attempts
    opened: list[Opened]

    async def at(self, *addresses: str) -> list[Opened]:
        """Knock at addresses; what opened, in that order."""
        targets: Iterator[tuple[Target, str]] = iter([(parse_address(each), "sweep") for each in addresses])
        await self.knocker.run(self.network, targets)
        return self.opened


@pytest.fixture
def knocking(network: Network) -> Callable[..., Knocking]:
    def make(
        credentials: Sequence[Credential],
        *,
        rate: int = 100,
        retries: int = 1,
        most: int = 2,
        attempts: Attempts | None = None,
        plans: Callable[[Target], Iterable[Credential]] | None = None,
    ) -> Knocking:
        opened: list[Opened] = []
        guard = attempts or Attempts(most, network.clock, b"salt")
        plan = Plan(credentials, retries)
        knocker = Knocker(
            (lambda target: Plan(tuple(plans(target)), retries)) if plans else (lambda _: plan),
            opened.append,
            timeout=2.0,
            pacer=Pacer(rate, network.clock, network.sleep),
            attempts=guard,
            clock=network.clock,
            random=random.Random(3),
            sleep=network.sleep,
        )
        network.knocker = knocker
        return Knocking(network, knocker, guard, opened)

    return make
