"""Version 3 as a receiver (RFC 3412, section 7.2; RFC 3414, section 3.2): whose notifications are believed.

Of a trap the sender's engine is the authority: its keys are made of its engine id, its time is learnt from what it signs.
Of an inform we are: the sender asks who we are, and is answered by reports.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from fenghuo_agent.inputs.snmp_trap.engines import Engines
from fenghuo_agent.inputs.snmp_trap.notification import NOTIFICATIONS
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.message import INFORM, REPORT, RESPONSE, Pdu, pdu_at, request
from fenghuo_agent.snmp.usm import (
    AUTH,
    MAX_BOOTS_OR_TIME,
    PRIV,
    REPORTABLE,
    REPORTS,
    USM_STATS,
    Engine,
    Header,
    Scoped,
    User,
    message,
    read_header,
    rightly_signed,
    scoped_pdu,
)

WINDOW = 150
"""Seconds by which a message may lag behind (RFC 3414, 3.2, 7)."""
MAX_KEYS = 1024
_NUMBERS = {name: number for number, name in REPORTS.items()}
REFUSED_ENGINE = "unbelievedEngine"


class Refusal(Exception):  # noqa: N818 — the name says what happened
    """A message that is not believed; `reason` is a usmStats object's name without its prefix, or `unbelievedEngine`.

    `reply` is the report to send, if any. `handshake` says that nothing is wrong: the sender asked who we are, or what
    time it is.
    """

    def __init__(self, reason: str, reply: bytes | None = None, *, handshake: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply
        self.handshake = handshake


@dataclass(frozen=True, slots=True)
class Believed:
    """A notification's PDU and who signed it."""

    pdu: Pdu
    head: Header
    user: User
    scoped: Scoped

    @property
    def level(self) -> str:
        """The security level, as RFC 3411 names it."""
        return {0: "noAuthNoPriv", AUTH: "authNoPriv"}.get(self.user.flags, "authPriv")


class Authority:
    """Judges v3 messages. `now` gives monotonic seconds; `engines` are the ids that are believed, all where it is empty."""

    def __init__(
        self,
        credentials: Iterable[Credential],
        own: Engines,
        now: Callable[[], float],
        random: Random,
        engines: frozenset[bytes] = frozenset(),
    ) -> None:
        self._users: dict[bytes, list[User]] = {}
        for credential in credentials:
            if credential.user is not None:
                user = User(credential)
                self._users.setdefault(user.name, []).append(user)
        self._own = own
        self._now = now
        self._salt = random.getrandbits(64)
        self._believed = engines
        self._keys: OrderedDict[tuple[int, bytes], tuple[bytes, bytes]] = OrderedDict()
        self._stats = dict.fromkeys(REPORTS.values(), 0)

    def receive(self, datagram: bytes) -> Believed:
        """The notification in a datagram. Raises `Malformed`, or `Refusal` where it is not believed."""
        head = read_header(datagram)
        if head.flags & PRIV and not head.flags & AUTH:
            raise Malformed("privacy without authentication")
        ours = head.engine == self._own.id != b""
        if not ours and not 5 <= len(head.engine) <= 32:
            raise self._refusal("unknownEngineIDs", datagram, head, handshake=not head.engine)
        if not ours and self._believed and head.engine not in self._believed:
            raise Refusal(REFUSED_ENGINE)
        user = self._signer(datagram, head, ours=ours)
        if user.digest:
            self._check_time(datagram, head, user, ours=ours)
        scoped = self._open(datagram, head, user, ours=ours)
        pdu = pdu_at(scoped.data, scoped.at, scoped.end, NOTIFICATIONS)
        if pdu.kind == INFORM and not ours:
            raise self._refusal("unknownEngineIDs", datagram, head, ours=True, handshake=True)
        if not ours and user.digest:
            self._learn(head)
        return Believed(pdu, head, user, scoped)

    def acknowledge(self, believed: Believed) -> bytes:
        """The Response to an inform (RFC 3416, 4.2.7), under the same user and level."""
        head, user, pdu = believed.head, believed.user, believed.pdu
        answer = request(RESPONSE, pdu.request_id, pdu.varbinds)
        context = ber.tlv(ber.OCTETS, believed.scoped.engine) + ber.tlv(ber.OCTETS, believed.scoped.context)
        scoped = ber.tlv(ber.SEQUENCE, context + answer)
        engine = self._engine()
        auth, priv = self._keys_of(user, engine.id)
        salt = b""
        if user.cipher:
            self._salt = (self._salt + 1) & 0xFFFF_FFFF_FFFF_FFFF
            salt = user.cipher.salt(engine.boots, self._salt)
            scoped = ber.tlv(ber.OCTETS, user.cipher.encrypt(priv, engine.boots, engine.time, salt, scoped))
        return message(head.message_id, user.flags, engine, user.name, salt, scoped, user.digest, auth)

    def _engine(self) -> Engine:
        time = self._own.time
        return Engine(self._own.id, self._own.boots, time, 0.0)

    def _signer(self, datagram: bytes, head: Header, *, ours: bool) -> User:
        """The user whose key signed the message, at the level that he is set up for."""
        users = self._users.get(head.user)
        if not users:
            raise self._refusal("unknownUserNames", datagram, head, ours=ours)
        level = head.flags & (AUTH | PRIV)
        fitting = [user for user in users if user.flags == level]
        if not fitting:
            raise self._refusal("unsupportedSecLevels", datagram, head, ours=ours)
        for user in fitting:
            if user.digest is None:
                return user
            known = self._keys.get((id(user), head.engine))
            key = known[0] if known else user.auth_key(head.engine)
            if len(head.digest) == user.digest.sent and rightly_signed(datagram, head, user.digest, key):
                return user
        raise self._refusal("wrongDigests", datagram, head, ours=ours)

    def _check_time(self, datagram: bytes, head: Header, user: User, *, ours: bool) -> None:
        if ours:
            now = self._engine()
            late = head.boots != now.boots or abs(head.time - now.time) > WINDOW or now.boots == MAX_BOOTS_OR_TIME
            if late:
                # A sender that has only just learnt our id does not know our time yet; it signs with none.
                asks = head.boots == head.time == 0
                raise self._refusal("notInTimeWindows", datagram, head, ours=True, user=user, handshake=asks)
            return
        boots, time, at = self._own.peers.get(head.engine, (0, 0, self._now()))
        present = time + int(self._now() - at)
        stale = head.boots < boots or (head.boots == boots and head.time < present - WINDOW)
        if stale or head.boots == MAX_BOOTS_OR_TIME:
            raise self._refusal("notInTimeWindows", datagram, head)

    def _learn(self, head: Header) -> None:
        known = self._own.peers.get(head.engine)
        if known is None or (head.boots, head.time) > known[:2]:
            self._own.heard(head.engine, head.boots, head.time)

    def _open(self, datagram: bytes, head: Header, user: User, *, ours: bool) -> Scoped:
        if user.cipher is None:
            return scoped_pdu(datagram, head, None, b"")
        try:
            return scoped_pdu(datagram, head, user.cipher, self._keys_of(user, head.engine)[1])
        except Malformed:
            raise self._refusal("decryptionErrors", datagram, head, ours=ours) from None

    def _keys_of(self, user: User, engine: bytes) -> tuple[bytes, bytes]:
        """Keys at an engine, made once; asked for only where a signature was right, so that nobody else has them made."""
        place = (id(user), engine)
        keys = self._keys.get(place)
        if keys is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.popitem(last=False)
            keys = self._keys[place] = user.keys(engine)
        return keys

    def _refusal(
        self,
        reason: str,
        datagram: bytes,
        head: Header,
        *,
        ours: bool = False,
        user: User | None = None,
        handshake: bool = False,
    ) -> Refusal:
        """The refusal, with a report where the sender wants one and it is for us to give."""
        self._stats[reason] += 1
        wanted = head.flags & REPORTABLE and (ours or handshake or reason == "unknownEngineIDs")
        return Refusal(reason, self._report(reason, datagram, head, user) if wanted else None, handshake=handshake)

    def _report(self, reason: str, datagram: bytes, head: Header, user: User | None) -> bytes:
        name = ber.oid((*USM_STATS, _NUMBERS[reason], 0))
        count = self._stats[reason] & 0xFFFF_FFFF
        value = ber.tlv(ber.COUNTER32, count.to_bytes(count.bit_length() // 8 + 1))
        pdu = request(REPORT, _request_id(datagram, head), ber.tlv(ber.SEQUENCE, name + value))
        engine = self._engine()
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine.id) + ber.tlv(ber.OCTETS, b"") + pdu)
        if user is None or user.digest is None:
            return message(head.message_id, 0, engine, head.user, b"", scoped)
        key = user.auth_key(engine.id)
        return message(head.message_id, AUTH, engine, head.user, b"", scoped, user.digest, key)


def _request_id(datagram: bytes, head: Header) -> int:
    """The request's id where it can be read without a key, else 0 (RFC 3412, 7.1, 3c)."""
    if head.flags & PRIV:
        return 0
    try:
        scoped = scoped_pdu(datagram, head, None, b"")
        _, at, end = ber.header(scoped.data, scoped.at, scoped.end)
        return ber.read_integer(scoped.data, at, end)[0]
    except Malformed:
        return 0
