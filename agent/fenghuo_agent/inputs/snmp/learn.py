"""Learning what a device has: one walk for rows, names and columns, so that polls need only GETs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.extras import Block
from fenghuo_agent.inputs.snmp.plan import Shape
from fenghuo_agent.inputs.snmp.profiled import profiled
from fenghuo_agent.profiles import Identity, Library
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid, Varbind
from fenghuo_agent.snmp.errors import Faulty, SnmpError
from fenghuo_agent.snmp.message import GET, GET_BULK, GET_NEXT, NO_ERROR
from fenghuo_agent.snmp.objects import SCALAR, Object
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits, Walked, Walker

PHYSICAL_LOOKED_AT = 10


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a device has. `facts` are its describing texts; `rows` are the interfaces' labels by column of labels."""

    facts: dict[str, str]
    scalars: dict[str, int]
    shape: Shape
    row_labels: dict[str, list[str]]
    identity: Identity
    blocks: tuple[Block, ...] = ()
    faults: tuple[str, ...] = field(default=())
    partial: bool = False
    """Whether what the profiles name could not be read; `identity` and `blocks` are then those of before."""

    @property
    def sensors(self) -> int:
        """How many sensors there are."""
        return sum(len(block.extras) for block in self.blocks if block.name == "sensor")


async def learn(session: Session, limits: Limits, library: Library, before: Learnt | None = None) -> Learnt:
    """Read a device's facts and rows, and what its profiles name. Raises `SnmpError` where it does not answer.

    Ports are not lost for what goes wrong with a profile's tables: those are then as they were `before`.
    """
    facts = await get_present(session, [(item, SCALAR) for item in mibs.FACTS])
    walker = Walker(session, limits)
    ports = await walker.walk((*mibs.IF_LABELS, *mibs.IF_COLUMNS, mibs.IF_DISCONTINUITY))
    rows = _rows(ports)
    slow = [row for row in rows if (row,) not in ports.columns[mibs.IF_HIGH_CAPACITY[0]]]
    fallback = await walker.walk(mibs.IF_FALLBACK) if slow else Walked()
    columns, missing = _grid(rows, ports, fallback, frozenset(slow))
    texts = {item.name: _text(varbind) for (item, _), varbind in facts.items()}
    texts |= await _chassis(session)
    identity, blocks, faults, partial = await _profiled(session, limits, library, before)
    numbers = {
        item.name: value
        for item in mibs.WATCHED
        if (found := facts.get((item, SCALAR))) and (value := ber.number(found.tag, found.value)) is not None
    }
    shape = Shape(
        scalars=tuple(item for item in mibs.WATCHED if item.name in numbers),
        columns=columns,
        rows=tuple(rows),
        missing=missing,
    )
    return Learnt(
        facts={name: text for name, text in texts.items() if text},
        scalars=numbers,
        shape=shape,
        row_labels=_labels(rows, ports),
        identity=identity,
        blocks=tuple(blocks),
        faults=(*ports.faults, *fallback.faults, *faults),
        partial=partial,
    )


async def _profiled(
    session: Session, limits: Limits, library: Library, before: Learnt | None
) -> tuple[Identity, Sequence[Block], Sequence[str], bool]:
    try:
        return *await profiled(session, limits, library), False
    except Exception as error:  # noqa: BLE001 — profiles are data, a user's own among them: one must not cost the ports
        fault = f"what its profiles name was not read: {error if isinstance(error, SnmpError) else repr(error)}"
    return before.identity if before else Identity(), before.blocks if before else (), [fault], True


async def get_present(session: Session, wanted: Sequence[tuple[Object, Oid]]) -> dict[tuple[Object, Oid], Varbind]:
    """Those of a few objects that the device has; works where v1 refuses a whole request for one of them."""
    left = list(wanted)
    while left:
        body = b"".join(ber.tlv(ber.SEQUENCE, item.instance(index) + b"\x05\x00") for item, index in left)
        pdu = await session.ask(GET, body)
        if pdu.status == NO_ERROR:
            try:
                found = {varbind.name: varbind for varbind in ber.varbinds(pdu.varbinds) if varbind.tag not in ABSENT}
            except Malformed as reason:
                raise Faulty(f"{session.target.instance} answers with {reason}") from None
            names = {(item, index): item.instance(index)[2:] for item, index in left}
            return {key: found[name] for key, name in names.items() if name in found}
        if 0 < pdu.culprit <= len(left):
            del left[pdu.culprit - 1]
        else:
            left = left[: len(left) // 2]
    return {}


def _rows(ports: Walked) -> list[int]:
    indexes = set(ports.columns[mibs.IF_DESCR]) | set(ports.columns[mibs.IF_OPER_STATUS])
    return sorted(index[0] for index in indexes if len(index) == 1)


def _grid(
    rows: list[int], ports: Walked, fallback: Walked, slow: frozenset[int]
) -> tuple[tuple[Object, ...], frozenset[int]]:
    """Columns that any row has, and the places in the grid that are empty."""
    present: list[tuple[Object, frozenset[int]]] = []
    for item in (*mibs.IF_COLUMNS, *mibs.IF_FALLBACK, mibs.IF_DISCONTINUITY):
        found = ports.columns.get(item) or fallback.columns.get(item) or {}
        there = frozenset(index[0] for index, varbind in found.items() if len(index) == 1 and varbind.tag not in ABSENT)
        there &= slow if item in mibs.IF_FALLBACK else frozenset(rows)
        if there:
            present.append((item, there))
    missing = frozenset(
        line * len(present) + place
        for line, row in enumerate(rows)
        for place, (_, there) in enumerate(present)
        if row not in there
    )
    return tuple(item for item, _ in present), missing


def _labels(rows: list[int], ports: Walked) -> dict[str, list[str]]:
    labels = {"ifIndex": [sys.intern(str(row)) for row in rows]}
    for item in mibs.IF_LABELS:
        found = ports.columns[item]
        labels[item.name] = [sys.intern(_text(found.get((row,)))) for row in rows]
    return labels


async def _chassis(session: Session) -> dict[str, str]:
    """Model, serial number and versions of the first chassis (ENTITY-MIB), by two requests."""
    first = ber.tlv(ber.SEQUENCE, ber.oid(mibs.PHYSICAL_CLASS.oid) + b"\x05\x00")
    if session.envelope.bulk:
        pdu = await session.ask(GET_BULK, first, 0, PHYSICAL_LOOKED_AT)
    else:
        pdu = await session.ask(GET_NEXT, first)
    try:
        found = [(ber.arcs(varbind.name), varbind) for varbind in ber.varbinds(pdu.varbinds)]
    except Malformed:
        return {}
    size = len(mibs.PHYSICAL_CLASS.oid)
    classes = {
        name[size:]: ber.number(*varbind[1:]) for name, varbind in found if name[:size] == mibs.PHYSICAL_CLASS.oid
    }
    if pdu.status != NO_ERROR or not classes:
        return {}
    index = next((index for index, kind in classes.items() if kind == mibs.CHASSIS), next(iter(classes)))
    facts = await get_present(session, [(item, index) for item in mibs.PHYSICAL_FACTS])
    return {item.name: _text(varbind) for (item, _), varbind in facts.items()}


def _text(varbind: Varbind | None) -> str:
    if varbind is None:
        return ""
    if varbind.tag == ber.OCTETS:
        return ber.text(varbind.value)[: mibs.MAX_LABEL]
    if varbind.tag == ber.OID:
        try:
            return ".".join(map(str, ber.arcs(varbind.value)))
        except Malformed:
            return ""
    number = ber.number(varbind.tag, varbind.value)
    return "" if number is None else str(number)
