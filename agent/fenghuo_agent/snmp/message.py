"""SNMP messages: requests and answers (RFC 3416), in the community envelope of v1 and v2c (RFC 1157, RFC 1901)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Malformed

GET = 0xA0
GET_NEXT = 0xA1
RESPONSE = 0xA2
TRAP_1 = 0xA4
GET_BULK = 0xA5
INFORM = 0xA6
TRAP_2 = 0xA7
REPORT = 0xA8

NO_ERROR = 0
TOO_BIG = 1
NO_SUCH_NAME = 2
AUTHORIZATION_ERROR = 16
ERROR_NAMES = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip


class Pdu(NamedTuple):
    """A protocol data unit of an answer; `culprit` is its error-index (from 1), `varbinds` the content of its variable-bindings list."""

    kind: int
    request_id: int
    status: int
    culprit: int
    varbinds: bytes


class Foreign(Malformed):
    """A valid message that is no answer to what was asked: of another request, community, engine or user."""


class Envelope(Protocol):
    """How requests are wrapped and answers unwrapped: by community or by user."""

    @property
    def bulk(self) -> bool:
        """Whether the version knows GETBULK and exceptions in place of values (all but v1)."""
        ...

    def wrap(self, pdu: bytes, request_id: int) -> bytes:
        """The datagram to send."""
        ...

    def unwrap(self, datagram: bytes, request_id: int) -> Pdu:
        """The answer in a datagram. Raises `Malformed`, or `Foreign` for what answers another question."""
        ...


def request(kind: int, request_id: int, varbinds: bytes, first: int = 0, second: int = 0) -> bytes:
    """A request; `first` and `second` are 0, or non-repeaters and max-repetitions of a GETBULK."""
    plain = first == second == 0
    fields = b"\x02\x01\x00\x02\x01\x00" if plain else ber.integer(first) + ber.integer(second)
    return ber.tlv(kind, ber.integer(request_id) + fields + ber.tlv(ber.SEQUENCE, varbinds))


ANSWERS = frozenset((RESPONSE, REPORT))


def pdu_at(data: bytes, at: int, end: int, kinds: frozenset[int] = ANSWERS) -> Pdu:
    """The protocol data unit, of one of `kinds`, that fills `data[at:end]`."""
    kind, start, stop = ber.header(data, at, end)
    if kind not in kinds:
        raise Malformed(f"a message of kind {kind:#04x}, which does not belong here")
    request_id, at = ber.read_integer(data, start, stop)
    status, at = ber.read_integer(data, at, stop)
    index, at = ber.read_integer(data, at, stop)
    first, last = ber.inside(data, at, stop, ber.SEQUENCE)
    if last != stop or stop != end:
        raise Malformed("octets after the end of the message")
    return Pdu(kind, request_id, status, index, data[first:last])


class Community:
    """Version 1 or 2c."""

    __slots__ = ("_head", "bulk")

    def __init__(self, community: str, *, version: int) -> None:
        self.bulk = version > 1
        self._head = ber.integer(version - 1) + ber.tlv(ber.OCTETS, community.encode())

    def wrap(self, pdu: bytes, request_id: int) -> bytes:  # noqa: ARG002 — the id stands within the PDU; v3 needs it
        """The datagram to send."""
        return ber.tlv(ber.SEQUENCE, self._head + pdu)

    def unwrap(self, datagram: bytes, request_id: int) -> Pdu:
        """The answer in a datagram. Raises `Malformed`, or `Foreign` for what answers another question."""
        size = len(datagram)
        start, stop = ber.inside(datagram, 0, size, ber.SEQUENCE)
        if stop != size:
            raise Malformed("octets after the end of the message")
        at = start + len(self._head)
        if datagram[start:at] != self._head:
            raise self._why(datagram, start, stop)
        pdu = pdu_at(datagram, at, stop)
        if pdu.request_id != request_id or pdu.kind != RESPONSE:
            raise Foreign("the answer to another question")
        return pdu

    @staticmethod
    def _why(datagram: bytes, start: int, stop: int) -> Malformed:
        _, at = ber.read_integer(datagram, start, stop)
        ber.read_octets(datagram, at, stop)
        return Foreign("another version or community")
