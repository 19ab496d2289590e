"""Recording all that a device has, as a walk that `fenghuo survey` and the profiles' tests read again."""

from __future__ import annotations

from typing import TextIO

from fenghuo_agent.profiles.rows import text_of
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, END_OF_MIB_VIEW, Malformed, Oid, Varbind
from fenghuo_agent.snmp.errors import ErrorStatus, Faulty, Unanswered
from fenghuo_agent.snmp.message import GET_BULK, GET_NEXT, NO_ERROR, NO_SUCH_NAME, TOO_BIG, Pdu
from fenghuo_agent.snmp.session import Session

REPETITIONS = 25
MOST_INSTANCES = 2_000_000
START: Oid = (1, 0)
"""Before everything: LLDP's tree is below 1.0, IEEE's below 1.2 and 1.3.111."""


async def record(session: Session, out: TextIO) -> int:
    """Write every instance of a device, a line each; gives their number.

    Raises `SnmpError` where the device stops answering or its instances do not increase; what came before is written.
    """
    cursor, count, repetitions = START, 0, REPETITIONS
    while count < MOST_INSTANCES:
        try:
            pdu = await _after(session, cursor, repetitions)
        except Unanswered:
            if repetitions == 1:
                raise
            pdu = None
        if pdu is None or pdu.status == TOO_BIG:
            if repetitions == 1:
                raise Faulty(f"{session.target.instance} finds one object too big, after {_dotted(cursor)}")
            repetitions = max(1, repetitions // 4)
            continue
        if pdu.status == NO_SUCH_NAME:
            break
        if pdu.status != NO_ERROR:
            raise ErrorStatus(pdu.status, pdu.culprit)
        for varbind in _varbinds(session, pdu):
            if varbind.tag == END_OF_MIB_VIEW:
                return count
            name = ber.arcs(varbind.name)
            if name <= cursor:
                raise Faulty(f"{session.target.instance}: its instances do not increase after {_dotted(cursor)}")
            cursor = name
            count += 1
            out.write(line_of(name, varbind) + "\n")
    return count


async def _after(session: Session, cursor: Oid, repetitions: int) -> Pdu:
    body = ber.tlv(ber.SEQUENCE, ber.oid(cursor) + b"\x05\x00")
    if session.envelope.bulk:
        return await session.ask(GET_BULK, body, 0, repetitions)
    return await session.ask(GET_NEXT, body)


def _varbinds(session: Session, pdu: Pdu) -> list[Varbind]:
    try:
        found = ber.varbinds(pdu.varbinds)
    except Malformed as reason:
        raise Faulty(f"{session.target.instance} answers with {reason}") from None
    if not found:
        raise Faulty(f"{session.target.instance} answers with nothing")
    return found


def line_of(name: Oid, varbind: Varbind) -> str:
    """An instance as a line of a walk: texts that could be misread are in hexadecimal."""
    tag, value = varbind.tag, varbind.value
    if tag in ABSENT:
        return f"{_dotted(name)}|5|"
    if tag in (ber.OCTETS, ber.OPAQUE):
        plain = tag == ber.OCTETS and value.isascii() and value.decode("latin-1").isprintable()
        return f"{_dotted(name)}|{tag}|{value.decode()}" if plain else f"{_dotted(name)}|{tag}x|{value.hex()}"
    return f"{_dotted(name)}|{tag}|{text_of(varbind)}"


def _dotted(name: Oid) -> str:
    return ".".join(map(str, name))
