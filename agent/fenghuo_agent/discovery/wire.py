"""Datagrams of a scan: one UDP socket a family, and what the network says about those that could not arrive.

With IP_RECVERR (ip(7)) the kernel keeps, beside the datagrams, which destination was refused: by ICMP port unreachable
(somebody is there who speaks no SNMP) or because nobody answered ARP or Neighbour Discovery. That ends the questions at
an address early, which is what keeps a scan of empty addresses short and quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from typing import Protocol

from fenghuo_agent.snmp.access import Target

MAX_DATAGRAM = 65_535
AT_ONCE = 64
"""Datagrams taken before others have their turn."""
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_ERROR_QUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)
_SOCK_EXTENDED_ERR = 16

Heard = Callable[[bytes, Target], None]
Failed = Callable[[Target, int], None]


class Wire(Protocol):
    """What a scan sends by."""

    def send(self, target: Target, datagram: bytes) -> None:
        """Send, or raise OSError where this host cannot."""
        ...


class UdpWire:
    """Sends and listens from construction to `close()`; `heard` gets datagrams, `failed` a target and its errno."""

    def __init__(self, heard: Heard, failed: Failed) -> None:
        self._heard = heard
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[int, socket.socket] = {}

    def send(self, target: Target, datagram: bytes) -> None:
        """Send, or raise OSError where this host cannot."""
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        sock = self._sockets.get(family) or self._open(family)
        address = _address(target)
        try:
            sock.sendto(datagram, address)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOBUFS):
                raise
            # The error may be one that waited for somebody else's datagram.
            self._take_errors(sock)
            sock.sendto(datagram, address)

    def close(self) -> None:
        """Give the sockets back."""
        for sock in self._sockets.values():
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def _open(self, family: int) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        level, option = (
            (socket.IPPROTO_IPV6, _IPV6_RECVERR) if family == socket.AF_INET6 else (socket.IPPROTO_IP, _IP_RECVERR)
        )
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, 1)
        self._loop.add_reader(sock.fileno(), self._readable, sock)
        self._sockets[family] = sock
        return sock

    def _readable(self, sock: socket.socket) -> None:
        self._take_errors(sock)
        for _ in range(AT_ONCE):
            try:
                datagram, source = sock.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # told by the queue of errors
            self._heard(datagram, _target(source))

    def _take_errors(self, sock: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                _, ancillary, _, destination = sock.recvmsg(0, 512, _ERROR_QUEUE)
            except OSError:
                return
            for level, kind, data in ancillary:
                ours = (level, kind) in {(socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
                if ours and len(data) >= _SOCK_EXTENDED_ERR and destination:
                    self._failed(_target(destination), int.from_bytes(data[:4], sys.byteorder))


def _address(target: Target) -> tuple[str, int] | tuple[str, int, int, int]:
    if ":" not in target.host:
        return target.host, target.port
    host, _, zone = target.host.partition("%")
    return host, target.port, 0, socket.if_nametoindex(zone) if zone else 0


def _target(source: tuple[object, ...]) -> Target:
    host, port = str(source[0]), int(str(source[1]))
    scope = int(str(source[3])) if len(source) > 3 else 0
    if scope and "%" not in host and host.startswith("fe80:"):
        with contextlib.suppress(OSError):
            host = f"{host}%{socket.if_indextoname(scope)}"
    return Target(host, port)
