"""What is read beside scalars and interfaces: instances of any type, by GETs of what is due, into tables of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from fenghuo.model import Layout, Table, Value
from fenghuo_agent.inputs.snmp.plan import Fit
from fenghuo_agent.inputs.snmp.reach import knock
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid, Varbind
from fenghuo_agent.snmp.errors import ErrorStatus, Faulty, Unanswered
from fenghuo_agent.snmp.message import GET, NO_ERROR, TOO_BIG
from fenghuo_agent.snmp.session import Session

FRESH = 240.0
"""Most seconds between two readings of a value: Prometheus takes a series without a sample of 5 minutes for ended."""
SLACK = 0.1
"""Share of an interval by which a poll may come early and still be the one that reads."""
MAX_DROPPED = 8


class Extra(Protocol):
    """One row: the instances that it needs, and what their values mean."""

    @property
    def oids(self) -> tuple[Oid, ...]: ...

    def decode(self, found: Sequence[Varbind | None]) -> Sequence[Value]:
        """A value for each field of its block, from the values of `oids`; None stands for what the device does not have."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one table that are read together, each `interval` seconds, or at each poll where that is None.

    Rows that come and go have a `walk` in place of extras: it answers the values of each row, and whether there are
    others now.
    """

    name: str
    fields: tuple[str, ...]
    row_labels: Mapping[str, Sequence[str]]
    extras: tuple[Extra, ...]
    interval: float | None = None
    counters: Mapping[str, int] = field(default_factory=dict[str, int])
    walk: Callable[[Session], Awaitable[tuple[list[Sequence[Value]], bool]]] | None = None

    def layout(self, labels: Mapping[str, str]) -> Layout:
        """The layout of its tables."""
        return Layout(self.name, labels, self.row_labels, self.fields, self.counters)


class Answers:
    """Reads instances of one device, as many in a request as it takes, and remembers how many that is."""

    __slots__ = ("_fit",)

    def __init__(self, most: int, reply: int) -> None:
        self._fit = Fit(most, reply)

    async def get(self, session: Session, names: Sequence[bytes]) -> dict[bytes, Varbind]:
        """The variable bindings that the device has, by encoded name (without tag and length).

        Raises `SnmpError` where it does not answer or answers by an error that names no object.
        """
        found: dict[bytes, Varbind] = {}
        at = largest = 0
        while at < len(names):
            chunk = names[at : at + self._fit.size]
            try:
                size = await self._chunk(session, chunk, found)
            except (_TooMuch, Unanswered) as error:
                if isinstance(error, Unanswered):
                    await knock(session)  # a device that answers nothing at all has not found this too much
                if not self._fit.shrink():
                    raise Faulty(f"{session.target.instance} finds a request for one object too big") from None
                continue
            largest = max(largest, size) if len(chunk) == self._fit.size else largest
            at += len(chunk)
        if largest:
            self._fit.answered(largest)
        return found

    async def _chunk(self, session: Session, names: Sequence[bytes], found: dict[bytes, Varbind]) -> int:
        left = list(names)
        for _ in range(MAX_DROPPED):
            if not left:
                return 0
            body = b"".join(ber.tlv(ber.SEQUENCE, ber.tlv(ber.OID, name) + b"\x05\x00") for name in left)
            pdu = await session.ask(GET, body)
            if pdu.status == NO_ERROR:
                return _take(session, pdu.varbinds, left, found)
            if pdu.status == TOO_BIG:
                raise _TooMuch
            if not 0 < pdu.culprit <= len(left):
                raise ErrorStatus(pdu.status, pdu.culprit)
            del left[pdu.culprit - 1]
        # So many objects of one request are gone that asking for each alone costs less than it seems.
        if len(left) > 1:
            raise _TooMuch
        return 0


class _TooMuch(Exception):  # noqa: N818 — the name says what was asked; never leaves this module
    """tooBig, or an answer with fewer variable bindings than asked for."""


def _take(session: Session, body: bytes, asked: Sequence[bytes], found: dict[bytes, Varbind]) -> int:
    try:
        varbinds = ber.varbinds(body)
    except Malformed as reason:
        raise Faulty(f"{session.target.instance} answers with {reason}") from None
    session.returned += len(varbinds)
    there = {varbind.name: varbind for varbind in varbinds}
    if len(there) < len(asked):
        raise _TooMuch
    for name in asked:
        varbind = there.get(name)
        if varbind is not None and varbind.tag not in ABSENT:
            found[name] = varbind
    return len(body)


class Extras:
    """All blocks of a device, and when each is due. `outdated`: rows were met that no block has."""

    __slots__ = ("_answers", "_due", "_names", "blocks", "outdated")

    def __init__(self, blocks: Sequence[Block], answers: Answers) -> None:
        self.blocks = tuple(blocks)
        self.outdated = False
        self._answers = answers
        self._due = [0.0] * len(self.blocks)
        self._names = [[[ber.oid(oid)[2:] for oid in row.oids] for row in block.extras] for block in self.blocks]

    async def read(
        self, session: Session, layouts: Sequence[Layout], now: float, interval: float, time: int
    ) -> list[Table]:
        """Tables of what is due at `now` (seconds, of any clock), at polls `interval` seconds apart; `time` is theirs.

        Raises `SnmpError`.
        """
        due = [place for place, when in enumerate(self._due) if now >= when]
        wanted = dict.fromkeys(chain.from_iterable(chain.from_iterable(self._names[place] for place in due)))
        found = await self._answers.get(session, list(wanted)) if wanted else {}
        result: list[Table] = []
        for place in due:
            block = self.blocks[place]
            rows = await self._rows(session, block, self._names[place], found)
            apart = min(block.interval or 0.0, FRESH)
            self._due[place] = now + apart - SLACK * interval if apart > interval else 0.0
            result.append(Table(layouts[place], time, list(zip(*rows, strict=True))))
        return result

    async def _rows(
        self, session: Session, block: Block, names: Sequence[Sequence[bytes]], found: Mapping[bytes, Varbind]
    ) -> list[Sequence[Value]]:
        if block.walk is None:
            return [
                row.decode([found.get(name) for name in of_row])
                for row, of_row in zip(block.extras, names, strict=True)
            ]
        rows, others = await block.walk(session)
        self.outdated = self.outdated or others
        return rows
