"""What the agent's own machine knows of the network: its MACs, its gateway, its ARP table (Linux; elsewhere nothing)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from fenghuo_agent.topology import decode
from fenghuo_agent.topology.seen import Bindings

COMPLETE = 0x2


@dataclass(frozen=True, slots=True)
class Host:
    """`macs` are the agent's own, `gateway` the address of its default router, or empty; `networks` are those it is in itself."""

    macs: frozenset[int] = frozenset()
    gateway: str = ""
    bindings: Bindings | None = None
    networks: tuple[IPv4Network, ...] = ()

    def beyond(self, address: str) -> bool:
        """Whether the way to an address goes by the gateway; not known, and so no, for version 6."""
        try:
            found = IPv4Address(address)
        except ValueError:
            return False
        return bool(self.gateway and self.networks) and not any(found in network for network in self.networks)


def read_host(proc: Path = Path("/proc/net"), interfaces: Path = Path("/sys/class/net")) -> Host:
    """What it knows now; what cannot be read is left out."""
    routes = _lines(proc / "route")
    return Host(_macs(interfaces), _gateway(routes), Bindings(_arp(_lines(proc / "arp"))), _networks(routes))


def _macs(interfaces: Path) -> frozenset[int]:
    try:
        found = {decode.parse_mac(path.read_text().strip()) for path in interfaces.glob("*/address")}
    except OSError:
        return frozenset()
    return frozenset(mac for mac in found if mac)


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return []


def _gateway(routes: list[list[str]]) -> str:
    """The gateway of the default route with the lowest metric; addresses stand there as little-endian hexadecimals."""
    found = [
        (int(route[6]), str(IPv4Address(bytes.fromhex(route[2])[::-1])))
        for route in routes
        if len(route) > 7 and route[1] == route[7] == "00000000" and route[2] != "00000000"
    ]
    return min(found)[1] if found else ""


def _networks(routes: list[list[str]]) -> tuple[IPv4Network, ...]:
    """The networks that are reached without a gateway, and loopback."""
    local = [(route[1], route[7]) for route in routes if len(route) > 7 and route[2] == "00000000" != route[7]]
    found = [
        IPv4Network((bytes.fromhex(net)[::-1], str(IPv4Address(bytes.fromhex(mask)[::-1])))) for net, mask in local
    ]
    return (IPv4Network("127.0.0.0/8"), *found) if found else ()


def _arp(rows: list[list[str]]) -> list[tuple[int, str]]:
    return [
        (mac, row[0])
        for row in rows
        if len(row) >= 4 and int(row[2], 16) & COMPLETE and (mac := decode.parse_mac(row[3])) and decode.useful(row[0])
    ]
