"""A UDP socket that is drained in bounded bursts, knows what the kernel dropped, and answers from the address asked."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from fenghuo.errors import FenghuoError, Permanent, Retryable
from fenghuo_agent.snmp.access import Target

BURST = 128
SECONDS = 0.004
"""How long one turn may take, so that polls are not kept waiting."""
_CHECK = 8
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
_IP_PKTINFO = 8
_LARGEST = 65536
_ANCILLARY = 128

Peer = tuple[Any, ...]
Take = Callable[["Listener", bytearray, int, Peer], None]


class Listener:
    """One address that is listened on. `take` gets each datagram: the buffer, how many octets of it, and the sender."""

    def __init__(self, target: Target, take: Take, now: Callable[[], float], failed: Callable[[], None]) -> None:
        self.target = target
        self._take = take
        self._now = now
        self._failed = failed
        self._buffer = bytearray(_LARGEST)
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ancillary: list[tuple[int, int, bytes]] = []
        self._drops = 0

    @property
    def family(self) -> socket.AddressFamily:
        """Of IP: version 6 or 4."""
        return socket.AF_INET6 if ":" in self.target.host else socket.AF_INET

    def open(self, receive_buffer: int) -> None:
        """Bind. Raises `Permanent` or `Retryable`, saying what to do."""
        made = socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            _enlarge(made, receive_buffer)
            if self.family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            made.bind(self.target)
        except OSError as error:
            made.close()
            raise _why(self.target, error) from error
        self._socket = made
        self._drops = _drops(made)

    def start(self) -> None:
        """Read whatever comes, until `close`."""
        if self._socket is not None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket.fileno(), self.drain)

    def close(self) -> None:
        """Give the socket back."""
        made, self._socket = self._socket, None
        if made is not None:
            if self._loop is not None:
                self._loop.remove_reader(made.fileno())
            made.close()

    def drain(self) -> None:
        """Take what waits, so much of it as one turn of the event loop may last."""
        made = self._socket
        until = 0.0
        for number in range(BURST):
            if made is None or made is not self._socket:
                return
            try:
                size, self._ancillary, _, peer = made.recvmsg_into([self._buffer], _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._failed()
                return
            self._take(self, self._buffer, size, peer)
            if not number:
                until = self._now() + SECONDS
            elif number % _CHECK == 0 and self._now() > until:
                return

    def reply(self, datagram: bytes, peer: Peer) -> bool:
        """Answer the datagram taken last, from the address that it was sent to; whether it could be sent."""
        made = self._socket
        if made is None:
            return False
        try:
            made.sendmsg([datagram], _from_same(self._ancillary), 0, peer)
        except OSError:
            return False
        return True

    def drops(self) -> int:
        """Datagrams that the kernel dropped since the last call."""
        if self._socket is None:
            return 0
        count = _drops(self._socket)
        new, self._drops = (count - self._drops) & 0xFFFF_FFFF, count
        return new


def _enlarge(made: socket.socket, size: int) -> None:
    """The buffer asked for, beyond the system's limit where we may; half of what the kernel counts is its own."""
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _drops(made: socket.socket) -> int:
    """The kernel's own count of drops at this socket (Linux 4.12 and later; 0 where it does not tell)."""
    try:
        memory = made.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
    except OSError:
        return 0
    fields = struct.unpack(f"={len(memory) // 4}I", memory)
    return fields[_MEMINFO_DROPS] if len(fields) > _MEMINFO_DROPS else 0


def _from_same(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Ancillary data by which an answer leaves from the address that the question came to."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            # in_pktinfo: interface, address to send from, destination of the header (ip(7)); routing chooses the interface.
            return [(level, kind, struct.pack("=I", 0) + data[4:8] + bytes(4))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            # in6_pktinfo: address, interface (RFC 3542, 6.2); only a link-local address needs the interface as well.
            local = data[:2] == b"\xfe\x80"
            return [(level, kind, data if local else data[:16] + bytes(4))]
    return []


def _why(target: Target, error: OSError) -> FenghuoError:
    where = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    if isinstance(error, PermissionError):
        return Permanent(
            f"cannot listen on {where} for traps: a port below 1024 needs the right CAP_NET_BIND_SERVICE "
            "(AmbientCapabilities= in the systemd unit), or choose one above in `listen`"
        )
    return Retryable(f"cannot listen on {where} for traps: {error.strerror or error}")
