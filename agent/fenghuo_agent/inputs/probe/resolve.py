"""Looking up the addresses of targets that are given by name.

The system's resolver blocks a thread. It has a few of its own here, and a name that hangs is asked once at a time, so
that it takes no more than one of them however often it is probed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Literal, NamedTuple

from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed

THREADS = 16
_REASONS = {socket.EAI_NONAME: "there is no such name", socket.EAI_AGAIN: "the name server does not answer"}

IpProtocol = Literal["ip4", "ip6", "any"]
_Found = Sequence[tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]]
Lookup = Callable[[str, int], _Found]


class Address(NamedTuple):
    """An IP address as sockets take it."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def host(self) -> str:
        """The address alone."""
        return self.sockaddr[0]


class Resolver:
    """Looks names up, off the event loop. `lookup` is the system's getaddrinfo, but for tests."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup: Lookup = lookup or _system
        self._asking: dict[str, asyncio.Future[_Found]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Let go of the threads; lookups that hang end by themselves."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def find(
        self, host: str, port: int, wanted: IpProtocol, findings: Findings, clock: Callable[[], float]
    ) -> Address:
        """The address to ask; its protocol and the time that it took go into `findings`. Raises `ProbeFailed`."""
        started = clock()
        literal = ":" in host or host.rpartition(".")[2].isdigit()
        try:
            found = await (self._literal(host, port) if literal else self._named(host, port))
        except OSError as error:
            known = _REASONS.get(error.errno or 0, error.strerror or str(error))
            raise ProbeFailed("resolve", f"{host} cannot be looked up: {known}") from None
        seconds = clock() - started
        findings.took("resolve", seconds)
        findings.values["probe_dns_lookup_time_seconds"] = seconds
        address = _choose(found, wanted)
        if address is None:
            raise ProbeFailed("resolve", f"{host} has no IPv{wanted[-1]} address")
        findings.address = address.host
        findings.values["probe_ip_protocol"] = 6 if address.family == socket.AF_INET6 else 4
        findings.values["probe_ip_addr_hash"] = _fnv32(ip_address(address.host.partition("%")[0]).packed)
        return address

    async def _literal(self, host: str, port: int) -> _Found:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    async def _named(self, host: str, port: int) -> _Found:
        """Ask the system; whoever asks for the same name meanwhile waits for the same answer."""
        key = f"{host}:{port}"
        asking = self._asking.get(key)
        if asking is None:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="probe-names")
            loop = asyncio.get_running_loop()
            asking = self._asking[key] = loop.run_in_executor(self._threads, self._lookup, host, port)
            asking.add_done_callback(partial(self._done, key))
        return await asyncio.shield(asking)

    def _done(self, key: str, future: asyncio.Future[_Found]) -> None:
        self._asking.pop(key, None)
        if not future.cancelled():
            future.exception()  # nobody may be waiting any more


def _system(host: str, port: int) -> _Found:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _choose(found: _Found, wanted: IpProtocol) -> Address | None:
    families = {"ip4": (socket.AF_INET,), "ip6": (socket.AF_INET6,), "any": (socket.AF_INET, socket.AF_INET6)}[wanted]
    for family, _, _, _, sockaddr in found:
        if family in families and isinstance(sockaddr[0], str):
            return Address(family, sockaddr)  # pyright: ignore[reportArgumentType] — of IP families it is this
    return None


def _fnv32(data: bytes) -> int:
    """FNV-1 of 32 bits, by which blackbox_exporter tells that an address has changed."""
    value = 0x811C9DC5
    for byte in data:
        value = value * 0x01000193 & 0xFFFFFFFF ^ byte
    return value
