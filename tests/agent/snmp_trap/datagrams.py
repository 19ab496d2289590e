"""Notifications made octet by octet, rightly and wrongly."""

from __future__ import annotations

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.message import INFORM, TRAP_1, TRAP_2, request
from fenghuo_agent.snmp.usm import REPORTABLE, Engine, User, message, read_header, scoped_pdu

from .conftest import COMMUNITY

SYS_UP_TIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
TRAP_OID = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
COLD_START = (1, 3, 6, 1, 6, 3, 1, 1, 5, 1)
LINK_DOWN = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
AUTHENTICATION_FAILURE = (1, 3, 6, 1, 6, 3, 1, 1, 5, 5)
ENGINE = bytes.fromhex("80001f8804") + b"a-switch"
CREDENTIAL = {
    "user": "monitor",
    "auth": {"sha256": "correct horse battery"},
    "priv": {"aes128": "staple correct horse"},
}


def bind(name: tuple[int, ...], tag: int, value: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.oid(name) + ber.tlv(tag, value))


def content(oid: tuple[int, ...] = LINK_DOWN, *more: bytes, uptime: int = 100) -> bytes:
    """A v2 notification's variable bindings."""
    head = bind(SYS_UP_TIME, ber.TIMETICKS, uptime.to_bytes(5)) + bind(TRAP_OID, ber.OID, ber.oid(oid)[2:])
    return head + b"".join(more)


def integer(name: tuple[int, ...], value: int) -> bytes:
    return bind(name, ber.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def if_index(index: int) -> bytes:
    return integer((1, 3, 6, 1, 2, 1, 2, 2, 1, 1, index), index)


def envelope(version: int, pdu: bytes, community: str = COMMUNITY) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.tlv(ber.OCTETS, community.encode()) + pdu)


def trap_2c(oid: tuple[int, ...] = LINK_DOWN, *more: bytes, number: int = 1, community: str = COMMUNITY) -> bytes:
    return envelope(1, request(TRAP_2, number, content(oid, *more)), community)


def inform_2c(oid: tuple[int, ...] = LINK_DOWN, *more: bytes, number: int = 1) -> bytes:
    return envelope(1, request(INFORM, number, content(oid, *more)))


def trap_1(
    enterprise: tuple[int, ...],
    generic: int,
    specific: int,
    *more: bytes,
    agent: bytes = bytes(4),
    community: str = COMMUNITY,
) -> bytes:
    fields = ber.oid(enterprise) + ber.tlv(ber.IP_ADDRESS, agent) + ber.integer(generic) + ber.integer(specific)
    pdu = ber.tlv(TRAP_1, fields + ber.tlv(ber.TIMETICKS, b"\x64") + ber.tlv(ber.SEQUENCE, b"".join(more)))
    return envelope(0, pdu, community)


class V3Sender:
    """Signs and encrypts as an engine of its own, or for the engine that a receiver is."""

    def __init__(self, credential: dict = CREDENTIAL, engine: bytes = ENGINE) -> None:
        self.user = User(Credential.model_validate(credential))
        self.engine = engine
        self.salt = 0

    def send(
        self,
        *more: bytes,
        kind: int = TRAP_2,
        oid: tuple[int, ...] = LINK_DOWN,
        boots: int = 1,
        time: int = 1000,
        number: int = 1,
        engine: bytes | None = None,
        reportable: bool | None = None,
        name: bytes | None = None,
    ) -> bytes:
        engine = self.engine if engine is None else engine
        auth, priv = self.user.keys(engine)
        pdu = request(kind, number, content(oid, *more))
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine) + ber.tlv(ber.OCTETS, b"") + pdu)
        salt = b""
        if self.user.cipher:
            self.salt += 1
            salt = self.user.cipher.salt(boots, self.salt)
            scoped = ber.tlv(ber.OCTETS, self.user.cipher.encrypt(priv, boots, time, salt, scoped))
        asks = kind == INFORM if reportable is None else reportable
        flags = self.user.flags | (REPORTABLE if asks else 0)
        source = Engine(engine, boots, time, 0.0)
        return message(number, flags, source, name or self.user.name, salt, scoped, self.user.digest, auth)

    def discovery(self, number: int = 1) -> bytes:
        """A question who the receiver is (RFC 3414, section 4)."""
        pdu = request(INFORM, number, b"")
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, b"") * 2 + pdu)
        return message(number, REPORTABLE, Engine(b"", 0, 0, 0.0), b"", b"", scoped)


def report_of(datagram: bytes) -> tuple[tuple[int, ...], int, bytes, int, int]:
    """The object that a report tells, its value, and the engine's id, boots and time."""
    head = read_header(datagram)
    scoped = scoped_pdu(datagram, head, None, b"")
    kind, at, end = ber.header(scoped.data, scoped.at, scoped.end)
    assert kind == 0xA8
    for _ in range(3):
        _, at = ber.read_integer(scoped.data, at, end)
    first, last = ber.inside(scoped.data, at, end, ber.SEQUENCE)
    (varbind,) = ber.varbinds(scoped.data[first:last])
    value = ber.number(varbind.tag, varbind.value)
    assert value is not None
    return ber.arcs(varbind.name), value, head.engine, head.boots, head.time
