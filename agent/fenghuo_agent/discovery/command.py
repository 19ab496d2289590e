"""`fenghuo agent discover`: one scan by hand, as a table, a document or a file of devices to review."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from fenghuo.cli.output import print_json, say
from fenghuo.clock import SystemClock
from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.discovery.job import Job
from fenghuo_agent.discovery.neighbours import kernel_neighbours
from fenghuo_agent.discovery.outcome import Locked
from fenghuo_agent.discovery.recognise import recogniser, shipped
from fenghuo_agent.discovery.scan import Scan, neighbour_hints
from fenghuo_agent.once import aligned

TELL_EVERY = 1.0
COLUMNS = ("ADDRESS", "NAME", "VENDOR", "MODEL", "TYPE", "FOUND BY", "CREDENTIAL")
MAX_WIDTH = 32


@dataclass(slots=True)
class Outcome:
    """What came of it. `interrupted` where somebody pressed Ctrl-C."""

    scan: Scan
    attempts: Attempts
    devices: list[Found]
    seconds: float
    interrupted: bool = False

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "devices": [device.document() for device in self.devices],
            "locked": [_locked(each) for each in self.scan.locked],
            "elsewhere": [
                {"asked": asked.instance, "answered": source.instance} for asked, source in self.scan.strays.items()
            ],
            "outside": [{"address": address, "how": how} for address, how in self.scan.outside.items()],
            "counts": asdict(self.scan.counts) | {"withheld": self.attempts.withheld},
            "seconds": round(self.seconds, 3),
            "complete": not self.interrupted,
        }


def _locked(each: Locked) -> dict[str, Any]:
    return {"address": each.target.instance, "engine": each.engine.hex(), "refused": each.refused}


async def discover(job: Job) -> Outcome:
    """Scan, telling on standard error how far it is. Ctrl-C ends it early, with what was found so far."""
    clock, random = SystemClock(), Random()
    memory = store.load(job.state)
    attempts = Attempts(job.wrong_attempts, clock, memory.salt)
    with contextlib.suppress(ValueError):
        attempts.restore(memory.attempts)
    scan = Scan(
        job.scope,
        job.credentials_of,
        manners=job.manners,
        attempts=attempts,
        recognise=recogniser(shipped(job.profiles)),
        clock=clock,
        random=random,
    )
    say(f"asking {job.scope.size} addresses, at most {job.manners.rate} datagrams a second")
    began = clock.monotonic()
    telling = asyncio.create_task(_tell(scan))
    interrupted = False
    try:
        await scan.run(hints=neighbour_hints(job.scope, kernel_neighbours()))
    except asyncio.CancelledError:
        interrupted = True
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    store.save_attempts(job.state, attempts, memory.salt)
    return Outcome(scan, attempts, scan.devices(), clock.monotonic() - began, interrupted)


async def _tell(scan: Scan) -> None:
    total = scan.scope.size
    while True:
        await asyncio.sleep(TELL_EVERY)
        counts = scan.counts
        line = f"asked {counts.asked} of {total} addresses, {counts.datagrams + counts.sessions} datagrams, {counts.opened} devices"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()


def run(job: Job) -> Outcome:
    """As `discover`, in an event loop of its own, with Ctrl-C heard."""

    async def interruptible() -> Outcome:
        task = asyncio.create_task(discover(job))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, task.cancel)
        return await task

    outcome = asyncio.run(interruptible())
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return outcome


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print the result on standard output, and what else was seen on standard error."""
    if as_json:
        print_json(outcome.document())
    else:
        for line in table(outcome.devices):
            sys.stdout.write(f"{line}\n")
    for line in remarks(outcome):
        say(line)


def write(outcome: Outcome, job: Job, path: Path) -> None:
    """Add what is new to the devices file. Raises `Located`, `Retryable` or `Permanent` where it cannot be."""
    from fenghuo_agent.discovery.devices_file import write_devices  # noqa: PLC0415 — only on request

    today = dt.datetime.now(dt.UTC).date()
    added = write_devices(path, outcome.devices, job.names, today)
    say(f"{path}: {added} devices added, {len(outcome.devices) - added} were there")


def table(devices: Sequence[Found]) -> list[str]:
    """Lines of a table, one a device."""
    rows = [
        (
            device.instance + (f" (+{len(device.also)})" if device.also else ""),
            *(device.name or "-", device.vendor or "-", device.model or "-", device.type or "-"),
            device.how,
            f"{device.credential} (v{device.version})",
        )
        for device in devices
    ]
    if not rows:
        return []
    cut = [tuple(cell if len(cell) <= MAX_WIDTH else cell[: MAX_WIDTH - 1] + "…" for cell in row) for row in rows]
    return list(aligned([COLUMNS, *cut]))


def remarks(outcome: Outcome) -> list[str]:
    """What an admin should know beside the devices."""
    scan, counts = outcome.scan, outcome.scan.counts
    sent = counts.datagrams + counts.sessions
    lines = [
        f"{len(outcome.devices)} devices at {counts.opened} of {counts.asked} addresses; {sent} datagrams in {outcome.seconds:.0f} s",
        f"no SNMP at {counts.closed}, nobody at {counts.nobody}, silence at {counts.silent} addresses",
    ]
    for each in scan.locked[:20]:
        reasons = (
            ", ".join(f"{name}: {reason}" for name, reason in each.refused.items()) or "no credential is for version 3"
        )
        lines.append(f"{each.target.instance} speaks SNMP but lets no credential in ({reasons})")
    for asked, source in list(scan.strays.items())[:20]:
        lines.append(f"{asked.instance} was asked, and {source.instance} answered: ask it there")
    if scan.outside:
        shown = ", ".join(list(scan.outside)[:10])
        lines.append(f"neighbours outside of what may be asked ({len(scan.outside)}): {shown}")
    if counts.forbidden:
        lines.append(f"{counts.forbidden} addresses are closed to this host by a firewall that says so")
    if outcome.interrupted:
        lines.append("interrupted: there may be more")
    return lines
