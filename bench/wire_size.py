"""Bytes a value on the wire: a 48-port switch under traffic, labels included, by itself and with others in a frame."""

from __future__ import annotations

import random
import time

from bench.load import Switch
from fenghuo.model import AgentId
from fenghuo.wire import Frame, Stream, encode_frame, encode_tables
from fenghuo.wire.body import count_items
from fenghuo.wire.frame import compress

POLLS = 50


def run() -> dict[str, object]:
    """Bytes a value by number of switches in a frame, and what encoding costs."""
    results: dict[str, object] = {}
    for switches in (1, 10, 30):
        devices = [Switch(f"sw-{number}", random.Random(number)) for number in range(switches)]
        size = values = 0
        cpu = 0.0
        for poll in range(POLLS):
            tables = [device.poll(1_767_225_600_000 + poll * 60_000 + number) for number, device in enumerate(devices)]
            began = time.process_time()
            body = compress(encode_tables(tables))
            cpu += time.process_time() - began
            count = count_items(tables)
            header = Frame(
                str(AgentId.parse("bj/haidian/zgc-no1/gw1")),
                "s" * 36,
                "b" * 36,
                Stream.METRICS,
                poll + 1,
                1,
                0,
                count,
                1,
            )
            size += len(encode_frame(header, body))
            values += count
        results[f"switches_in_a_frame_{switches}"] = {
            "bytes_per_value": round(size / values, 2),
            "encode_microseconds_per_value": round(cpu / values * 1e6, 3),
        }
    return results
