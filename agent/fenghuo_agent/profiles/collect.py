"""Walking what profiles name: first which tables there are, by a few GETNEXTs, then the columns that are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fenghuo_agent.profiles.profile import Metric, Reading
from fenghuo_agent.profiles.rows import Column, Reference, Rows
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid
from fenghuo_agent.snmp.errors import Faulty, Unanswered
from fenghuo_agent.snmp.message import GET, NO_ERROR, TOO_BIG
from fenghuo_agent.snmp.objects import SCALAR, Object
from fenghuo_agent.snmp.presence import AT_ONCE, present
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walker


@dataclass(slots=True)
class Collected:
    """What was read, and what was wrong with the device's tables."""

    rows: Rows = field(default_factory=Rows)
    faults: list[str] = field(default_factory=list[str])


async def collect(
    session: Session, limits: Limits, readings: Iterable[Reading], metrics: Iterable[Metric] = ()
) -> Collected:
    """Everything that these readings and metrics look at. Raises `SnmpError` where the device does not answer."""
    result = Collected()
    wanted = [(reading.value, tuple(_columns(reading.references))) for reading in readings]
    for metric in metrics:
        related = tuple(_columns(each for template in metric.labels.values() for each in template.references))
        wanted += [(column, related) for column in metric.columns]
    there = await present(session, {_table(column) for column, _ in wanted})
    needed: dict[Column, None] = {}
    for column, related in wanted:
        if _table(column) in there:
            needed |= dict.fromkeys((column, *related))
    await read_columns(session, limits, needed, result)
    return result


async def read_columns(session: Session, limits: Limits, columns: Iterable[Column], into: Collected) -> None:
    """Read scalars by GET and columns by walks, those of one table side by side."""
    asked = [column for column in dict.fromkeys(columns) if column.oid not in into.rows.columns]
    scalars = [column for column in asked if column.scalar]
    for start in range(0, len(scalars), AT_ONCE):
        await _get(session, scalars[start : start + AT_ONCE], into)
    tables: dict[Oid, list[Column]] = {}
    for column in asked:
        if not column.scalar:
            tables.setdefault(column.oid[:-1], []).append(column)
    walker = Walker(session, limits)
    for group in tables.values():
        objects = {Object(column.name, column.oid, 0): column for column in sorted(group, key=lambda each: each.oid)}
        walked = await walker.walk(list(objects))
        into.faults += walked.faults
        for item, column in objects.items():
            into.rows.columns[column.oid] = {
                index: varbind for index, varbind in walked.columns.get(item, {}).items() if varbind.tag not in ABSENT
            }


async def _get(session: Session, columns: Sequence[Column], into: Collected) -> None:
    left = list(columns)
    for column in columns:
        into.rows.columns[column.oid] = {}
    while left:
        body = b"".join(ber.tlv(ber.SEQUENCE, ber.oid((*column.oid, *SCALAR)) + b"\x05\x00") for column in left)
        try:
            pdu = await session.ask(GET, body)
        except Unanswered:
            if len(left) == 1:
                raise
            half = len(left) // 2
            await _get(session, left[:half], into)
            left = left[half:]
            continue
        if pdu.status == NO_ERROR:
            _take(session, pdu.varbinds, left, into)
            return
        if pdu.status == TOO_BIG and len(left) > 1:
            half = len(left) // 2
            await _get(session, left[:half], into)
            left = left[half:]
        elif 0 < pdu.culprit <= len(left):
            del left[pdu.culprit - 1]
        else:
            del left[len(left) // 2 :]


def _take(session: Session, body: bytes, asked: Sequence[Column], into: Collected) -> None:
    try:
        found = {varbind.name: varbind for varbind in ber.varbinds(body) if varbind.tag not in ABSENT}
    except Malformed as reason:
        raise Faulty(f"{session.target.instance} answers with {reason}") from None
    for column in asked:
        varbind = found.get(ber.oid((*column.oid, *SCALAR))[2:])
        if varbind is not None:
            into.rows.columns[column.oid] = {SCALAR: varbind._replace(name=b"")}


def _table(column: Column) -> Oid:
    """What is asked after to know whether a device has an object: its table's entry, or the scalar itself."""
    return column.oid if column.scalar else column.oid[:-1]


def _columns(references: Iterable[Reference]) -> Iterator[Column]:
    for reference in references:
        yield reference.column
        if isinstance(reference.by, Column):
            yield reference.by
