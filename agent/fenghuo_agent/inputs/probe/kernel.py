"""What Linux says beside a datagram: when it arrived, its hop limit, an error that came in place of an answer.

Numbers are those of <linux/in.h>, <linux/in6.h>, <linux/errqueue.h> and <asm-generic/socket.h>, which Python does not name.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

IP_RECVERR, IP_RECVTTL, IP_TTL = 11, 12, 2
IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 25, 51, 52
SO_TIMESTAMPNS = 35
MSG_ERRQUEUE = 0x2000
ANCILLARY = 512
"""Bytes that hold all that the kernel says of one datagram."""
_SOCK_EXTENDED_ERR = struct.Struct("=IBBBBII")
_TIMESPEC = struct.Struct("@ll")

Ancillary = Sequence[tuple[int, int, bytes]]


class Aside(NamedTuple):
    """What came with a datagram; `arrived` is in nanoseconds of the wall clock."""

    arrived: int | None
    hop_limit: int | None
    error: int | None
    """The error number of an ICMP error or of a local one."""


def tell_all(sock: socket.socket) -> None:
    """Ask for arrival times, hop limits and errors."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def read_aside(ancillary: Ancillary) -> Aside:
    """What the control messages of one datagram say."""
    arrived = hop_limit = error = None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            arrived = seconds * 1_000_000_000 + nanoseconds
        elif (level, kind) in ((socket.IPPROTO_IP, IP_TTL), (socket.IPPROTO_IPV6, IPV6_HOPLIMIT)) and len(data) >= 4:
            hop_limit = int.from_bytes(data[:4], "little" if struct.pack("=H", 1)[0] else "big")
        elif (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            error = _SOCK_EXTENDED_ERR.unpack_from(data)[0] if len(data) >= _SOCK_EXTENDED_ERR.size else None
    return Aside(arrived, hop_limit, error)
