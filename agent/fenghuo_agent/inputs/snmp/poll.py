"""Reading what is known to be there: GETs whose answers are taken by position, without an object per value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import cast

from fenghuo.model import Value
from fenghuo_agent.inputs.snmp.plan import Chunk, Guess, Plan, Unusual
from fenghuo_agent.inputs.snmp.tally import Tally
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, COUNTER32, GAUGE32, INTEGER, TIMETICKS, Malformed, Varbind
from fenghuo_agent.snmp.errors import ErrorStatus, Faulty
from fenghuo_agent.snmp.message import GET, NO_ERROR, TOO_BIG, Pdu
from fenghuo_agent.snmp.session import Session

MAX_DROPPED = 8
ALIKE = {
    GAUGE32: frozenset((GAUGE32, INTEGER)),
    INTEGER: frozenset((INTEGER, GAUGE32)),
    TIMETICKS: frozenset((TIMETICKS, GAUGE32, COUNTER32)),
}
"""Types that devices send in place of the right one without a change of meaning."""


class TooMuch(Exception):  # noqa: N818 — the name says what was asked; never leaves this package
    """The request or its answer was too big: tooBig, or an answer with fewer variable bindings than asked for."""


class Reading:
    """Reads plans from one device."""

    __slots__ = ("_guesses", "_plan", "_session", "_tally", "largest")

    def __init__(self, session: Session, tally: Tally) -> None:
        self._session = session
        self._tally = tally
        self._plan: Plan | None = None
        self._guesses: list[Guess] = []
        self.largest = 0

    async def read(
        self, plan: Plan, check: Callable[[Sequence[Value]], None], skipped: Collection[int] = ()
    ) -> list[Value]:
        """One value per place of the plan's shape, None for those of the requests, by number, that are `skipped`.

        `check` is called with the scalars as soon as they are read; what it raises ends the poll.
        Raises `TooMuch`, or `SnmpError` where the device does not answer or answers by an error.
        """
        values: list[Value] = []
        unchecked = len(plan.shape.scalars)
        left_out = 0
        self.largest = 0
        if plan is not self._plan:
            self._plan, self._guesses = plan, self._carried_over(plan)
        for number, (chunk, guess) in enumerate(zip(plan.chunks, self._guesses, strict=True)):
            if number in skipped:
                values += [None] * len(chunk.names)
                left_out += len(chunk.names)
                continue
            values += await self._chunk(chunk, guess)
            if unchecked and len(values) >= unchecked:
                check(values[:unchecked])
                unchecked = 0
        self._tally.values += len(values) - left_out
        self._tally.unread += left_out
        self._session.returned += len(values) - left_out
        if plan.places is None:
            return values
        result: list[Value] = [None] * plan.shape.size
        for place, value in zip(plan.places, values, strict=True):
            result[place] = value
        return result

    def _carried_over(self, plan: Plan) -> list[Guess]:
        """Guesses for a plan: those of the plan before, where it asks for the same in requests of another size."""
        if self._plan is None or self._plan.shape != plan.shape:
            return [Guess(len(chunk.names)) for chunk in plan.chunks]
        known = b"".join(self._guesses)
        return [Guess(known[first:last]) for first, last in pairwise(plan.starts)]

    async def _chunk(self, chunk: Chunk, guess: Guess) -> list[Value]:
        pdu = await self._session.ask(GET, chunk.body)
        if pdu.status != NO_ERROR:
            return await self._without_culprits(chunk, pdu)
        size = len(pdu.varbinds)
        self.largest = max(self.largest, size)
        return take(chunk, guess, pdu.varbinds, self._tally)

    async def _without_culprits(self, chunk: Chunk, pdu: Pdu) -> list[Value]:
        """Ask again without what the device names in its errors (a vanished row in v1, genErr); those are absent."""
        names = list(chunk.names)
        for _ in range(MAX_DROPPED):
            if pdu.status == TOO_BIG:
                raise TooMuch
            if pdu.status == NO_ERROR:
                return _carefully(chunk, pdu.varbinds, self._tally, frozenset(chunk.names) - frozenset(names))
            if not 0 < pdu.culprit <= len(names):
                raise ErrorStatus(pdu.status, pdu.culprit)
            del names[pdu.culprit - 1]
            if not names:
                self._tally.missing += len(chunk.names)
                return [None] * len(chunk.names)
            body = b"".join(ber.tlv(ber.SEQUENCE, name + b"\x05\x00") for name in names)
            pdu = await self._session.ask(GET, body)
        raise ErrorStatus(pdu.status, pdu.culprit)


def take(chunk: Chunk, guess: Guess, body: bytes, tally: Tally) -> list[Value]:
    """The values in an answer to `chunk`, None where one is absent or of a wrong type (and counted).

    Goes by `guess`, and mends it where lengths changed. Raises `TooMuch` where the answer is cut short, `Faulty` where
    it is no list of variable bindings.
    """
    values: list[int] = []
    append, from_bytes = values.append, int.from_bytes
    at = 0
    try:
        for heads, length in zip(chunk.heads, guess, strict=True):
            head, size = heads[length]
            start = at + len(head)
            if head and body[at:start] == head:
                at = start + size
            else:
                place = len(values)
                guess[place] = chunk.look(place, body, at)
                head, size = heads[guess[place]]
                start = at + len(head)
                at = start + size
            append(from_bytes(body[start:at]))
    except (IndexError, Unusual):
        return _carefully(chunk, body, tally)
    if at != len(body) or any(values[place] > 127 for place in chunk.integers):
        return _carefully(chunk, body, tally)
    return cast("list[Value]", values)


def _carefully(chunk: Chunk, body: bytes, tally: Tally, dropped: frozenset[bytes] = frozenset()) -> list[Value]:
    """As `take`, for answers with anything unusual in them: another order, exceptions, other types, long forms."""
    try:
        found = {ber.tlv(ber.OID, varbind.name): varbind for varbind in ber.varbinds(body)}
    except Malformed as reason:
        raise Faulty(f"an answer with {reason}") from None
    if len(found) < len(chunk.names) - len(dropped):
        raise TooMuch
    return [_value(found.get(name), tag, tally) for name, tag in zip(chunk.names, chunk.tags, strict=True)]


def _value(varbind: Varbind | None, tag: int, tally: Tally) -> Value:
    if varbind is None or varbind.tag in ABSENT:
        tally.missing += 1
        return None
    number = ber.number(varbind.tag, varbind.value)
    right = varbind.tag == tag or varbind.tag in ALIKE.get(tag, ())
    if number is None or not right or (number < 0 and tag != INTEGER):
        tally.wrong += 1
        return None
    return number
