"""What may be asked: subnets, ranges and addresses as an admin types them, less what is excluded.

IPv4 is swept. IPv6 subnets are far too large for that: of them only addresses are asked that a neighbour table or a
neighbour names, and a range of at most 256 addresses is swept.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from random import Random

from fenghuo_agent.snmp.access import SNMP_PORT, Target

MOST_ADDRESSES = 65_536
"""What one scan may sweep at most: a /16."""
MOST_OF_IPV6 = 256
MOST_PORTS = 64

_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+)):(?P<ports>[0-9-]+)")
_EXPECTED = "expected a subnet such as 10.20.0.0/22, a range such as 10.20.0.10-10.20.0.99, or an address"

Address = IPv4Address | IPv6Address


class _Senseless(ValueError):  # noqa: N818 — the name says what the addresses are
    """Addresses, but not such as can be asked; never leaves this module as anything but a ValueError."""


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses from `first` to `last`, as numbers; each may be asked at `ports` (none: at the scan's own).

    `swept` is False where addresses are only asked that are known to be there.
    """

    family: int
    first: int
    last: int
    ports: tuple[int, ...] = ()
    swept: bool = True
    zone: str = ""

    def __contains__(self, address: Address) -> bool:
        return address.version == self.family and self.first <= int(address) <= self.last

    @property
    def size(self) -> int:
        """How many addresses are swept."""
        return self.last - self.first + 1 if self.swept else 0

    def address(self, number: int) -> str:
        """The address with that number, as text."""
        text = str(IPv4Address(number) if self.family == 4 else IPv6Address(number))
        return f"{text}%{self.zone}" if self.zone else text


def parse_span(text: str) -> Span:
    """Read a subnet, range or address, each with `:PORT` or `:PORT-PORT` behind it or not; ValueError where it is none."""
    rest, ports = text.strip().removeprefix("udp://"), ()
    behind = _WITH_PORT.fullmatch(rest)
    if behind:
        rest, ports = behind["six"] or behind["four"], parse_ports(behind["ports"])
    try:
        span = _between(rest, ports) if "-" in rest.partition("%")[0] else _network(rest, ports)
    except _Senseless:
        raise
    except ValueError:
        raise ValueError(f"{text!r}: {_EXPECTED}") from None
    _refuse_senseless(text, span)
    return span


def parse_ports(text: str) -> tuple[int, ...]:
    """Read `161` or `16100-16110`; ValueError where it is none."""
    first, _, last = text.partition("-")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or not 0 < ports[0] <= ports[-1] < 1 << 16 or len(ports) > MOST_PORTS:
        raise ValueError(f"{text!r}: expected a port, or a range of at most {MOST_PORTS} ports such as 16100-16110")
    return tuple(ports)


def _between(text: str, ports: tuple[int, ...]) -> Span:
    low, _, high = text.partition("-")
    first = ip_address(low)
    if isinstance(first, IPv4Address) and high.isdecimal():
        high = f"{low.rpartition('.')[0]}.{high}"
    last = ip_address(high)
    if first.version != last.version or int(last) < int(first):
        raise _Senseless(f"{text!r}: a range goes from a lower to a higher address of one family")
    if first.version == 6 and int(last) - int(first) >= MOST_OF_IPV6:
        raise _Senseless(f"{text!r}: a range of IPv6 has at most {MOST_OF_IPV6} addresses; name the subnet instead")
    return Span(first.version, int(first), int(last), ports)


def _network(text: str, ports: tuple[int, ...]) -> Span:
    address, zone = text, ""
    if "%" in text:
        address, _, zone = text.partition("%")
        zone, slash, length = zone.partition("/")
        address += slash + length
    if "/" not in address:
        one = ip_address(address)
        return Span(one.version, int(one), int(one), ports, zone=zone)
    network = ip_network(address, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4 and network.prefixlen < 31:
        first, last = first + 1, last - 1
    swept = network.version == 4 or network.num_addresses <= MOST_OF_IPV6
    return Span(network.version, first, last, ports, swept, zone)


def _refuse_senseless(text: str, span: Span) -> None:
    if span.size > MOST_ADDRESSES:
        raise ValueError(f"{text!r}: a scan takes at most {MOST_ADDRESSES} addresses (a /16); name smaller subnets")
    for number in (span.first, span.last):
        address = ip_address(span.address(number))
        whole = span.family == 6 and not span.swept
        if address.is_multicast or (address.is_unspecified and not whole) or (span.family == 4 and number >> 28 == 15):
            raise ValueError(f"{text!r}: no device has such an address")


class Scope:
    """Where a scan may ask, and where not. Raises ValueError where the spans together are too large."""

    def __init__(
        self, spans: Sequence[Span], exclude: Sequence[Span] = (), ports: Sequence[int] = (SNMP_PORT,)
    ) -> None:
        self.spans = tuple(spans)
        self.exclude = tuple(exclude)
        self._ports = tuple(ports)
        if self.size > MOST_ADDRESSES:
            raise ValueError(f"{self.size} addresses and ports; a scan takes at most {MOST_ADDRESSES} (a /16)")

    @property
    def size(self) -> int:
        """How many addresses and ports are swept, excluded ones included."""
        return sum(span.size * len(span.ports or self._ports) for span in self.spans)

    def admits(self, host: str) -> Span | None:
        """The span in which an address may be asked; None where it may not."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return None
        if any(address in span for span in self.exclude):
            return None
        return next((span for span in self.spans if address in span), None)

    def targets_at(self, host: str) -> list[Target]:
        """Where an address that somebody named is asked; nowhere where it may not be."""
        span = self.admits(host)
        return [Target(host, port) for port in span.ports or self._ports] if span else []

    def sweep(self, random: Random) -> Iterator[Target]:
        """Each target once, in random order: neighbours in a subnet share a switch, whose ARP queue is short."""
        starts: list[int] = []
        total = 0
        for span in self.spans:
            starts.append(total)
            total += span.size * len(span.ports or self._ports)
        order = array("L", range(total))
        random.shuffle(order)
        seen: set[tuple[int, int, int]] = set()
        overlapping = len(self.spans) > 1
        for place in order:
            which = _last_at_most(starts, place)
            span = self.spans[which]
            ports = span.ports or self._ports
            number, at = divmod(place - starts[which], len(ports))
            number += span.first
            if any(other.family == span.family and other.first <= number <= other.last for other in self.exclude):
                continue
            key = (span.family, number, ports[at])
            if overlapping and key in seen:
                continue
            if overlapping:
                seen.add(key)
            yield Target(span.address(number), ports[at])


def _last_at_most(starts: Sequence[int], place: int) -> int:
    found = 0
    for index, start in enumerate(starts):
        if start <= place:
            found = index
    return found


def parse_spans(texts: Iterable[str]) -> list[Span]:
    """As `parse_span`, of several."""
    return [parse_span(text) for text in texts]
