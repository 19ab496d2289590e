"""NTP: does a time server answer, is it synchronised, and how far is this host's clock from it? (RFC 5905)"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fenghuo_agent.inputs.probe import udp
from fenghuo_agent.inputs.probe.options import NtpTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Resolver
from fenghuo_agent.inputs.probe.target import Target
from fenghuo_agent.inputs.probe.udp import Received

FIELDS = (
    "probe_ntp_offset_seconds",
    "probe_ntp_delay_seconds",
    "probe_ntp_stratum",
    "probe_ntp_leap",
    "probe_ntp_root_delay_seconds",
    "probe_ntp_root_dispersion_seconds",
    "probe_ntp_precision_seconds",
)
_PACKET = struct.Struct("!BBbbII4sQQQQ")
_VERSION, _CLIENT, _SERVER = 4, 3, 4
_UNSYNCHRONISED = 3
_MAX_STRATUM = 15
_ERA = 1 << 32
_TO_UNIX = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A server's answer: `offset` is what is to be added to this host's clock, in seconds, as are the others."""

    leap: int
    stratum: int
    offset: float
    delay: float
    root_delay: float
    root_dispersion: float
    precision: float
    code: str
    """The reference ID as text: of stratum 0 the kiss code (section 7.4), such as RATE or DENY."""


def request(nonce: bytes) -> bytes:
    """A client's packet. Its transmit time is eight random bytes: the server only repeats them, and nobody off the path
    can; the true time stays with us.
    """
    return _PACKET.pack(_VERSION << 3 | _CLIENT, 0, 0, 0, 0, 0, b"", 0, 0, 0, int.from_bytes(nonce, "big"))


def read(nonce: bytes, received: Received) -> Reading | None:
    """What an answer says; None where it is none to the request with this nonce (section 8, origin timestamp)."""
    if len(received.data) < _PACKET.size:
        return None
    (flags, stratum, _poll, precision, root_delay, root_dispersion, reference, _, origin, arrived, sent) = (
        _PACKET.unpack_from(received.data)
    )
    if flags & 7 != _SERVER or origin != int.from_bytes(nonce, "big"):
        return None
    there = (_unix(arrived, received.sent) - received.sent) / 1e9
    back = (_unix(sent, received.arrived) - received.arrived) / 1e9
    inside = (_unix(sent, received.arrived) - _unix(arrived, received.sent)) / 1e9
    return Reading(
        flags >> 6,
        stratum,
        (there + back) / 2,
        max((received.arrived - received.sent) / 1e9 - inside, 0.0),
        root_delay / 65_536,
        root_dispersion / 65_536,
        2.0**precision,
        reference.decode("ascii", "replace").rstrip("\0"),
    )


def _unix(timestamp: int, near: int) -> int:
    """An NTP timestamp in Unix nanoseconds, of the era that is nearest to `near` (section 6)."""
    seconds, fraction = timestamp >> 32, timestamp & 0xFFFFFFFF
    unix = seconds - _TO_UNIX
    unix += round((near // 1_000_000_000 - unix) / _ERA) * _ERA
    return unix * 1_000_000_000 + (fraction * 1_000_000_000 >> 32)


class NtpProbe:
    """Asks once."""

    def __init__(
        self,
        target: Target[NtpTarget],
        resolver: Resolver,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._target = target
        self._resolver = resolver
        self._clock = clock
        self._entropy = entropy

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed` where no answer comes, or one of a server that does not know the time itself."""
        target = self._target
        address = await self._resolver.find(target.host, target.port, target.settings.ip, findings, self._clock)
        nonce = self._entropy(8)
        began = self._clock()
        reading = await udp.exchange(address, request(nonce), partial(read, nonce))
        findings.took("request", self._clock() - began)
        values = findings.values
        values["probe_ntp_stratum"] = reading.stratum
        values["probe_ntp_leap"] = reading.leap
        if reading.stratum == 0:
            raise ProbeFailed("kiss", f"the server wants no questions from us ({reading.code})")
        if reading.leap == _UNSYNCHRONISED or reading.stratum > _MAX_STRATUM:
            raise ProbeFailed("unsynchronised", "the server does not know the time itself")
        values["probe_ntp_offset_seconds"] = reading.offset
        values["probe_ntp_delay_seconds"] = reading.delay
        values["probe_ntp_root_delay_seconds"] = reading.root_delay
        values["probe_ntp_root_dispersion_seconds"] = reading.root_dispersion
        values["probe_ntp_precision_seconds"] = reading.precision
