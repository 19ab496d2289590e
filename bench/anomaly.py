"""The anomaly detector: CPU a value and bytes a series, beside a bare EWMA z-score loop; lines a second of a backtest.

python -m bench.anomaly
"""

from __future__ import annotations

import json
import math
import random
import time
import tracemalloc

import msgspec

from fenghuo.rules.anomaly import Detector
from fenghuo.rules.tools.backtest import Recorded, backtest

START = 1_780_272_000_000
STEP = 60_000
VALUES = 20_160
"""A fortnight of values a minute apart."""


def series(seed: int) -> list[float]:
    """A load with a season of the day, noise and bursts."""
    chance = random.Random(seed)
    return [
        50
        + 20 * math.sin(2 * math.pi * i * STEP / 86_400_000)
        + chance.gauss(0, 3)
        + (30 if chance.random() < 0.003 else 0)
        for i in range(VALUES)
    ]


def ewma_z_scores(values: list[float], share: float = 0.01) -> float:
    """What is cheapest: one mean, one variance, one quotient a value."""
    mean, variance, highest = values[0], 1.0, 0.0
    for value in values:
        off = value - mean
        highest = max(highest, abs(off) / math.sqrt(variance))
        mean += share * off
        variance = (1 - share) * (variance + share * off * off)
    return highest


def run() -> dict[str, float]:
    """`us_per_value`, `packed_bytes` (the most seen), `bytes_per_detector` in memory, `ewma_us_per_value`, `backtest_lines_per_second`."""
    kinds = [series(seed) for seed in range(3)]
    cpu = bare = 0.0
    packed = 0
    for values in kinds:
        detector = Detector()
        began = time.process_time()
        for i, value in enumerate(values):
            detector.see(START + i * STEP, value)
        cpu += time.process_time() - began
        packed = max(packed, len(msgspec.msgpack.encode(detector.save())))
        began = time.process_time()
        ewma_z_scores(values)
        bare += time.process_time() - began
    lines = ["timestamp,value", *(f"{START + i * STEP},{value!r}" for i, value in enumerate(kinds[0]))]
    began = time.process_time()
    for line in backtest(lines, Detector(), Recorded()):
        repr(line.score.score)
    streamed = time.process_time() - began
    count = len(kinds) * VALUES
    return {
        "us_per_value": round(cpu / count * 1e6, 2),
        "packed_bytes": packed,
        "bytes_per_detector": resident(kinds[0]),
        "ewma_us_per_value": round(bare / count * 1e6, 2),
        "backtest_lines_per_second": round(VALUES / streamed),
    }


def resident(values: list[float], detectors: int = 50) -> int:
    """Bytes of memory that a detector takes which has seen a day."""
    tracemalloc.start()
    kept = [Detector() for _ in range(detectors)]
    for detector in kept:
        for i in range(0, 1440, 10):
            detector.see(START + i * STEP, values[i])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size // detectors


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
