"""One scan: knock everywhere, look at what opens, ask whom it knows as neighbours; politely all the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.duplicates import merged
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.discovery.knock import Knocker
from fenghuo_agent.discovery.neighbours import Neighbour
from fenghuo_agent.discovery.outcome import Counts, Locked, Opened
from fenghuo_agent.discovery.pace import Pacer, Sleep
from fenghuo_agent.discovery.questions import Plan
from fenghuo_agent.discovery.recognise import PacedSession, Recognise, Recognised
from fenghuo_agent.discovery.subnets import Scope
from fenghuo_agent.discovery.wire import Failed, Heard, UdpWire
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.session import Timing
from fenghuo_agent.snmp.traffic import Traffic

log = logging.getLogger(__name__)

WORKERS = 4
"""Devices that are looked at at the same time."""
LOOK_SECONDS = 120.0
MOST_DEVICES = 16_384
MOST_OUTSIDE = 1024

Hint = tuple[Target, str]
WireOf = Callable[[Heard, Failed], UdpWire]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How politely: datagrams a second in all, seconds to wait for an answer, repetitions."""

    rate: int
    timeout: float
    retries: int


class Scan:
    """Scans once. What was found so far stands in `devices` at any time, also when the scan is cancelled.

    `looked` is called whenever it grew.
    """

    def __init__(
        self,
        scope: Scope,
        credentials_of: Callable[[Target], Sequence[Credential]],
        *,
        manners: Manners,
        attempts: Attempts,
        recognise: Recognise,
        clock: Clock,
        random: Random,
        sleep: Sleep = asyncio.sleep,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self.scope = scope
        self.outside: dict[str, str] = {}
        self.traffic = Traffic()
        self._manners = manners
        self._recognise = recognise
        self._looked = looked
        self._clock = clock
        self._random = random
        self._bindings = False
        self._found: list[Found] = []
        self._sweeping = False
        self._named: set[Target] = set()
        self._pacer = Pacer(manners.rate, clock, sleep)
        self._plans: dict[tuple[Credential, ...], Plan] = {}
        self._credentials_of = credentials_of
        self._opened: asyncio.Queue[Opened] = asyncio.Queue()
        self._knocker = Knocker(
            self._plan_of,
            self._opened.put_nowait,
            timeout=manners.timeout,
            pacer=self._pacer,
            attempts=attempts,
            clock=clock,
            random=random,
            sleep=sleep,
        )

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        self._knocker.counts.sessions = self.traffic.requests
        return self._knocker.counts

    @property
    def locked(self) -> list[Locked]:
        """Devices that let no credential in."""
        return self._knocker.locked

    @property
    def strays(self) -> dict[Target, Target]:
        """Addresses that were asked → the address that answered instead."""
        return self._knocker.strays

    def devices(self, prefer: Callable[[Target], bool] = lambda _: False) -> list[Found]:
        """What was found, each device once."""
        return merged(self._found, prefer)

    async def run(self, *, sweep: bool = True, hints: Iterable[Hint] = (), wire_of: WireOf = UdpWire) -> None:
        """Ask at `hints` (as far as the scope admits), then everywhere in the scope where `sweep` says so."""
        self._sweeping = sweep
        self._bindings = not sweep or any(not span.swept for span in self.scope.spans)
        wire = wire_of(self._knocker.heard, self._knocker.failed)
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        try:
            targets = self._targets(hints)
            while True:
                await self._knocker.run(wire, targets)
                await self._settled(workers)
                if self._knocker.idle:
                    break
        finally:
            wire.close()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _settled(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Wait until all that opened was looked at. Raises what a worker raised."""
        joined = asyncio.create_task(self._opened.join())
        try:
            done, _ = await asyncio.wait({joined, *workers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            joined.cancel()
        for task in done - {joined}:
            task.result()

    def _targets(self, hints: Iterable[Hint]) -> Iterator[Hint]:
        for target, how in hints:
            if self.scope.admits(target.host):
                self._named.add(target)
                yield target, how
        if self._sweeping:
            for target in self.scope.sweep(self._random):
                if target not in self._named:
                    yield target, "sweep"

    def _plan_of(self, target: Target) -> Plan:
        credentials = tuple(self._credentials_of(target))
        plan = self._plans.get(credentials)
        if plan is None:
            plan = self._plans[credentials] = Plan(credentials, self._manners.retries)
        return plan

    async def _work(self) -> None:
        while True:
            opened = await self._opened.get()
            try:
                await self._look(opened)
            finally:
                self._opened.task_done()

    async def _look(self, opened: Opened) -> None:
        timing = Timing(self._manners.timeout, 0)
        session = PacedSession(opened.target, opened.envelope, timing, self._random, self.traffic)
        session.paced(self._pacer, self._manners.retries + 2)
        recognised = Recognised()
        try:
            with session.open(LOOK_SECONDS):
                recognised = await self._recognise(session, bindings=self._bindings)
        except SnmpError:
            pass  # it let us in, so it is there, whatever became of it since
        except Exception as error:  # one device's surprise must not end the scan
            log.error("%s: unexpected %r", opened.target.instance, error)  # noqa: TRY400 — the traceback is for debugging
            log.debug("where it came from", exc_info=True)
        if len(self._found) < MOST_DEVICES:
            self._found.append(_found(opened, recognised, self._clock.now()))
        for address, how in recognised.hints:
            self._hint(address, how)
        self._looked()

    def _hint(self, host: str, how: str) -> None:
        """Ask a neighbour's neighbour, where it may be asked and will not be anyway."""
        span = self.scope.admits(host)
        if span is None:
            if how != "arp" and len(self.outside) < MOST_OUTSIDE:
                self.outside.setdefault(host, how)
            return
        if self._sweeping and span.swept:
            return
        for target in self.scope.targets_at(host):
            if target not in self._named:
                self._named.add(target)
                self._knocker.add(target, how)


def _found(opened: Opened, recognised: Recognised, now: int) -> Found:
    found = Found(
        target=opened.target,
        credential=opened.label,
        version=opened.credential.protocol,
        how=opened.how,
        engine=opened.engine.hex() or recognised.engine,
        mac=recognised.mac,
        own=recognised.own,
        first_seen=now,
        last_seen=now,
    )
    identity = recognised.identity
    if identity is not None:
        for name in ("name", "vendor", "model", "os", "serial", "type", "location", "contact", "description"):
            setattr(found, name, getattr(identity, name))
        found.os_version, found.object_id, found.profile = identity.version, identity.object_id, identity.profile
    return found


def neighbour_hints(scope: Scope, neighbours: Iterable[Neighbour]) -> list[Hint]:
    """Where neighbour tables say that somebody is, as far as the scope admits."""
    return [(target, "neighbour") for neighbour in neighbours for target in scope.targets_at(neighbour.address)]
