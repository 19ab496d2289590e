"""Which parts of its MIBs a device has, asked by GETNEXT, many in one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid
from fenghuo_agent.snmp.errors import Faulty, Unanswered
from fenghuo_agent.snmp.message import GET_NEXT, NO_ERROR, TOO_BIG
from fenghuo_agent.snmp.session import Session

AT_ONCE = 24
"""Most objects of one question about what there is."""


async def present(session: Session, subtrees: Iterable[Oid]) -> frozenset[Oid]:
    """Which subtrees have an instance, asked by GETNEXT, many in one request."""
    found: set[Oid] = set()
    left = sorted(subtrees)
    width = AT_ONCE
    while left:
        asked = left[:width]
        try:
            answers, refused = await _next(session, asked)
        except (Unanswered, _TooBig):
            if width == 1:
                raise Faulty(f"{session.target.instance} does not answer a question for one object") from None
            width = max(1, width // 4)
            continue
        found |= {oid for oid in asked if (name := answers.get(oid)) and name[: len(oid)] == oid}
        left = [oid for oid in left if oid not in answers and oid not in refused]
    return frozenset(found)


class _TooBig(Exception):  # noqa: N818 — the name says what the answer was; never leaves this module
    """The device says tooBig."""


async def _next(session: Session, subtrees: Sequence[Oid]) -> tuple[Mapping[Oid, Oid], frozenset[Oid]]:
    """The instance after each, by subtree, and those which the device refuses to answer for."""
    body = b"".join(ber.tlv(ber.SEQUENCE, ber.oid(oid) + b"\x05\x00") for oid in subtrees)
    pdu = await session.ask(GET_NEXT, body)
    if pdu.status == TOO_BIG:
        raise _TooBig
    if pdu.status != NO_ERROR:
        culprits = subtrees[pdu.culprit - 1 : pdu.culprit] if pdu.culprit > 0 else subtrees
        return {}, frozenset(culprits or subtrees)
    try:
        names = [ber.arcs(varbind.name) if varbind.tag not in ABSENT else () for varbind in ber.varbinds(pdu.varbinds)]
    except Malformed as reason:
        raise Faulty(f"{session.target.instance} answers with {reason}") from None
    if not names:
        raise _TooBig
    return dict(zip(subtrees, names, strict=False)), frozenset()
