"""Who a found device is: its identity, what tells it apart from others, and whom it has as neighbours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fenghuo_agent.discovery.pace import Pacer
from fenghuo_agent.profiles.collect import Collected, read_columns
from fenghuo_agent.profiles.rows import Column, mac_of
from fenghuo_agent.snmp.errors import SnmpError, Unanswered
from fenghuo_agent.snmp.message import Pdu
from fenghuo_agent.snmp.objects import SCALAR
from fenghuo_agent.snmp.presence import present
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walker

if TYPE_CHECKING:
    from fenghuo_agent.profiles import Library
    from fenghuo_agent.profiles.identify import Identity
    from fenghuo_agent.topology.seen import Seen

ENGINE_ID = Column("snmpEngineID", (1, 3, 6, 1, 6, 3, 10, 2, 1, 1), scalar=True)
BRIDGE = Column("dot1dBaseBridgeAddress", (1, 3, 6, 1, 2, 1, 17, 1, 1), scalar=True)
CHASSIS = Column("lldpLocChassisId", (1, 0, 8802, 1, 1, 2, 1, 3, 2), scalar=True)
CHASSIS_KIND = Column("lldpLocChassisIdSubtype", (1, 0, 8802, 1, 1, 2, 1, 3, 1), scalar=True)
PORT_MAC = Column("ifPhysAddress", (1, 3, 6, 1, 2, 1, 2, 2, 1, 6))
FEW = Limits(repetitions=10, rows=10, reply=1400)
TABLES = Limits(repetitions=20, rows=1024, reply=1400)
MAC_OCTETS = 6

Identify = Callable[[Session], Awaitable["Identity"]]


class Recognise(Protocol):
    """How an open session's device is recognised."""

    async def __call__(self, session: Session, *, bindings: bool) -> Recognised: ...


@dataclass(slots=True)
class Recognised:
    """What was learnt. `hints` are addresses that it knows of others, each with how: lldp, cdp, arp."""

    identity: Identity | None = None
    engine: str = ""
    mac: str = ""
    own: list[str] = field(default_factory=list[str])
    hints: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class PacedSession(Session):
    """A session that keeps the pace of the scan: each datagram has its turn, repetitions too."""

    __slots__ = ("_pacer", "_tries")

    def paced(self, pacer: Pacer, tries: int) -> PacedSession:
        """Set the pace, and how often a question is asked; the session's own timing must repeat nothing."""
        self._pacer = pacer
        self._tries = tries
        return self

    async def ask(self, kind: int, varbinds: bytes, first: int = 0, second: int = 0) -> Pdu:
        """As `Session.ask`."""
        for attempt in range(self._tries):
            await self._pacer.turn()
            before = self.requests
            try:
                return await super().ask(kind, varbinds, first, second)
            except Unanswered:
                if attempt + 1 == self._tries:
                    raise
            finally:
                for _ in range(before + 1, self.requests):
                    await self._pacer.turn()  # v3 may have asked for the time once more
        raise AssertionError("unreachable: the last try returns or raises")


async def recognise(session: Session, identify: Identify, *, bindings: bool = False) -> Recognised:
    """What an open session tells; what fails is left out, for a device that answered has been found all the same.

    With `bindings` its tables of ARP and Neighbour Discovery are read too, which may be long.
    """
    result = Recognised()
    try:
        result.identity = await identify(session)
        await _marks(session, result)
        await _surroundings(session, result, bindings=bindings)
    except SnmpError:
        pass
    return result


async def _marks(session: Session, result: Recognised) -> None:
    """What tells the device apart: its engine id, and a MAC, for which the ports are asked only where nothing else has one."""
    collected = Collected()
    await read_columns(session, FEW, (ENGINE_ID, BRIDGE, CHASSIS, CHASSIS_KIND), collected)
    rows = collected.rows
    engine = rows.of(ENGINE_ID).get(SCALAR)
    if engine is not None and 5 <= len(engine.value) <= 32:
        result.engine = engine.value.hex()
    kind = rows.of(CHASSIS_KIND).get(SCALAR)
    chassis = rows.of(CHASSIS) if kind is not None and kind.value == b"\x04" else {}
    result.mac = _first_own((mac_of(rows.of(BRIDGE).get(SCALAR)), mac_of(chassis.get(SCALAR))))
    if not result.mac:
        await read_columns(session, FEW, (PORT_MAC,), collected)
        result.mac = _first_own(mac_of(varbind) for _, varbind in sorted(rows.of(PORT_MAC).items()))


def _first_own(macs: Iterable[str]) -> str:
    return next((mac for mac in macs if _is_own(mac)), "")


def _is_own(mac: str) -> bool:
    """Whether octets are a MAC that belongs to one device: neither nothing, nor a group's, nor shared between routers."""
    octets = bytes.fromhex(mac.replace(":", ""))
    shared = (b"\x00\x00\x5e\x00", b"\x00\x00\x0c\x07\xac", b"\x00\x00\x0c\x9f\xf0")
    return len(octets) == MAC_OCTETS and any(octets) and not octets[0] & 1 and not octets.startswith(shared)


async def _surroundings(session: Session, result: Recognised, *, bindings: bool) -> None:
    """Own addresses and neighbours; one question first tells which of the tables there are."""
    from fenghuo_agent.topology import addresses, mibs  # noqa: PLC0415 — what is not used takes no memory
    from fenghuo_agent.topology import neighbours as protocols  # noqa: PLC0415 — see above
    from fenghuo_agent.topology.seen import Seen as Told  # noqa: PLC0415 — see above

    heard = {mibs.LLDP_REMOTE[0].oid[:-1], mibs.LLDP2_REMOTE[0].oid[:-1], mibs.CDP_ADDRESS.oid[:-1]}
    there = await present(session, {mibs.AD_ENT.oid, mibs.ADDRESS.oid, *heard})
    seen = Told(session.target.instance)
    walker = Walker(session, TABLES)
    if there - heard:
        await addresses.own(walker, seen)
        result.own = sorted(seen.addresses)
    if there & heard:
        await protocols.read(walker, seen)
    if bindings:
        await addresses.bindings(walker, seen)
    result.hints = hints_of(seen)


def hints_of(seen: Seen) -> list[tuple[str, str]]:
    """Addresses of others that a device knows: of neighbours that told it, and of its tables of ARP and Neighbour Discovery."""
    told = ((address, each.protocol) for each in seen.neighbours for address in each.addresses)
    return list(dict.fromkeys([*told, *((address, "arp") for _, address in seen.bindings)]))


def recogniser(library: Callable[[], Library]) -> Recognise:
    """Recognises by the profiles of `library`, which is asked for when the first device is found."""
    from fenghuo_agent.profiles import identify  # noqa: PLC0415 — what finds nothing needs no profiles

    async def identity(session: Session) -> Identity:
        return await identify(session, library())

    async def of(session: Session, *, bindings: bool) -> Recognised:
        return await recognise(session, identity, bindings=bindings)

    return of


def shipped(folders: Sequence[Path] = ()) -> Callable[[], Library]:
    """The profiles that come with the program and those in `folders`, loaded once, when they are needed."""

    @cache
    def load() -> Library:
        from fenghuo_agent.profiles import Library  # noqa: PLC0415 — see above

        return Library.load(list(folders))

    return load
