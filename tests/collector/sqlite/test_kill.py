"""kill -9 in the midst of writing and compacting: what was said to be stored is there, and nothing else is wrong."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from .stores import AGENT, START, store
from .writing import values

ROUNDS = 6


async def test_what_was_acknowledged_survives_kill_9(tmp_path):
    dice = random.Random(11)
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        first = acknowledged[-1] + 2 if acknowledged else 0
        acknowledged += write_and_kill(tmp_path, first, dice.randint(20, 150))
    async with store(tmp_path, window=600) as sink:
        for compacted in (False, True):
            if compacted:
                await sink.maintain()
            for port in (0, 7):
                (series,) = sink.query.series(
                    AGENT, "interface", "ifHCInOctets", {"ifName": str(port)}, 0, 2**50, max_points=10**9
                )
                found = {(time - START) // 60_000: value for time, value in series.points}
                assert set(acknowledged) <= set(found)
                assert all(value == values(number)[port] for number, value in found.items())
        for number in acknowledged:
            assert sink.query.event(f"event-{number}") is not None
        texts = {event.id for event in sink.query.events("number", limit=10_000)}
        assert {f"event-{number}" for number in acknowledged} <= texts
        for file in (sink._metrics_file, sink._events_file):
            assert file._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with sink._readers.borrow() as connection:
            assert connection.execute("SELECT count(*) FROM chunk").fetchone()[0] > 0, "compaction never ran"


def write_and_kill(folder: Path, first: int, writes: int) -> list[int]:
    """The numbers of the writes that a process reported before it was killed."""
    command = [sys.executable, str(Path(__file__).with_name("writing.py")), str(folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline() for _ in range(writes)]
        finally:
            process.kill()
        said += process.stdout.readlines()
    return [int(line) for line in said if line.endswith("\n")]
