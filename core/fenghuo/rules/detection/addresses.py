"""Networks that hold an address: one look-up in a set per prefix length."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton

_LONGEST = 64


class Networks:
    """A set of IPv4 and IPv6 networks. ValueError for what is none; host bits may be set."""

    def __init__(self, networks: Iterable[str]) -> None:
        v4: dict[int, set[int]] = {}
        v6: dict[int, set[int]] = {}
        for text in networks:
            network = ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            (v4 if network.version == 4 else v6).setdefault(shift, set()).add(int(network.network_address) >> shift)
        self._v4 = tuple((shift, frozenset(prefixes)) for shift, prefixes in sorted(v4.items()))
        self._v6 = tuple((shift, frozenset(prefixes)) for shift, prefixes in sorted(v6.items()))

    def hold(self, address: str) -> bool:
        """Whether one of them holds it; an IPv4 address mapped into IPv6 counts as itself; False for what is no address."""
        try:
            if ":" not in address:
                number, networks = int.from_bytes(inet_pton(AF_INET, address)), self._v4
            elif len(address) <= _LONGEST:
                number, networks = int.from_bytes(inet_pton(AF_INET6, address.partition("%")[0])), self._v6
                if number >> 32 == 0xFFFF:
                    number, networks = number & 0xFFFFFFFF, self._v4
            else:
                return False
        except (OSError, ValueError):
            return False
        return any(number >> shift in prefixes for shift, prefixes in networks)
