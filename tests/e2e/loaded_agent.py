"""The real agent with an input that makes load: events whose ids it writes down before it hands them on, and readings.

Run: `python loaded_agent.py CONFIG LOG EVENTS_PER_SECOND`.
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


class Load:
    """Every 50 ms a share of the second's events, and a table of 48 ports."""

    name = "load"

    def __init__(self, log: Path, rate: int) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._each = round(rate * STEP)

    async def run(self, accumulator: Accumulator) -> None:
        clock = SystemClock()
        layout = Layout(
            "interface", {"job": "load", "instance": "x", "device": "sw"}, {"ifIndex": PORTS}, ("ifHCInOctets",)
        )
        while True:
            now = clock.now()
            events = [
                Event(uuid7(now), now, {"event": {"dataset": "load"}, "message": "load"}) for _ in range(self._each)
            ]
            os.write(self._log, "".join(f"{event.id} {now}\n" for event in events).encode())
            for event in events:
                accumulator.event(event)
            accumulator.table(Table(layout, now, [[now + number for number in range(48)]]))
            await asyncio.sleep(STEP)

    async def once(self, accumulator: Accumulator) -> None:
        raise NotImplementedError


async def main(config: Path, log: Path, rate: int) -> None:
    loaded = load(config, AgentConfig, env=os.environ)
    async with started(loaded, [Load(log, rate)], SystemClock(), Random(), CollectorRegistry()) as supervisor:
        await supervisor.run()


if __name__ == "__main__":
    with contextlib.suppress(typer.Exit):
        run_until_stopped(lambda: main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
