"""Who this host has as neighbours: the kernel's ARP and Neighbour Discovery tables (rtnetlink(7), RTM_GETNEIGH)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("=IHHII")
_NDMSG = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_DONE, _ERROR, _NEWNEIGH, _GETNEIGH = 3, 2, 28, 30
_REQUEST, _DUMP = 0x1, 0x300
_DST, _LLADDR = 1, 2
_NOBODY = 0x01 | 0x20 | 0x40
"""NUD_INCOMPLETE, NUD_FAILED and NUD_NOARP: nobody answered, or nobody was to be asked."""
_SECONDS = 2.0
MOST = 16_384


class Neighbour(NamedTuple):
    """An address on a link of this host, link-local ones with their zone, and its MAC."""

    address: str
    mac: str
    interface: str


def kernel_neighbours() -> list[Neighbour]:
    """The neighbours that answered lately. Empty where the kernel cannot be asked."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(_SECONDS)
            body = _NDMSG.pack(0, 0, 0, 0, 0)
            sock.send(_HEADER.pack(_HEADER.size + len(body), _GETNEIGH, _REQUEST | _DUMP, 1, 0) + body)
            return _dump(sock)
    except OSError:
        return []


def _dump(sock: socket.socket) -> list[Neighbour]:
    found: list[Neighbour] = []
    while len(found) < MOST:
        messages = list(_messages(sock.recv(1 << 16)))
        found += (neighbour for kind, body in messages if kind == _NEWNEIGH and (neighbour := parse(body)))
        if not messages or any(kind in (_DONE, _ERROR) for kind, _ in messages):
            break
    return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + size]
        at += (size + 3) & ~3


def parse(body: bytes) -> Neighbour | None:
    """The neighbour in a message's body; None where it is none that answered."""
    if len(body) < _NDMSG.size:
        return None
    family, index, state, _, _ = _NDMSG.unpack_from(body)
    attributes: dict[int, bytes] = {}
    at = _NDMSG.size
    while at + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, at)
        if size < _ATTRIBUTE.size:
            break
        attributes[kind] = body[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    address, mac = attributes.get(_DST, b""), attributes.get(_LLADDR, b"")
    if state & _NOBODY or family not in (socket.AF_INET, socket.AF_INET6) or len(mac) != 6:
        return None
    try:
        text = socket.inet_ntop(family, address)
        interface = socket.if_indextoname(index)
    except (ValueError, OSError):
        return None
    if address[:1] == b"\xff" or (family == socket.AF_INET and 224 <= address[0] < 240):
        return None
    if family == socket.AF_INET6 and address[0] == 0xFE and address[1] & 0xC0 == 0x80:
        text = f"{text}%{interface}"
    return Neighbour(text, mac.hex(":"), interface)
