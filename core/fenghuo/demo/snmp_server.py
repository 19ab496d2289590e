"""Simulated SNMP agents on loopback: real PDUs, answered from a view of live state (RFC 3416).

Messages are those of SNMPv2c (RFC 1901), or of SNMPv3 where the agent knows a user (`fenghuo.demo.usm`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from fenghuo.demo.ber import BerError, Oid, Reader, Tag, integer, object_identifier, read_oid, sequence, wrap
from fenghuo.demo.mib import END_OF_VIEW, View

log = logging.getLogger(__name__)

GET, GET_NEXT, RESPONSE, SET, GET_BULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
NO_ERROR, TOO_BIG, NOT_WRITABLE = 0, 1, 17
VERSION_2C, VERSION_3 = 1, 3
MAX_VARBINDS = 1024
OVERHEAD = 32  # what the heads around the varbinds take at most, besides the community
_UNSET = wrap(Tag.NULL, b"")


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request. For GETBULK `first` and `second` are non-repeaters and max-repetitions."""

    kind: int
    number: int
    first: int
    second: int
    names: list[bytes]
    """OID contents octets, in order."""


def read_pdu(reader: Reader) -> Request:
    """Decode the PDU that is next in `reader`; BerError where it is none."""
    kind, pdu = reader.enter()
    number, first, second = pdu.integer(), pdu.integer(), pdu.integer()
    _, varbinds = pdu.enter(Tag.SEQUENCE)
    names: list[bytes] = []
    while varbinds:
        if len(names) >= MAX_VARBINDS:
            raise BerError("more variable bindings than an agent takes")
        _, varbind = varbinds.enter(Tag.SEQUENCE)
        names.append(varbind.expect(Tag.OBJECT_IDENTIFIER))
        varbind.any()
    return Request(kind, number, first, second, names)


def _varbind(name: bytes, value: bytes) -> bytes:
    return sequence((name, value))


def _response(request: Request, varbinds: list[bytes], status: int = NO_ERROR, index: int = 0) -> bytes:
    return sequence((integer(request.number), integer(status), integer(index), sequence(varbinds)), RESPONSE)


def answer_pdu(view: View, request: Request, room: int) -> bytes | None:
    """The response PDU to a request, at most `room` bytes; None for a PDU that an agent does not answer."""
    if request.kind == GET:
        varbinds = [_get(view, contents) for contents in request.names]
    elif request.kind == GET_NEXT:
        varbinds = [_next(view, read_oid(contents))[0] for contents in request.names]
    elif request.kind == GET_BULK:
        return _response(request, _bulk(view, request, room - OVERHEAD))
    elif request.kind == SET:
        return _response(request, _echo(request), NOT_WRITABLE, 1)
    else:
        return None
    response = _response(request, varbinds)
    return response if len(response) <= room else _response(request, [], TOO_BIG)


def _get(view: View, contents: bytes) -> bytes:
    value = view.get(contents)
    if value is None:
        value = view.lacks(read_oid(contents))
    return _varbind(wrap(Tag.OBJECT_IDENTIFIER, contents), value)


def _echo(request: Request) -> list[bytes]:
    return [_varbind(wrap(Tag.OBJECT_IDENTIFIER, contents), _UNSET) for contents in request.names]


def _next(view: View, oid: Oid) -> tuple[bytes, int | None]:
    """The varbind behind `oid` and its position; endOfMibView and None at the end."""
    position = view.after(oid)
    if position >= len(view):
        return _varbind(object_identifier(oid), END_OF_VIEW), None
    return _varbind(*view.at(position)), position


def _bulk(view: View, request: Request, room: int) -> list[bytes]:
    """GETBULK's varbinds (RFC 3416, 4.2.3), cut off where the message is full or every column has ended."""
    oids = [read_oid(contents) for contents in request.names]
    fixed, repeated = oids[: max(request.first, 0)], oids[max(request.first, 0) :]
    out = [_next(view, oid)[0] for oid in fixed]
    size = sum(map(len, out))
    positions = [view.after(oid) for oid in repeated]
    last = [object_identifier(oid) for oid in repeated]
    for _ in range(max(request.second, 0) if repeated else 0):
        alive = False
        for column, position in enumerate(positions):
            if position < len(view):
                last[column], value = view.at(position)
                positions[column], alive = position + 1, True
            else:
                value = END_OF_VIEW
            varbind = _varbind(last[column], value)
            size += len(varbind)
            if size > room:
                return out
            out.append(varbind)
        if not alive:
            break
    return out


class Security(Protocol):
    """Who is let in by SNMPv3."""

    def answer(self, view: View, data: bytes, max_size: int) -> bytes | None: ...


class Agent(asyncio.DatagramProtocol):
    """One simulated device's agent: it lets in a community, or a user where one is given (and then no community).

    What is no request of these is dropped in silence, as devices do.

    `before` is called ahead of every answer (it brings the device's state up to now) and says whether the device is
    alive at all. `max_size` is the largest message that the device makes.
    """

    def __init__(
        self,
        view: View,
        community: str,
        before: Callable[[], bool],
        max_size: int = 1472,
        user: Security | None = None,
    ) -> None:
        self._view = view
        self._user = user
        self._community = community.encode()
        self._before = before
        self._max_size = max_size
        self._transport: asyncio.DatagramTransport | None = None
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if self._transport is None or not self._before():
            return
        try:
            reply = self.answer(data)
        except BerError as error:
            log.debug("dropped a malformed message: %s", error)
            return
        if reply is not None:
            self.answered += 1
            self._transport.sendto(reply, addr)

    def answer(self, data: bytes) -> bytes | None:
        """The response message to a request message; None where there is none to give. Raises BerError."""
        _, message = Reader(data).enter(Tag.SEQUENCE)
        version = message.integer()
        if self._user is not None:
            return self._user.answer(self._view, data, self._max_size) if version == VERSION_3 else None
        if version != VERSION_2C:
            return None
        community = message.expect(Tag.OCTET_STRING)
        if community != self._community:
            return None
        head = integer(version) + wrap(Tag.OCTET_STRING, community)
        pdu = answer_pdu(self._view, read_pdu(message), self._max_size - len(head) - 4)
        return None if pdu is None else sequence((head, pdu))


async def serve(agent: Agent, port: int, host: str = "127.0.0.1") -> asyncio.DatagramTransport:
    """Answer on a UDP port from now until the transport is closed."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: agent, local_addr=(host, port))
    return transport
