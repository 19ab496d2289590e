"""Walking columns: GETBULK, or GETNEXT in v1, several columns in one request, with an end to every way of never ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import END_OF_MIB_VIEW, Malformed, Oid, Varbind
from fenghuo_agent.snmp.errors import ErrorStatus, Faulty, Unanswered
from fenghuo_agent.snmp.message import GET_BULK, GET_NEXT, NO_ERROR, NO_SUCH_NAME, TOO_BIG, Pdu
from fenghuo_agent.snmp.objects import Object
from fenghuo_agent.snmp.session import Session

VARBIND_SIZE = 32

Take = Callable[[Object, Oid, Varbind], None]
"""What is done with a row of a column as it is read: its column, its index, and the value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most repetitions of one GETBULK, most rows of one column, and the answer's size to aim for in octets."""

    repetitions: int
    rows: int
    reply: int


@dataclass(slots=True)
class _Column:
    """How far a column has been walked."""

    object: Object
    cursor: Oid
    found: dict[Oid, Varbind] = field(default_factory=dict[Oid, Varbind])
    rows: int = 0
    done: bool = False


@dataclass(slots=True)
class Walked:
    """What a walk found, by column and index, and what was wrong with the device's tables."""

    columns: dict[Object, dict[Oid, Varbind]] = field(default_factory=dict[Object, dict[Oid, Varbind]])
    faults: list[str] = field(default_factory=list[str])


class Walker:
    """Walks columns of one device; a device's faults end a column, not the walk.

    What the device finds too much is remembered by the session's manners, for later walks too.
    """

    def __init__(self, session: Session, limits: Limits, absent: frozenset[Oid] = frozenset()) -> None:
        """`absent` are tables (their entries' numbers) that the device is known to lack: their columns cost no question."""
        self._absent = absent
        self._session = session
        self._limits = limits
        self._manners = session.manners
        self._asked = 0
        self._faults: list[str] = []
        self._to: Take | None = None

    async def walk(self, objects: Sequence[Object], take: Take | None = None) -> Walked:
        """All rows of the columns. Raises `SnmpError` where the device does not answer.

        With `take` each row is given to it as it is read and not kept: tables of tens of thousands of rows need no memory then.
        """
        self._to = take
        columns = [_Column(item, item.oid, done=item.oid[:-1] in self._absent) for item in objects]
        stride = self._manners.stride
        while True:
            open_columns = [column for column in columns if not column.done][: self._manners.width]
            if not open_columns:
                break
            try:
                await self._step(open_columns)
            except Unanswered:
                self._manners.restore(stride)
                raise
        faults, self._faults = self._faults, []
        return Walked({column.object: column.found for column in columns}, faults)

    async def _step(self, columns: list[_Column]) -> None:
        names = b"".join(ber.tlv(ber.SEQUENCE, ber.oid(column.cursor) + b"\x05\x00") for column in columns)
        try:
            pdu = await self._ask(names, len(columns))
        except Unanswered:
            if not self._shrink():
                raise
            return
        if pdu.status == TOO_BIG and self._shrink():
            return
        if pdu.status == NO_SUCH_NAME and 0 < pdu.culprit <= len(columns):
            columns[pdu.culprit - 1].done = True
            return
        if pdu.status != NO_ERROR:
            self._refused(columns, ErrorStatus(pdu.status, pdu.culprit))
            return
        self._take(columns, pdu)

    async def _ask(self, names: bytes, width: int) -> Pdu:
        if not self._session.envelope.bulk:
            self._asked = 0
            return await self._session.ask(GET_NEXT, names)
        fitting = max(1, self._limits.reply // (VARBIND_SIZE * width))
        self._asked = min(self._limits.repetitions, self._manners.repetitions, fitting)
        return await self._session.ask(GET_BULK, names, 0, self._asked)

    def _shrink(self) -> bool:
        """Ask for less from now on; False where that is not possible."""
        return self._manners.shrink(self._asked)

    def _fit(self, size: int) -> None:
        """After a good answer of `size` octets: ask for less where it is longer than it should be, as names may be."""
        if size > self._limits.reply and self._asked > 1:
            self._manners.shrink(max(2, 2 * self._asked * self._limits.reply // size))
        else:
            self._manners.answered()

    def _refused(self, columns: list[_Column], error: ErrorStatus) -> None:
        culprits = columns[error.index - 1 : error.index] if error.index > 0 else columns
        for column in culprits or columns:
            self._end(column, str(error))

    def _end(self, column: _Column, why: str) -> None:
        column.done = True
        self._faults.append(f"{column.object.name}: {why}")

    def _take(self, columns: list[_Column], pdu: Pdu) -> None:
        try:
            found = ber.varbinds(pdu.varbinds)
            names = [ber.arcs(varbind.name) for varbind in found]
        except Malformed as reason:
            raise Faulty(f"{self._session.target.instance}: a walk is answered by {reason}") from None
        self._session.returned += len(found)
        if len(found) >= len(columns):
            self._fit(len(pdu.varbinds))
        elif not self._shrink():
            for column in columns[len(found) :]:
                self._end(column, "the device leaves it out of its answer")
        for place, (name, varbind) in enumerate(zip(names, found, strict=True)):
            column = columns[place % len(columns)]
            if not column.done:
                self._advance(column, name, varbind)

    def _advance(self, column: _Column, name: Oid, varbind: Varbind) -> None:
        prefix = column.object.oid
        if varbind.tag == END_OF_MIB_VIEW or name[: len(prefix)] != prefix:
            column.done = True
        elif name <= column.cursor:
            self._end(column, f"its rows do not increase after {'.'.join(map(str, column.cursor[len(prefix) :]))}")
        elif column.rows >= self._limits.rows:
            self._end(column, f"more than {self._limits.rows} rows")
        else:
            column.cursor = name
            column.rows += 1
            if self._to is not None:
                self._to(column.object, name[len(prefix) :], varbind)
                return
            # Its index says which one it is; many walks at once are what an agent's memory is largest for.
            column.found[name[len(prefix) :]] = Varbind(b"", varbind.tag, varbind.value)
