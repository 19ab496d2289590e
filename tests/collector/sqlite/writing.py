"""A process that writes to a store without end and says what is on the disk, until it is killed.

python writing.py FOLDER FIRST: prints the number of each write once it is durable; `FIRST` is the first number.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Event, Layout, Table
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite import SqliteConfig, SqliteSink

START = 1_767_225_600_000
AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")


def values(number: int) -> list[int]:
    return [number * 1_000_003 + port for port in range(8)]


async def main(folder: Path, first: int) -> None:
    layout = Layout("interface", {"device": "sw1"}, {"ifName": [str(port) for port in range(8)]}, ("ifHCInOctets",))
    clock = VirtualClock(START + first * 60_000)
    config = SqliteConfig(path=folder, window=600.0, maintenance_interval=0.05)
    sink = SqliteSink(config, clock=clock, registry=CollectorRegistry())
    await sink.start()
    for number in range(first, first + 100_000):
        clock.advance(60)
        time = START + number * 60_000
        table = Table(layout, time, [values(number)])
        event = Event(f"event-{number}", time, {"message": f"number {number}", "event": {"dataset": "x"}})
        await sink.write(
            [
                Batch(AGENT, Stream.METRICS, number, clock.now(), tables=[table]),
                Batch(AGENT, Stream.EVENTS, number, clock.now(), events=[event]),
            ]
        )
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
