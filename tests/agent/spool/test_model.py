"""The spool against a model of a few lines: whatever is done to it, in whatever order."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import shutil
import tempfile
from pathlib import Path

import zstandard
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.wire import Span, Stream
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool import Entry, Spool, SpoolConfig
from fenghuo_agent.spool.batch import EVICTION, footprint

CAP = 2**18
NOISE = random.Random(1).randbytes(100_000)
streams = st.sampled_from(DATA_STREAMS)
sizes = st.sampled_from([0, 50, 5_000, 70_000])
batches = st.lists(st.tuples(streams, sizes, st.integers(0, 9)), max_size=6)
spans = st.builds(lambda first, length: Span(first, first + length), st.integers(-3, 60), st.integers(0, 12))


@dataclasses.dataclass
class Held:
    sequence: int
    count: int
    size: int
    created: int


@dataclasses.dataclass
class Model:
    """What a stream should hold."""

    held: list[Held] = dataclasses.field(default_factory=list)
    last: int = 0
    dropped: int = 0
    refused: int = 0


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = VirtualClock()
        self.model = {stream: Model() for stream in DATA_STREAMS}
        self.diverting = False
        self.saved = b""
        self.spool = self.open()

    def open(self) -> Spool:
        async def opening():
            config = SpoolConfig(path=self.folder / "spool.db", cap=CAP, reserve=0)
            return Spool.open(config, self.clock, CollectorRegistry())

        return self.loop.run_until_complete(opening())

    def run(self, awaitable):
        async def waiting():
            return await awaitable

        return self.loop.run_until_complete(waiting())

    def settle(self):
        self.run(self.spool.append([], {}))

    @rule(batches=batches, state=st.binary(max_size=5))
    def append(self, batches, state):
        self.run(self.spool.append([Entry(s, incompressible(size), n) for s, size, n in batches], {"key": state}))
        self.saved = state
        # The spool writes what is most urgent first.
        for stream, size, count in sorted(batches, key=lambda batch: DATA_STREAMS.index(batch[0])):
            self.take(stream, size, count)

    def take(self, stream, size, count):
        if stream is Stream.METRICS:
            metrics = self.model[Stream.METRICS].held
            if not metrics:
                self.diverting = False
            elif self.clock.now() - metrics[0].created > 60_000:
                self.diverting = True
            stream = Stream.BACKFILL if self.diverting else Stream.METRICS
        model = self.model[stream]
        model.last += 1
        model.held.append(Held(model.last, count, footprint(packed(size)), self.clock.now()))
        for victim in EVICTION:
            while sum(held.size for each in self.model.values() for held in each.held) > CAP:
                if not self.model[victim].held:
                    break
                self.model[victim].dropped += self.model[victim].held.pop(0).count

    @rule(stream=streams, spans=st.lists(spans, max_size=3))
    def commit(self, stream, spans):
        self.spool.commit(self.spool.id, stream, spans)
        self.settle()
        model = self.model[stream]
        model.held = [held for held in model.held if not any(s.first <= held.sequence <= s.last for s in spans)]

    @rule(stream=streams, sequence=st.integers(-1, 40))
    def refuse(self, stream, sequence):
        self.spool.refuse(self.spool.id, stream, sequence, "because")
        self.settle()
        model = self.model[stream]
        model.refused += sum(held.count for held in model.held if held.sequence == sequence)
        model.held = [held for held in model.held if held.sequence != sequence]

    @rule(seconds=st.sampled_from([1, 59, 61]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def reopen(self):
        known = self.spool.id
        self.run(self.spool.close())
        self.spool = self.open()
        # Whether metrics are being put behind is found out anew, by the age of the oldest.
        self.diverting = False
        assert self.spool.id == known

    @invariant()
    def agrees(self):
        for stream, model in self.model.items():
            depth = self.spool.depth(stream)
            assert (depth.last, depth.batches) == (model.last, len(model.held))
            assert depth.items == sum(held.count for held in model.held)
            assert depth.bytes == sum(held.size for held in model.held)
            assert (depth.dropped_items, depth.refused_items) == (model.dropped, model.refused)
            assert depth.oldest == (model.held[0].sequence if model.held else model.last + 1)
            assert depth.created == (model.held[0].created if model.held else None)
            found = self.run(self.spool.pending(stream, 0, 1000, 2**30))
            assert [(batch.sequence, batch.count) for batch in found] == [(h.sequence, h.count) for h in model.held]
        assert (self.run(self.spool.load_state("key")) or b"") == self.saved

    def teardown(self):
        self.run(self.spool.close())
        self.loop.close()
        shutil.rmtree(self.folder)


def incompressible(size: int) -> bytes:
    return NOISE[:size]


def packed(size: int) -> int:
    return len(zstandard.ZstdCompressor(level=3).compress(incompressible(size)))


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
