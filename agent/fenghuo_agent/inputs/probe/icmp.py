"""ICMP: does a host answer echo requests, how fast, and how many get lost?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fenghuo_agent.inputs.probe.echo import Echo, EchoSocket, Strays
from fenghuo_agent.inputs.probe.options import IcmpTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Resolver
from fenghuo_agent.inputs.probe.target import Target

FIELDS = (
    "probe_icmp_reply_hop_limit",
    "probe_icmp_sent",
    "probe_icmp_lost",
    "probe_icmp_loss_ratio",
    "probe_icmp_rtt_min_seconds",
    "probe_icmp_rtt_avg_seconds",
    "probe_icmp_rtt_max_seconds",
)
MARGIN = 0.05
"""Seconds kept of the deadline, to tell what came by then."""


class Echoes:
    """The sockets of all targets: one for each family that is asked."""

    def __init__(self) -> None:
        self.strays = Strays()
        self._sockets: dict[int, EchoSocket] = {}

    def get(self, family: int) -> EchoSocket:
        """The socket of a family, open."""
        made = self._sockets.get(family)
        if made is None:
            made = self._sockets[family] = EchoSocket(family, self.strays)
        made.open()
        return made

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()


class IcmpProbe:
    """Sends `count` requests, `gap` apart, and waits for their replies until the deadline."""

    def __init__(
        self, target: Target[IcmpTarget], resolver: Resolver, echoes: Echoes, clock: Callable[[], float]
    ) -> None:
        self._target = target
        self._resolver = resolver
        self._echoes = echoes
        self._clock = clock

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed` where no request was answered."""
        target, settings = self._target, self._target.settings
        began = self._clock()
        address = await self._resolver.find(target.host, 0, settings.ip, findings, self._clock)
        setup = self._clock()
        sock = self._echoes.get(address.family)
        findings.took("setup", self._clock() - setup)
        replies: list[asyncio.Future[Echo]] = []
        numbers: list[int] = []
        try:
            for number in range(settings.count):
                if number:
                    await asyncio.sleep(settings.gap)
                sent, reply = sock.send(address, settings.size)
                numbers.append(sent)
                replies.append(reply)
            left = target.timeout - MARGIN - (self._clock() - began)
            await asyncio.wait(replies, timeout=max(left, 0.0))
        finally:
            for number in numbers:
                sock.forget(number)
        _report(replies, findings)


def _report(replies: list[asyncio.Future[Echo]], findings: Findings) -> None:
    heard = [reply.result() for reply in replies if reply.done() and reply.exception() is None]
    values = findings.values
    values["probe_icmp_sent"] = len(replies)
    values["probe_icmp_lost"] = len(replies) - len(heard)
    values["probe_icmp_loss_ratio"] = (len(replies) - len(heard)) / len(replies)
    if not heard:
        for reply in replies:
            error = reply.exception() if reply.done() else None
            if error is not None:
                raise error
        raise ProbeFailed("timeout", "no reply to echo requests")
    times = [echo.seconds for echo in heard]
    average = sum(times) / len(times)
    findings.took("rtt", average)
    values["probe_icmp_reply_hop_limit"] = heard[-1].hop_limit
    if len(replies) > 1:
        values["probe_icmp_rtt_min_seconds"] = min(times)
        values["probe_icmp_rtt_avg_seconds"] = average
        values["probe_icmp_rtt_max_seconds"] = max(times)
