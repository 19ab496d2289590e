"""Echo requests and replies over one ICMP socket a family, for all targets (RFC 792, RFC 4443).

Linux's datagram sockets for ICMP need no privilege where `net.ipv4.ping_group_range` holds one of the process's groups; a
raw socket, which needs CAP_NET_RAW, is taken where they are not allowed. A reply counts where it comes from the address
asked and repeats the request's number and its eight random bytes, so that nobody off the path can forge one. Times are the
kernel's own, so that a busy process does not make the network look slow.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from fenghuo_agent.inputs.probe.kernel import ANCILLARY, MSG_ERRQUEUE, Aside, read_aside, tell_all
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Address
from fenghuo_agent.inputs.probe.stream import failure

COOKIE = 8
HEADER = struct.Struct("!BBHHH")
SENDS = 64
"""Requests that are sent before replies are read: a thousand at once must not overflow the socket's buffer."""
READS = 256
"""Datagrams that are read before others have a turn."""
ERRORS = 64
_REQUEST: dict[int, int] = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 129}
_ICMP_FILTER, _ICMP6_FILTER = 1, 1
_SOL_RAW = 255
_PERMISSION = (
    "this host does not let us ping: allow it to the group of the agent by "
    "`sysctl -w net.ipv4.ping_group_range='0 2147483647'` (for IPv6 too; keep it in /etc/sysctl.d), "
    "or give the agent CAP_NET_RAW (AmbientCapabilities= and CapabilityBoundingSet= in its systemd unit)"
)


@dataclass(frozen=True, slots=True)
class Echo:
    """A reply: seconds there and back, and the hop limit (TTL) that it had left."""

    seconds: float
    hop_limit: int | None


@dataclass(slots=True)
class _Waiting:
    host: str
    cookie: bytes
    sent: int
    reply: asyncio.Future[Echo]


@dataclass(slots=True)
class Strays:
    """Datagrams on ICMP sockets that were no reply to a request of ours."""

    foreign: int = 0
    malformed: int = 0


@dataclass(slots=True)
class EchoSocket:
    """Echo requests of one family. `monotonic` and `wall` are clocks in nanoseconds, `entropy` makes random bytes."""

    family: int
    strays: Strays
    monotonic: Callable[[], int] = time.monotonic_ns
    wall: Callable[[], int] = time.time_ns
    entropy: Callable[[int], bytes] = os.urandom
    raw: bool = False
    _sock: socket.socket | None = None
    _id: int = 0
    _next: int = 0
    _sent: int = 0
    _waiting: dict[int, _Waiting] = field(default_factory=dict[int, _Waiting])

    def open(self) -> None:
        """Open the socket within the running loop. `CannotProbe` says what to grant where it is not allowed."""
        if self._sock is not None:
            return
        self._sock = self._open()
        self._id = int.from_bytes(self.entropy(2), "big")
        self._next = int.from_bytes(self.entropy(2), "big")
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._readable)

    def close(self) -> None:
        """Close it; who waits for a reply waits in vain."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _open(self) -> socket.socket:
        protocol = socket.IPPROTO_ICMPV6 if self.family == socket.AF_INET6 else socket.IPPROTO_ICMP
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                sock = socket.socket(self.family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            except PermissionError:
                continue
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT:
                    raise ProbeFailed("unreachable", "this host has no IPv6") from None
                raise failure(error) from None
            self.raw = kind == socket.SOCK_RAW
            tell_all(sock)
            if self.raw:
                self._take_replies_only(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            return sock
        raise CannotProbe("permission", _PERMISSION)

    def _take_replies_only(self, sock: socket.socket) -> None:
        if self.family == socket.AF_INET:
            sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << _REPLY[self.family]))
        else:
            words = [0xFFFFFFFF] * 8
            words[_REPLY[self.family] >> 5] ^= 1 << (_REPLY[self.family] & 31)
            sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))

    def send(self, address: Address, size: int) -> tuple[int, asyncio.Future[Echo]]:
        """Send one request of `size` bytes behind the header: its number, and the reply to come (`ProbeFailed` where an
        error comes instead). `forget` it where it is not waited for any more.
        """
        if self._sock is None:
            raise CannotProbe("local", "the ICMP socket is closed")
        number = self._number()
        cookie = self.entropy(COOKIE)
        packet = self._packet(number, cookie + bytes(max(size - COOKIE, 0)))
        waiting = _Waiting(address.host, cookie, 0, asyncio.get_running_loop().create_future())
        self._waiting[number] = waiting
        try:
            self._transmit(self._sock, packet, address, waiting)
        except OSError as error:
            del self._waiting[number]
            raise failure(error) from None
        self._sent += 1
        if self._sent >= SENDS:
            self._readable()
        return number, waiting.reply

    def forget(self, number: int) -> None:
        """A reply to this request counts no more."""
        self._waiting.pop(number, None)

    def _number(self) -> int:
        """The next of the 65,536 numbers that no request waits with."""
        if len(self._waiting) >= 1 << 16:
            raise CannotProbe("local", "more than 65,535 echo requests wait for their replies")
        while self._next in self._waiting:
            self._next = self._next + 1 & 0xFFFF
        number, self._next = self._next, self._next + 1 & 0xFFFF
        return number

    def _packet(self, number: int, body: bytes) -> bytes:
        """The kernel fills in the checksum, and on datagram sockets the identifier; on raw ones for IPv4 we do."""
        blank = HEADER.pack(_REQUEST[self.family], 0, 0, self._id, number) + body
        if not self.raw or self.family == socket.AF_INET6:
            return blank
        return HEADER.pack(_REQUEST[self.family], 0, checksum(blank), self._id, number) + body

    def _transmit(self, sock: socket.socket, packet: bytes, address: Address, waiting: _Waiting) -> None:
        """An error that waits on the socket, of another's request, is told to whoever sends next: that one tries again."""
        sockaddr = (address.host, 0, *address.sockaddr[2:])
        for last in (False, False, True):
            waiting.sent = self.monotonic()
            try:
                sock.sendto(packet, sockaddr)
            except OSError:
                if last or not self._read_errors(sock):
                    raise
            else:
                return

    def _readable(self) -> None:
        sock, self._sent = self._sock, 0
        if sock is None:
            return
        for _ in range(READS):
            try:
                packet, ancillary, _flags, source = sock.recvmsg(2048, ANCILLARY)
            except BlockingIOError:
                break
            except OSError:
                if not self._read_errors(sock):
                    break
                continue
            self._take(packet, read_aside(ancillary), _host(source))
        self._read_errors(sock)

    def _take(self, packet: bytes, aside: Aside, source: str) -> None:
        if self.raw and self.family == socket.AF_INET:
            packet = packet[(packet[0] & 0xF) * 4 :] if packet else b""
        if len(packet) < HEADER.size + COOKIE:
            self.strays.malformed += 1
            return
        kind, _code, _sum, id_, number = HEADER.unpack_from(packet)
        waiting = self._waiting.get(number)
        ours = waiting is not None and kind == _REPLY[self.family] and (not self.raw or id_ == self._id)
        if (
            waiting is None
            or not ours
            or _bare(source) != _bare(waiting.host)
            or packet[HEADER.size : HEADER.size + COOKIE] != waiting.cookie
        ):
            self.strays.foreign += 1
            return
        if not waiting.reply.done():
            waiting.reply.set_result(Echo(self._elapsed(waiting, aside.arrived), aside.hop_limit))
        del self._waiting[number]

    def _elapsed(self, waiting: _Waiting, arrived: int | None) -> float:
        """Seconds until the kernel took the reply: what passed since is taken off, by the wall clock, in which it tells."""
        waited = 0 if arrived is None else max(self.wall() - arrived, 0)
        gone = self.monotonic() - waiting.sent
        return max(gone - waited, 0) / 1e9 if waited < gone else gone / 1e9

    def _read_errors(self, sock: socket.socket) -> bool:
        """Hand on the errors that came in place of replies; whether there were any."""
        for read in range(ERRORS):
            try:
                packet, ancillary, _flags, peer = sock.recvmsg(2048, ANCILLARY, MSG_ERRQUEUE)
            except OSError:
                return read > 0
            error = read_aside(ancillary).error
            if error is None or len(packet) < HEADER.size:
                continue
            _kind, _code, _sum, id_, number = HEADER.unpack_from(packet)
            waiting = self._waiting.get(number)
            if waiting is None or (self.raw and id_ != self._id) or _bare(_host(peer)) != _bare(waiting.host):
                continue
            quoted = packet[HEADER.size : HEADER.size + COOKIE]
            if not waiting.cookie.startswith(quoted):
                continue
            if not waiting.reply.done():
                waiting.reply.set_exception(_told(error))
                waiting.reply.exception()  # it may be that nobody waits
            del self._waiting[number]
        return True


def _told(error: int) -> ProbeFailed:
    """What an ICMP error says."""
    kind = failure(OSError(error, os.strerror(error)))
    reason = kind.reason if isinstance(kind, ProbeFailed) else "prohibited"
    return ProbeFailed(reason, f"a router or the host says: {os.strerror(error).lower()}")


def _host(peer: object) -> str:
    """The address of a peer as sockets name it."""
    return str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) and peer else ""


def _bare(host: str) -> str:
    """An address without its zone."""
    return host.partition("%")[0]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" if len(data) & 1 else data
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
