"""Version 3: the user-based security model (RFC 3412, 3414), with SHA-2 (RFC 7860) and AES (RFC 3826)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.message import REPORT, RESPONSE, Foreign, Pdu, pdu_at

if TYPE_CHECKING:
    from fenghuo_agent.snmp.ciphers import Cipher

VERSION_3 = ber.integer(3)
USM_MODEL = ber.integer(3)
AUTH, PRIV, REPORTABLE = 1, 2, 4
MAX_SIZE = ber.integer(65507)
USM_STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)
REPORTS = {
    1: "unsupportedSecLevels",
    2: "notInTimeWindows",
    3: "unknownUserNames",
    4: "unknownEngineIDs",
    5: "wrongDigests",
    6: "decryptionErrors",
}
MAX_BOOTS_OR_TIME = 0x7FFF_FFFF
STRETCH = 1_048_576


@dataclass(frozen=True, slots=True)
class Digest:
    """An authentication protocol: its hash and how many octets of the HMAC are sent."""

    hash: str
    sent: int


DIGESTS = {
    "md5": Digest("md5", 12),
    "sha1": Digest("sha1", 12),
    "sha224": Digest("sha224", 16),
    "sha256": Digest("sha256", 24),
    "sha384": Digest("sha384", 32),
    "sha512": Digest("sha512", 48),
}


def stretch(name: str, password: bytes) -> bytes:
    """A password's key, the same for every engine (RFC 3414, A.2): the hash of one MiB of its repetition."""
    repeated = password * (STRETCH // len(password) + 1)
    return hashlib.new(name, repeated[:STRETCH], usedforsecurity=False).digest()


def localise(name: str, key: bytes, engine: bytes) -> bytes:
    """A key for one engine (RFC 3414, 2.6)."""
    return hashlib.new(name, key + engine + key, usedforsecurity=False).digest()


class Report(Exception):  # noqa: N818 — RFC 3414's name
    """The engine says why it does not answer; `kind` is the usmStats object's name without its prefix."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(slots=True)
class Engine:
    """What is known of the device's engine: its id, boots and time, and our monotonic clock at that time."""

    id: bytes
    boots: int
    time: int
    at: float


class User:
    """A v3 user's keys, stretched once; shared by all devices that it is used for."""

    def __init__(self, credential: Credential) -> None:
        self.name = (credential.user or "").encode()
        self.context = credential.context.encode()
        self.digest: Digest | None = None
        self.cipher: Cipher | None = None
        self._auth = self._priv = b""
        if credential.auth:
            algorithm, password = credential.auth.chosen()
            self.digest = DIGESTS[algorithm]
            self._auth = stretch(self.digest.hash, password.reveal().encode())
            if credential.priv:
                from fenghuo_agent.snmp.ciphers import cipher_of  # noqa: PLC0415 — costs 6 MB, only for privacy

                name, secret = credential.priv.chosen()
                self.cipher = cipher_of(name)
                self._priv = stretch(self.digest.hash, secret.reveal().encode())

    @property
    def flags(self) -> int:
        """The security level."""
        return (AUTH if self.digest else 0) | (PRIV if self.cipher else 0)

    def keys(self, engine: bytes) -> tuple[bytes, bytes]:
        """Keys for authentication and privacy at one engine."""
        return self.auth_key(engine), self.priv_key(engine)

    def auth_key(self, engine: bytes) -> bytes:
        """The key for authentication at one engine; one hash."""
        return localise(self.digest.hash, self._auth, engine) if self.digest else b""

    def priv_key(self, engine: bytes) -> bytes:
        """The key for privacy at one engine; takes a millisecond where a key is extended as Cisco does."""
        if not self.digest or not self.cipher:
            return b""
        name = self.digest.hash
        priv = localise(name, self._priv, engine)
        while len(priv) < self.cipher.key_size:
            if self.cipher.reeder:
                priv += localise(name, stretch(name, priv), engine)
            else:
                priv += hashlib.new(name, priv, usedforsecurity=False).digest()
        return priv[: self.cipher.key_size]


class Header(NamedTuple):
    """What a v3 message says before its scoped PDU, which fills `data[body:end]`."""

    message_id: int
    flags: int
    engine: bytes
    boots: int
    time: int
    user: bytes
    digest_at: int
    digest: bytes
    salt: bytes
    body: int
    end: int


class Usm:
    """Version 3 with one device: wraps by its engine's keys and clock, and trusts only what is rightly signed."""

    __slots__ = ("_auth", "_now", "_priv", "_salt", "_user", "bulk", "engine")

    def __init__(self, user: User, now: Callable[[], float], random: Random) -> None:
        self.bulk = True
        self._user = user
        self._now = now
        self._salt = random.getrandbits(64)
        self._auth = self._priv = b""
        self.engine: Engine | None = None

    def forget(self) -> None:
        """Ask anew who the engine is at the next request."""
        self.engine = None

    def discovery(self, request_id: int) -> bytes:
        """A request that any engine answers by a report of its id (RFC 3414, section 4)."""
        pdu = ber.tlv(0xA0, ber.integer(request_id) + b"\x02\x01\x00\x02\x01\x00\x30\x00")
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, b"") * 2 + pdu)
        return self._message(request_id, REPORTABLE, Engine(b"", 0, 0, 0.0), b"", b"", scoped)

    def discovered(self, datagram: bytes, request_id: int) -> Pdu:
        """Take the engine's id, boots and time from the report that answers a discovery."""
        head = read_header(datagram)
        if head.message_id != request_id or not 5 <= len(head.engine) <= 32:
            raise Foreign("no report of an engine")
        self._learn(head)
        return Pdu(REPORT, request_id, 0, 0, b"")

    def wrap(self, pdu: bytes, request_id: int) -> bytes:
        """The datagram to send; the engine must be known."""
        engine = self.engine
        if engine is None:
            raise Malformed("the engine is unknown")
        user = self._user
        now = Engine(engine.id, engine.boots, engine.time + int(self._now() - engine.at), 0.0)
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine.id) + ber.tlv(ber.OCTETS, user.context) + pdu)
        salt = b""
        if user.cipher:
            self._salt = (self._salt + 1) & 0xFFFF_FFFF_FFFF_FFFF
            salt = user.cipher.salt(now.boots, self._salt)
            scoped = ber.tlv(ber.OCTETS, user.cipher.encrypt(self._priv, now.boots, now.time, salt, scoped))
        return self._message(request_id, user.flags | REPORTABLE, now, user.name, salt, scoped)

    def _message(self, message_id: int, flags: int, engine: Engine, name: bytes, salt: bytes, scoped: bytes) -> bytes:
        return message(message_id, flags, engine, name, salt, scoped, self._user.digest, self._auth)

    def unwrap(self, datagram: bytes, request_id: int) -> Pdu:
        """The answer in a datagram. Raises `Malformed`, `Foreign`, or `Report` where the engine refuses."""
        head = read_header(datagram)
        if head.message_id != request_id:
            raise Foreign("the answer to another question")
        signed = self._signed(datagram, head)
        pdu = self._scoped(datagram, head)
        if pdu.kind == REPORT:
            kind = _report_kind(pdu)
            if signed and kind == "notInTimeWindows":
                self._learn(head)
            raise Report(kind)
        if self._user.digest and not signed:
            raise Foreign("an unsigned answer")
        if self._user.cipher and not head.flags & PRIV:
            raise Foreign("an answer in the clear")
        if pdu.request_id != request_id or pdu.kind != RESPONSE:
            raise Foreign("the answer to another question")
        self._learn(head)
        return pdu

    def _signed(self, datagram: bytes, head: Header) -> bool:
        """Whether the message is rightly signed by the engine; raises where it is wrongly signed."""
        digest = self._user.digest
        if not head.flags & AUTH or digest is None:
            return False
        if self.engine is None or head.engine != self.engine.id or head.user != self._user.name:
            raise Foreign("another engine or user")
        if not rightly_signed(datagram, head, digest, self._auth):
            raise Foreign("a wrong signature")
        return True

    def _scoped(self, datagram: bytes, head: Header) -> Pdu:
        if head.flags & PRIV and self._user.cipher is None:
            raise Malformed("an encrypted answer to a question in the clear")
        scoped = scoped_pdu(datagram, head, self._user.cipher, self._priv)
        return pdu_at(scoped.data, scoped.at, scoped.end)

    def _learn(self, head: Header) -> None:
        if self.engine is None or self.engine.id != head.engine:
            self._auth, self._priv = self._user.keys(head.engine)
        self.engine = Engine(head.engine, head.boots, head.time, self._now())


def message(
    message_id: int,
    flags: int,
    engine: Engine,
    name: bytes,
    salt: bytes,
    scoped: bytes,
    digest: Digest | None = None,
    key: bytes = b"",
) -> bytes:
    """A whole message; signed by `digest` and `key` where the flags say that it is."""
    if not flags & AUTH:
        digest = None
    blank = bytes(digest.sent) if digest else b""
    head = ber.integer(message_id) + MAX_SIZE + ber.tlv(ber.OCTETS, bytes((flags,))) + USM_MODEL
    after = ber.tlv(ber.OCTETS, salt)
    security = (
        ber.tlv(ber.OCTETS, engine.id) + ber.integer(engine.boots) + ber.integer(engine.time)
        + ber.tlv(ber.OCTETS, name) + ber.tlv(ber.OCTETS, blank) + after
    )  # fmt: skip
    wrapped = ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, security))
    whole = ber.tlv(ber.SEQUENCE, VERSION_3 + ber.tlv(ber.SEQUENCE, head) + wrapped + scoped)
    if digest is None:
        return whole
    stop = len(whole) - len(scoped) - len(after)
    signature = hmac.digest(key, whole, digest.hash)[: digest.sent]
    return whole[: stop - digest.sent] + signature + whole[stop:]


def rightly_signed(datagram: bytes, head: Header, digest: Digest, key: bytes) -> bool:
    """Whether the message carries the signature of `key`. Raises `Malformed` for one of another length."""
    if len(head.digest) != digest.sent:
        raise Malformed("a signature of another length")
    stop = head.digest_at + digest.sent
    blanked = datagram[: head.digest_at] + bytes(digest.sent) + datagram[stop:]
    expected = hmac.digest(key, blanked, digest.hash)[: digest.sent]
    return hmac.compare_digest(expected, head.digest)


class Scoped(NamedTuple):
    """A scoped PDU (RFC 3412, section 6): its context, and where its PDU lies in `data`."""

    engine: bytes
    context: bytes
    data: bytes
    at: int
    end: int


def scoped_pdu(datagram: bytes, head: Header, cipher: Cipher | None, key: bytes) -> Scoped:
    """The scoped PDU of a message, decrypted by `cipher` and `key` where it is encrypted."""
    data, at, end = datagram, head.body, head.end
    if head.flags & PRIV:
        if cipher is None:
            raise Malformed("an encrypted message for a user without privacy")
        secret, stop = ber.read_octets(datagram, at, end)
        if stop != end:
            raise Malformed("octets after the end of the message")
        data = cipher.decrypt(key, head.boots, head.time, head.salt, secret)
        at, end = 0, ber.header(data, 0, len(data))[2]
    start, stop = ber.inside(data, at, end, ber.SEQUENCE)
    engine, at = ber.read_octets(data, start, stop)
    context, at = ber.read_octets(data, at, stop)
    return Scoped(engine, context, data, at, stop)


def read_header(data: bytes) -> Header:
    size = len(data)
    start, stop = ber.inside(data, 0, size, ber.SEQUENCE)
    version, at = ber.read_integer(data, start, stop)
    if stop != size or version != 3:
        raise Malformed("no message of version 3")
    at, end = ber.inside(data, at, stop, ber.SEQUENCE)
    message_id, at = ber.read_integer(data, at, end)
    _, at = ber.read_integer(data, at, end)
    flags, at = ber.read_octets(data, at, end)
    model, _ = ber.read_integer(data, at, end)
    if len(flags) != 1 or model != 3:
        raise Malformed("another security model")
    at, outer = ber.inside(data, end, stop, ber.OCTETS)
    at, inner = ber.inside(data, at, outer, ber.SEQUENCE)
    engine, at = ber.read_octets(data, at, inner)
    boots, at = ber.read_integer(data, at, inner)
    time, at = ber.read_integer(data, at, inner)
    user, at = ber.read_octets(data, at, inner)
    digest, at = ber.read_octets(data, at, inner)
    digest_at = at - len(digest)
    salt, at = ber.read_octets(data, at, inner)
    if not 0 <= boots <= MAX_BOOTS_OR_TIME or not 0 <= time <= MAX_BOOTS_OR_TIME:
        raise Malformed("an engine's clock out of range")
    return Header(message_id, flags[0], engine, boots, time, user, digest_at, digest, salt, outer, stop)


def _report_kind(pdu: Pdu) -> str:
    found = ber.varbinds(pdu.varbinds)
    arcs = ber.arcs(found[0].name) if found else ()
    if arcs[: len(USM_STATS)] == USM_STATS and len(arcs) > len(USM_STATS):
        return REPORTS.get(arcs[len(USM_STATS)], "unknown")
    return "unknown"
