"""RTSP: does a camera's or recorder's stream server answer OPTIONS? (RFC 2326, section 10.1; RFC 7826, 13.1)"""

from __future__ import annotations

import asyncio
import re

from fenghuo_agent.inputs.probe.options import RtspTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.stream import Dialler
from fenghuo_agent.inputs.probe.target import Target

FIELDS = (
    "probe_rtsp_status_code",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
)
MAX_HEAD = 16_384
_STATUS = re.compile(rb"RTSP/[12]\.[0-9] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_CSEQ = re.compile(rb"^cseq[ \t]*:[ \t]*([0-9]{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class RtspProbe:
    """Asks what a server can do, which needs no password."""

    def __init__(self, target: Target[RtspTarget], dialler: Dialler) -> None:
        self._target = target
        self._dialler = dialler

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed` where no answer comes, or one with another status than those that are right."""
        target, settings, clock = self._target, self._target.settings, self._dialler.clock
        tls = settings.tls if target.instance.startswith("rtsps:") else None
        async with self._dialler.dial(target.host, target.port, findings, protocol=settings.ip, tls=tls) as streams:
            began = clock()
            streams[1].write(f"OPTIONS {target.instance} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Fenghuo\r\n\r\n".encode())
            status = _status(await _head(streams[0]))
            findings.took("processing", clock() - began)
        findings.values["probe_rtsp_status_code"] = status
        if status not in settings.status:
            raise ProbeFailed("status", f"it answers {status}")


async def _head(reader: asyncio.StreamReader) -> bytes:
    """All up to the empty line, bounded."""
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        more = await reader.read(4096)
        head += more
        if not more:
            raise ProbeFailed("protocol", "the connection ended before an answer")
        if len(head) > MAX_HEAD:
            raise ProbeFailed("protocol", f"an answer's headers are longer than {MAX_HEAD} bytes")
    return head


def _status(head: bytes) -> int:
    found = _STATUS.match(head)
    if found is None:
        raise ProbeFailed("protocol", f"what comes is no RTSP: {head[:60]!r}")
    number = _CSEQ.search(head)
    if number is not None and int(number[1]) != 1:
        raise ProbeFailed("protocol", "it answers what was not asked (CSeq)")
    return int(found[1])
