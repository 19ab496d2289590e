"""A process that spools, commits and says what was confirmed, until it is killed."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.wire import Span, Stream
from fenghuo_agent.spool import Entry, Spool, SpoolConfig

STREAMS = (Stream.ALERTS, Stream.EVENTS, Stream.METRICS)


async def main(path: Path, seed: int) -> None:
    dice = random.Random(seed)
    spool = Spool.open(SpoolConfig(path=path, reserve=2**20), SystemClock(), CollectorRegistry())
    last = {stream: spool.depth(stream).last for stream in STREAMS}
    print("ready", flush=True)
    while True:
        entries = [Entry(dice.choice(STREAMS), os.urandom(dice.randrange(20_000)), 1) for _ in range(dice.randrange(8))]
        for entry in entries:
            last[entry.stream] += 1
        await spool.append(entries, {"events": str(last[Stream.EVENTS]).encode()})
        sys.stdout.write("".join(f"{stream} {last[stream]}\n" for stream in STREAMS))
        sys.stdout.flush()
        stream = dice.choice(STREAMS)
        spool.commit(spool.id, stream, [Span(1, last[stream] - dice.randrange(10))])


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
