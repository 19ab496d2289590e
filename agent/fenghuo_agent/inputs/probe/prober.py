"""One target's probe, from the question to the tables."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from fenghuo.clock import Clock
from fenghuo.model import Table
from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.icmp import Echoes
from fenghuo_agent.inputs.probe.outcome import CannotProbe, Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Resolver
from fenghuo_agent.inputs.probe.stream import Contexts, Dialler
from fenghuo_agent.inputs.probe.tables import Tables
from fenghuo_agent.inputs.probe.tally import Tally
from fenghuo_agent.inputs.probe.target import Target

_log = logging.getLogger(__name__)

Explained = Callable[[str], str | None]
"""IP address (or name, where it has none) → the dead device upstream that explains why it does not answer; None where nothing does."""


class Probe(Protocol):
    """What one kind does."""

    async def ask(self, findings: Findings) -> None:
        """Ask, and note what is found, also where it then raises `ProbeFailed` or `CannotProbe`."""
        ...


@dataclass(slots=True)
class Shared:
    """What all targets share."""

    clock: Clock
    tally: Tally
    resolver: Resolver
    echoes: Echoes
    dialler: Dialler
    explained: Explained

    @classmethod
    def make(cls, clock: Clock, explained: Explained) -> Shared:
        """Nothing is opened yet."""
        resolver, echoes = Resolver(), Echoes()
        dialler = Dialler(resolver, Contexts(clock.monotonic), clock.monotonic)
        return cls(clock, Tally(echoes.strays), resolver, echoes, dialler, explained)

    def close(self) -> None:
        """Let go of sockets and threads."""
        self.echoes.close()
        self.resolver.close()


class Prober:
    """Probes one target and tells what came of it. `state` is `unknown`, `up` or `down`."""

    def __init__(self, target: Target[Any], shared: Shared) -> None:
        self.target = target
        self.state = "unknown"
        self._shared = shared
        self._probe, fields, phases = _kind(target, shared)
        self._tables = Tables(target, fields, phases)
        shared.tally.targets["unknown"] = shared.tally.targets.get("unknown", 0) + 1

    async def probe(self) -> tuple[list[Table], ProbeFailed | CannotProbe | None]:
        """Probe once, within the timeout: what was found, and what is wrong. No tables where this host could not ask."""
        shared, target, findings = self._shared, self.target, Findings()
        began = shared.clock.monotonic()
        failed: ProbeFailed | CannotProbe | None = None
        try:
            async with asyncio.timeout(target.timeout):
                await self._probe.ask(findings)
        except (ProbeFailed, CannotProbe) as error:
            failed = error
        except TimeoutError:
            failed = ProbeFailed("timeout", f"no answer within {target.timeout:g} s")
        except Exception as error:  # noqa: BLE001 — one target's surprise must not end the others
            _log.error("%s %s: unexpected %r", target.kind, target.instance, error)
            _log.debug("where it came from", exc_info=True)
            failed = CannotProbe("unexpected", f"unexpected {error!r}")
        shared.tally.probe(target.kind, failed.reason if failed else "ok")
        self._note(failed)
        if isinstance(failed, CannotProbe):
            return [], failed
        values = findings.values
        values["probe_success"] = int(failed is None)
        values["probe_explained"] = int(failed is not None and self._is_explained(findings.address))
        values["probe_duration_seconds"] = shared.clock.monotonic() - began
        values["probe_timeout_seconds"] = target.timeout
        return list(self._tables.make(findings, shared.clock.now())), failed

    def end(self) -> Iterator[Table]:
        """The tables that say that the target's series end."""
        self._shared.tally.move(self.state, "unknown")
        self._shared.tally.targets["unknown"] -= 1
        return self._tables.end(self._shared.clock.now())

    def _is_explained(self, address: str) -> bool:
        by = self._shared.explained(address or self.target.host)
        if by is None:
            return False
        self._shared.tally.explained += 1
        _log.debug("%s is explained by %s", self.target.instance, by)
        return True

    def _note(self, failed: ProbeFailed | CannotProbe | None) -> None:
        """Log where the state changes."""
        target = self.target
        after = "unknown" if isinstance(failed, CannotProbe) else "down" if failed else "up"
        before, self.state = self.state, after
        self._shared.tally.move(before, after)
        if before == after:
            return
        extra = {"device": target.device, "instance": target.instance}
        if isinstance(failed, ProbeFailed):
            _log.warning("%s %s: %s", target.kind, target.instance, failed, extra=extra)
        elif after == "up" and before == "down":
            _log.info("%s %s answers again", target.kind, target.instance, extra=extra)


def targets(config: ProbeConfig) -> Iterator[Target[Any]]:
    """Every target that the configuration names."""
    for entry, asked in config.each():
        interval, timeout = config.interval_of(entry), config.timeout_of(entry)
        yield Target(
            entry.kind,
            asked.instance,
            asked.device,
            asked.host,
            asked.port,
            asked.path,
            interval,
            timeout,
            entry.labels,
            entry,
        )


def _kind(target: Target[Any], shared: Shared) -> tuple[Probe, tuple[str, ...], tuple[str, ...]]:
    """What probes a target of its kind, the values that it finds, and its phases. Each kind is imported where it is used."""
    connecting = ("resolve", "connect", "tls")
    dialler, clock = shared.dialler, shared.clock
    if target.kind == "icmp":
        from fenghuo_agent.inputs.probe import icmp  # noqa: PLC0415 — what is not used takes no memory

        return (
            icmp.IcmpProbe(target, shared.resolver, shared.echoes, clock.monotonic),
            icmp.FIELDS,
            ("resolve", "setup", "rtt"),
        )
    if target.kind == "tcp":
        from fenghuo_agent.inputs.probe import tcp  # noqa: PLC0415 — see above

        return tcp.TcpProbe(target, dialler), tcp.FIELDS, (*connecting, "banner")
    if target.kind == "http":
        from fenghuo_agent.inputs.probe import http  # noqa: PLC0415 — see above

        return http.HttpProbe(target, dialler), http.FIELDS, (*connecting, "processing", "transfer")
    if target.kind == "dns":
        from fenghuo_agent.inputs.probe import dns  # noqa: PLC0415 — see above

        return dns.DnsProbe(target, dialler), dns.FIELDS, ("resolve", "connect", "request")
    if target.kind == "ntp":
        from fenghuo_agent.inputs.probe import ntp  # noqa: PLC0415 — see above

        return ntp.NtpProbe(target, shared.resolver, clock.monotonic), ntp.FIELDS, ("resolve", "request")
    if target.kind == "rtsp":
        from fenghuo_agent.inputs.probe import rtsp  # noqa: PLC0415 — see above

        return rtsp.RtspProbe(target, dialler), rtsp.FIELDS, (*connecting, "processing")
    from fenghuo_agent.inputs.probe import onvif  # noqa: PLC0415 — see above

    return onvif.OnvifProbe(target, dialler, clock.now), onvif.FIELDS, (*connecting, "processing", "transfer")
