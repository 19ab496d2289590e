"""Knocking at a door: one datagram, and whatever comes back for it, the network's own refusals included."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from fenghuo_agent.doctor.findings import Cause, Finding, Result, wrong
from fenghuo_agent.snmp.access import Target

MAX_DATAGRAM = 65535
ARP = Path("/proc/net/arp")
_INCOMPLETE = "0x0"


class Knocked(NamedTuple):
    """What came back: a datagram, the number of an operating system's error, or neither in time. `source` is our address."""

    answer: bytes | None = None
    error: int = 0
    source: str = ""


async def knock(target: Target, datagram: bytes, seconds: float) -> Knocked:
    """Send once and wait so long."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect((target.host, target.port))
            source = str(sock.getsockname()[0])
            try:
                sock.send(datagram)
                answer = await asyncio.wait_for(loop.sock_recv(sock, MAX_DATAGRAM), seconds)
            except TimeoutError:
                return Knocked(source=source)
            except OSError as error:
                return Knocked(error=error.errno or errno.EIO, source=source)
            return Knocked(answer, source=source)
    except OSError as error:
        return Knocked(error=error.errno or errno.EIO)


def refusal(target: Target, knocked: Knocked, arp: Path = ARP) -> Finding | None:
    """What the network said against it; None where it said nothing."""
    number = knocked.error
    if not number:
        return _unresolved(target, arp)
    said = f"{errno.errorcode.get(number, number)}: the network refuses"
    if not knocked.source or number in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return wrong("route", said, Cause.ROUTING)
    if number == errno.ECONNREFUSED:
        return wrong("service", f"nothing listens on UDP {target.port}", Cause.SERVICE)
    if number in (errno.EACCES, errno.EPERM):
        return wrong("firewall", f"{said}: prohibited, here or on the way", Cause.FIREWALL)
    if number == errno.EHOSTUNREACH:
        return _unresolved(target, arp) or wrong(
            "route", "a router says that the host is unreachable or prohibited", Cause.FIREWALL
        )
    return wrong("network", said, Cause.ROUTING)


def _unresolved(target: Target, arp: Path) -> Finding | None:
    """Whether the address is on our own network and nobody there says that it is his (an incomplete ARP entry)."""
    if ip_address(target.host.partition("%")[0]).version != 4:
        return None
    try:
        lines = arp.read_text().splitlines()[1:]
    except OSError:
        return None
    for fields in map(str.split, lines):
        if len(fields) > 2 and fields[0] == target.host and fields[2] == _INCOMPLETE:
            return wrong("host", f"nobody on the local network has the address {target.host}", Cause.HOST)
    return None


def routed(knocked: Knocked) -> Finding:
    """That there is a way."""
    return Finding("route", Result.OK, f"datagrams leave from {knocked.source}")
