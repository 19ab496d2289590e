"""TCP: does a port take connections, and does what answers say what it should?"""

from __future__ import annotations

import asyncio

from fenghuo_agent.inputs.probe.options import TcpTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.pattern import Pattern
from fenghuo_agent.inputs.probe.stream import Dialler
from fenghuo_agent.inputs.probe.target import Target

MAX_BANNER = 4096
FIELDS = (
    "probe_failed_due_to_regex",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
)


class TcpProbe:
    """Connects, with `tls` makes the handshake, and with `banner` waits until what comes fits."""

    def __init__(self, target: Target[TcpTarget], dialler: Dialler) -> None:
        self._target = target
        self._dialler = dialler
        settings = target.settings
        self._banner = Pattern(settings.banner) if settings.banner else None
        self._send = settings.send.encode() if settings.send else b""

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed`."""
        target, settings = self._target, self._target.settings
        tls = settings.tls_options
        async with self._dialler.dial(target.host, target.port, findings, protocol=settings.ip, tls=tls) as streams:
            if self._send:
                streams[1].write(self._send)
            if self._banner is not None:
                began = self._dialler.clock()
                await self._read(streams[0], self._banner, findings)
                findings.took("banner", self._dialler.clock() - began)

    async def _read(self, reader: asyncio.StreamReader, banner: Pattern, findings: Findings) -> None:
        findings.values["probe_failed_due_to_regex"] = 0
        text = b""
        while not banner.found_in(text):
            more = await reader.read(MAX_BANNER - len(text)) if len(text) < MAX_BANNER else b""
            if not more:
                findings.values["probe_failed_due_to_regex"] = 1
                raise ProbeFailed("banner", f"what it says does not fit `banner`: {text[:80]!r}")
            text += more
