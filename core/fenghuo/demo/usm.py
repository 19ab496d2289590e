"""SNMPv3 for a simulated agent: one user, authenticated by HMAC-SHA-256, without privacy (RFC 3412, 3414, 7860).

The demo has it to show that the real agent speaks version 3; privacy would need a cipher that Python does not bring.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fenghuo.demo.ber import BerError, Oid, Reader, Tag, integer, object_identifier, sequence, wrap
from fenghuo.demo.mib import View
from fenghuo.demo.snmp_server import VERSION_3, answer_pdu, read_pdu

USM = 3
AUTH, PRIV, REPORTABLE = 1, 2, 4
REPORT = 0xA8
DIGEST_BYTES = 24
TIME_WINDOW = 150
BOOTS = 1
MAX_HEAD = 160
_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
UNSUPPORTED_LEVEL, NOT_IN_TIME, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST = 1, 2, 3, 4, 5
"""The counters of usmStats (RFC 3414), by which a refusal is told."""


def localised_key(password: str, engine: bytes) -> bytes:
    """The user's key at this engine: SHA-256 over a mebibyte of the password, then with the engine's id (RFC 3414, A.2)."""
    word = password.encode()
    long = (word * (1_048_576 // len(word) + 1))[:1_048_576]
    key = hashlib.sha256(long).digest()
    return hashlib.sha256(key + engine + key).digest()


@dataclass(frozen=True, slots=True)
class _Message:
    """A request's envelope. `digest_at` is where its authentication parameters stand in the whole message."""

    number: int
    flags: int
    engine: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    digest_at: int
    scoped: Reader


def _read(data: bytes) -> _Message:
    _, message = Reader(data).enter(Tag.SEQUENCE)
    message.integer()
    _, header = message.enter(Tag.SEQUENCE)
    number = header.integer()
    header.integer()
    flags = header.expect(Tag.OCTET_STRING)
    if len(flags) != 1 or header.integer() != USM:
        raise BerError("no message of the user-based security model")
    _, security = message.open(Tag.OCTET_STRING).enter(Tag.SEQUENCE)
    engine, boots, time = security.expect(Tag.OCTET_STRING), security.integer(), security.integer()
    user, digest = security.expect(Tag.OCTET_STRING), security.expect(Tag.OCTET_STRING)
    at = security.position - len(digest)
    return _Message(number, flags[0], engine, boots, time, user, digest, at, message)


class User:
    """The one user that an agent knows, and the agent's side of the conversation. `seconds` tells the engine's time."""

    def __init__(self, name: str, password: str, engine: bytes, seconds: Callable[[], int]) -> None:
        self._name = name.encode()
        self._engine = engine
        self._key = localised_key(password, engine)
        self._seconds = seconds
        self._refused = dict.fromkeys(range(1, 7), 0)

    def answer(self, view: View, data: bytes, max_size: int) -> bytes | None:
        """The response to a version 3 message: the answer, a report of what is wrong with it, or None. BerError."""
        request = _read(data)
        wrong = self._wrong(request, data)
        if wrong is not None:
            if not request.flags & REPORTABLE:
                return None
            return self._message(request, self._report(wrong), authentic=wrong == NOT_IN_TIME)
        _, scoped = request.scoped.enter(Tag.SEQUENCE)
        context = scoped.expect(Tag.OCTET_STRING), scoped.expect(Tag.OCTET_STRING)
        pdu = answer_pdu(view, read_pdu(scoped), max_size - MAX_HEAD)
        if pdu is None:
            return None
        names = [wrap(Tag.OCTET_STRING, name) for name in context]
        return self._message(request, sequence((*names, pdu)), authentic=True)

    def _wrong(self, request: _Message, data: bytes) -> int | None:
        """Which usmStats counter a request moves; None where all is right."""
        if request.engine != self._engine:
            return UNKNOWN_ENGINE
        if request.user != self._name:
            return UNKNOWN_USER
        if request.flags & (AUTH | PRIV) != AUTH:
            return UNSUPPORTED_LEVEL
        start, end = request.digest_at, request.digest_at + len(request.digest)
        blank = data[:start] + bytes(end - start) + data[end:]
        if not hmac.compare_digest(request.digest, self._digest(blank)):
            return WRONG_DIGEST
        if request.boots != BOOTS or abs(request.time - self._seconds()) > TIME_WINDOW:
            return NOT_IN_TIME
        return None

    def _digest(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, "sha256")[:DIGEST_BYTES]

    def _report(self, counter: int) -> bytes:
        """A scoped PDU that tells of a refusal."""
        self._refused[counter] += 1
        name = object_identifier((*_STATS, counter, 0))
        varbind = sequence((name, integer(self._refused[counter], Tag.COUNTER32)))
        report = sequence((integer(0), integer(0), integer(0), sequence((varbind,))), REPORT)
        return sequence((wrap(Tag.OCTET_STRING, self._engine), wrap(Tag.OCTET_STRING, b""), report))

    def _message(self, request: _Message, scoped: bytes, *, authentic: bool) -> bytes:
        header = (integer(request.number), integer(65_507), wrap(Tag.OCTET_STRING, bytes((AUTH * authentic,))))
        security = sequence(
            (
                wrap(Tag.OCTET_STRING, self._engine),
                integer(BOOTS),
                integer(self._seconds()),
                wrap(Tag.OCTET_STRING, request.user),
                wrap(Tag.OCTET_STRING, bytes(DIGEST_BYTES * authentic)),
                wrap(Tag.OCTET_STRING, b""),
            )
        )
        parts = (integer(VERSION_3), sequence((*header, integer(USM))), wrap(Tag.OCTET_STRING, security), scoped)
        message = sequence(parts)
        if not authentic:
            return message
        at = len(message) - len(scoped) - 2 - DIGEST_BYTES
        return message[:at] + self._digest(message) + message[at + DIGEST_BYTES :]
