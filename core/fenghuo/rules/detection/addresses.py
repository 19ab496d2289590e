"""Networks that hold an address: one look-up per prefix length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Generic, TypeVar

T = TypeVar("T")
_LONGEST = 64
_UPPER_BITS = 96
_MAPPED = 0xFFFF
"""The upper 96 bits of an IPv4 address that is mapped into IPv6."""


class NetworkMap(Generic[T]):
    """What is filed under IPv4 and IPv6 networks. ValueError for what is none; host bits may be set."""

    def __init__(self, filed: Mapping[str, T]) -> None:
        by_version: dict[int, dict[int, dict[int, list[T]]]] = {4: {}, 6: {}}
        for text, thing in filed.items():
            network = _unmapped(ip_network(text, strict=False))
            shift = network.max_prefixlen - network.prefixlen
            prefixes = by_version[network.version].setdefault(shift, {})
            prefixes.setdefault(int(network.network_address) >> shift, []).append(thing)
        self._v4 = tuple(sorted(by_version[4].items()))
        self._v6 = tuple(sorted(by_version[6].items()))

    def find(self, address: str) -> list[T]:
        """What is filed under the networks that hold it, the narrowest first; nothing for what is no address.

        An IPv4 address that is mapped into IPv6 counts as itself; an IPv6 zone (`%eth0`) does not count.
        """
        number, networks = self._parse(address)
        found: list[T] = []
        for shift, prefixes in networks:
            things = prefixes.get(number >> shift)
            if things is not None:
                found += things
        return found

    def holds(self, address: str) -> bool:
        """Whether one of the networks holds it."""
        number, networks = self._parse(address)
        for shift, prefixes in networks:  # noqa: SIM110 — `any` with a generator costs twice as much
            if number >> shift in prefixes:
                return True
        return False

    def _parse(self, address: str) -> tuple[int, tuple[tuple[int, dict[int, list[T]]], ...]]:
        try:
            if ":" not in address:
                return int.from_bytes(inet_pton(AF_INET, address)), self._v4
            if len(address) <= _LONGEST:
                number = int.from_bytes(inet_pton(AF_INET6, address.partition("%")[0]))
                return (number & 0xFFFFFFFF, self._v4) if number >> 32 == _MAPPED else (number, self._v6)
        except (OSError, ValueError):
            pass
        return 0, ()


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses that are mapped into IPv6, as one of IPv4."""
    number = int(network.network_address)
    if network.version == 6 and network.prefixlen >= _UPPER_BITS and number >> 32 == _MAPPED:
        return IPv4Network((number & 0xFFFFFFFF, network.prefixlen - _UPPER_BITS))
    return network


def networks(texts: Iterable[str]) -> NetworkMap[None]:
    """A set of networks."""
    return NetworkMap(dict.fromkeys(texts))
