"""From octets to a notification that is believed, with the answer to it where it wants one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

from fenghuo_agent.inputs.snmp_trap.authority import Authority, Refusal
from fenghuo_agent.inputs.snmp_trap.engines import Engines
from fenghuo_agent.inputs.snmp_trap.notification import Notification, trap_1, trap_2, trap_pdu
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.message import RESPONSE, request

COMMUNITY = "community"
MAX_SEEN = 16_384
SEEN_SECONDS = 300.0
"""Longer than RFC 3414's window on both sides: what was signed cannot be sent again after that either."""


class Passed(NamedTuple):
    """A notification that is believed. `reply` is the Response that an inform is to be answered by."""

    notification: Notification
    reply: bytes | None = None
    user: str = ""
    engine: str = ""
    level: str = ""


class Duplicate(Exception):  # noqa: N818 — the name says what happened
    """An inform that was taken already (its answer is sent again), or a signed trap that somebody sent again."""

    def __init__(self, reply: bytes | None) -> None:
        super().__init__("seen before")
        self.reply = reply


class Gate:
    """Lets in what has a configured community or a configured user's signature."""

    def __init__(
        self,
        credentials: Sequence[Credential],
        engines: Engines,
        now: Callable[[], float],
        random: Random,
        believed: frozenset[bytes],
    ) -> None:
        self._engines = engines
        self._now = now
        self._random = random
        self._believed = believed
        self._seen: OrderedDict[int, float] = OrderedDict()
        self.use(credentials)

    def use(self, credentials: Sequence[Credential]) -> None:
        """Believe these from now on; what was seen is remembered."""
        self._communities = frozenset(_communities(credentials))
        self._authority = Authority(credentials, self._engines, self._now, self._random, self._believed)

    def judge(self, datagram: bytes, host: str) -> Passed:
        """The notification in a datagram. Raises `Malformed`, `Refusal` or `Duplicate`."""
        size = len(datagram)
        start, stop = ber.inside(datagram, 0, size, ber.SEQUENCE)
        if stop != size:
            raise Malformed("octets after the end of the message")
        version, at = ber.read_integer(datagram, start, stop)
        if version == 3:
            return self._signed(datagram)
        if version not in (0, 1):
            raise Malformed("a message of no known version")
        community, at = ber.read_octets(datagram, at, stop)
        if community not in self._communities:
            raise Refusal(COMMUNITY)
        if version == 0:
            return Passed(trap_1(datagram, at, stop))
        pdu = trap_pdu(datagram, at, stop)
        notification = trap_2(pdu, 2)
        if not notification.confirmed:
            return Passed(notification)
        answer = ber.integer(1) + ber.tlv(ber.OCTETS, community) + request(RESPONSE, pdu.request_id, pdu.varbinds)
        reply = ber.tlv(ber.SEQUENCE, answer)
        self._first((host, datagram), reply)
        return Passed(notification, reply)

    def _signed(self, datagram: bytes) -> Passed:
        believed = self._authority.receive(datagram)
        notification = trap_2(believed.pdu, 3)
        reply = self._authority.acknowledge(believed) if notification.confirmed else None
        if notification.confirmed:
            self._first((believed.user.name, believed.pdu), reply)
        elif believed.head.digest:
            self._first(believed.head.digest, None)
        name = believed.user.name.decode(errors="replace")
        return Passed(notification, reply, name, believed.head.engine.hex(), believed.level)

    def _first(self, what: object, reply: bytes | None) -> None:
        """Remember a message; `Duplicate` where it was seen before."""
        key, now, seen = hash(what), self._now(), self._seen
        if now - seen.get(key, -SEEN_SECONDS) < SEEN_SECONDS:
            raise Duplicate(reply)
        seen[key] = now
        seen.move_to_end(key)
        if len(seen) > MAX_SEEN or now - next(iter(seen.values())) > SEEN_SECONDS:
            seen.popitem(last=False)


def _communities(credentials: Iterable[Credential]) -> Iterable[bytes]:
    for credential in credentials:
        if credential.community is not None:
            yield credential.community.reveal().encode()
