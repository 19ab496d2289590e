"""The real agent with an input that makes load: events and tables that it writes down before it hands them on.

Run: `python loaded_agent.py CONFIG LOG EVENTS_PER_SECOND [SECONDS]`; with SECONDS it first hands on readings of that long
a past, a table each 15 s. A line of the log is `ID TIME` for an event, `table TIME VALUES` for a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from random import Random

import typer
from prometheus_client import CollectorRegistry

from fenghuo.cli.running import run_until_stopped
from fenghuo.clock import SystemClock
from fenghuo.config import load
from fenghuo.ids import uuid7
from fenghuo.model import Event, Layout, Table
from fenghuo_agent.app import started
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs.base import Accumulator

PORTS = [str(number) for number in range(1, 49)]
STEP = 0.05
PAST_STEP_MS = 15_000
LAYOUT = Layout("interface", {"job": "load", "instance": "x", "device": "sw"}, {"ifIndex": PORTS}, ("ifHCInOctets",))


class Load:
    """Every 50 ms a share of the second's events, and a table of 48 ports."""

    name = "load"
    datasets: frozenset[str] = frozenset()

    def __init__(self, log: Path, rate: int, past: int) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._each = round(rate * STEP)
        self._past = past

    def _table(self, accumulator: Accumulator, time: int) -> None:
        os.write(self._log, f"table {time} {len(PORTS)}\n".encode())
        accumulator.table(Table(LAYOUT, time, [[time + number for number in range(len(PORTS))]]))

    async def run(self, accumulator: Accumulator) -> None:
        clock = SystemClock()
        now = clock.now()
        for time in range(now - 1000 * self._past, now, PAST_STEP_MS):
            self._table(accumulator, time)
        while True:
            now = clock.now()
            events = [
                Event(uuid7(now), now, {"event": {"dataset": "load"}, "message": "load"}) for _ in range(self._each)
            ]
            os.write(self._log, "".join(f"{event.id} {now}\n" for event in events).encode())
            for event in events:
                accumulator.event(event)
            self._table(accumulator, now)
            await asyncio.sleep(STEP)

    async def once(self, accumulator: Accumulator) -> None:
        raise NotImplementedError


async def main(config: Path, log: Path, rate: int, past: int = 0) -> None:
    loaded = load(config, AgentConfig, env=os.environ)
    async with started(loaded, [Load(log, rate, past)], SystemClock(), Random(), CollectorRegistry()) as supervisor:
        await supervisor.run()


if __name__ == "__main__":
    with contextlib.suppress(typer.Exit):
        run_until_stopped(lambda: main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])))
