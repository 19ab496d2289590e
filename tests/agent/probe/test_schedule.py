"""When targets are probed, on virtual time: every one on its own beat, whatever the others do."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.probe.echo import Strays
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.schedule import FIRST_ROUND, JITTER, Schedule, phase
from fenghuo_agent.inputs.probe.tally import Metrics, Tally


class Time:
    """A clock and a sleep that goes with it: time passes when all sleep."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self._sleepers: list = []
        self._order = itertools.count()

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.clock.monotonic() + max(seconds, 0), next(self._order), woken))
        await woken

    async def pass_until(self, end: float) -> None:
        while True:
            for _ in range(8):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > end:
                self.clock.advance(max(end - self.clock.monotonic(), 0))
                return
            moment, _, woken = heapq.heappop(self._sleepers)
            self.clock.advance(max(moment - self.clock.monotonic(), 0.001))
            if not woken.done():
                woken.set_result(None)


@dataclass
class FakeTarget:
    kind: str
    instance: str
    interval: float = 30.0


@dataclass(eq=False)
class FakeProber:
    """A target whose probes take as long as they are told to."""

    target: FakeTarget
    time: Time
    takes: float = 0.01
    fails: object = None
    state: str = "unknown"
    began: list[float] = field(default_factory=list)

    async def probe(self):
        self.began.append(self.time.clock.monotonic())
        await self.time.sleep(self.takes)
        self.state = "down" if self.fails else "up"
        return [], self.fails


class World:
    def __init__(self) -> None:
        self.time = Time()
        self.tally = Tally(Strays())
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.tally, self.registry)

    def prober(self, name, kind="tcp", interval=30.0, **more) -> FakeProber:
        return FakeProber(FakeTarget(kind, name, interval), self.time, **more)

    @contextlib.asynccontextmanager
    async def running(self, probers, concurrency=128):
        schedule = Schedule(self.time.clock, Random(1), self.tally, self.metrics, concurrency, sleep=self.time.sleep)
        for prober in probers:
            schedule.add(prober)
        task = asyncio.create_task(schedule.run(None))
        try:
            yield schedule
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def world() -> World:
    return World()


async def test_each_target_is_probed_once_an_interval_and_soon_after_the_start(world):
    probers = [world.prober(f"10.0.0.{number}", interval=60) for number in range(50)]
    async with world.running(probers):
        await world.time.pass_until(600)
    for prober in probers:
        assert prober.began[0] < FIRST_ROUND + 60 * JITTER
        assert 9 <= len(prober.began) <= 11
        for earlier, later in list(pairwise(prober.began))[1:]:
            assert later - earlier == pytest.approx(60, abs=60 * JITTER + 0.1)


async def test_probes_are_spread_over_the_interval(world):
    probers = [world.prober(f"10.0.0.{number}", interval=30) for number in range(300)]
    async with world.running(probers):
        await world.time.pass_until(120)
    seconds = defaultdict(int)
    for prober in probers:
        for began in prober.began:
            if 60 <= began < 90:
                seconds[int(began)] += 1
    assert max(seconds.values()) <= 30
    assert len(seconds) == 30


async def test_a_target_s_place_in_its_interval_is_the_same_after_a_restart(world):
    assert phase("10.0.0.1", 30) == phase("10.0.0.1", 30)
    assert phase("10.0.0.1", 30) != phase("10.0.0.2", 30)


async def test_slow_targets_delay_no_other(world):
    slow = [world.prober(f"slow{number}", takes=5, fails=ProbeFailed("timeout", "no answer")) for number in range(200)]
    fast = [world.prober(f"fast{number}") for number in range(20)]
    async with world.running([*slow, *fast], concurrency=8):
        await world.time.pass_until(180)  # until it is known which ones are slow
        for prober in fast:
            prober.began.clear()
        await world.time.pass_until(480)
    for prober in fast:
        assert len(prober.began) == 10
        for earlier, later in pairwise(prober.began):
            assert later - earlier == pytest.approx(30, abs=1)


async def test_a_target_that_is_not_done_is_not_probed_again_and_that_is_counted(world):
    prober = world.prober("10.0.0.1", interval=10, takes=25)
    async with world.running([prober]):
        await world.time.pass_until(100)
    assert all(later - earlier >= 25 for earlier, later in pairwise(prober.began))
    assert world.tally.skipped == 10 - len(prober.began)


async def test_what_a_sleeping_host_missed_is_counted_and_not_made_up_for(world):
    prober = world.prober("10.0.0.1", interval=10)
    async with world.running([prober]):
        await world.time.pass_until(50)
        before = len(prober.began)
        world.time.clock.advance(1000)
        await world.time.pass_until(1051 + 9)
        assert len(prober.began) - before <= 2
        assert 98 <= world.tally.skipped <= 100


async def test_pings_need_no_room(world):
    slow = [world.prober(f"slow{number}", takes=5) for number in range(50)]
    pings = [world.prober(f"ping{number}", kind="icmp") for number in range(50)]
    async with world.running([*slow, *pings], concurrency=1):
        await world.time.pass_until(120)
    assert all(len(prober.began) >= 3 for prober in pings)


async def test_no_more_are_asked_at_once_than_allowed(world):
    now, most = 0, 0

    class Counted(FakeProber):
        async def probe(self):
            nonlocal now, most
            now += 1
            most = max(most, now)
            try:
                return await super().probe()
            finally:
                now -= 1

    probers = [Counted(FakeTarget("tcp", f"t{number}"), world.time, takes=2) for number in range(100)]
    async with world.running(probers, concurrency=7):
        await world.time.pass_until(120)
        assert world.registry.get_sample_value("fenghuo_agent_probe_running") >= 0
    assert most == 7


async def test_a_failure_is_looked_at_again_soon_where_the_interval_is_long(world):
    prober = world.prober("10.0.0.1", interval=600, fails=ProbeFailed("timeout", "no answer"))
    short = world.prober("10.0.0.2", interval=30, fails=ProbeFailed("timeout", "no answer"))
    async with world.running([prober, short]):
        await world.time.pass_until(3000)
        gaps = [later - earlier for earlier, later in pairwise(prober.began)]
        assert gaps[:3] == pytest.approx([20] * 3, abs=1.1)
        assert gaps[4:] == pytest.approx([600] * len(gaps[4:]), abs=1.1)
        assert len(short.began) <= 101
        prober.fails = None
        await world.time.pass_until(3700)
        prober.fails = ProbeFailed("timeout", "no answer")
        prober.began.clear()
        await world.time.pass_until(4500)
    assert [later - earlier for earlier, later in pairwise(prober.began)][:3] == pytest.approx([20] * 3, abs=1.1)
    assert world.tally.skipped == 0


async def test_what_keeps_this_host_from_asking_is_told_once_in_ten_minutes(world, caplog):
    probers = [world.prober(f"t{number}", fails=CannotProbe("permission", "grant it")) for number in range(10)]
    async with world.running(probers):
        await world.time.pass_until(500)
    assert [record.getMessage() for record in caplog.records] == ["grant it"]


async def test_without_targets_it_waits(world):
    async with world.running([]):
        await world.time.pass_until(10)


async def test_targets_come_and_go_while_the_others_keep_their_beat(world):
    stays, goes, comes = (world.prober(name, interval=20) for name in ("stays", "goes", "comes"))
    async with world.running([stays, goes]) as schedule:
        await world.time.pass_until(100)
        schedule.remove(goes)
        schedule.add(comes)
        gone = len(goes.began)
        await world.time.pass_until(200)
    assert len(goes.began) == gone
    assert 100 <= comes.began[0] < 100 + FIRST_ROUND + 2
    assert len(comes.began) >= 5
    assert [later - earlier for earlier, later in pairwise(stays.began)][1:] == pytest.approx(
        [20] * (len(stays.began) - 2), abs=0.6
    )


async def test_a_target_that_went_while_it_was_probed_tells_nothing(world):
    told = []

    class Telling(FakeProber):
        async def probe(self):
            await super().probe()
            return ["table"], None

    class Keep:
        def table(self, table):
            told.append(table)

    prober = Telling(FakeTarget("tcp", "t"), world.time, takes=5)
    schedule = Schedule(world.time.clock, Random(1), world.tally, world.metrics, 8, sleep=world.time.sleep)
    schedule.add(prober)
    task = asyncio.create_task(schedule.run(Keep()))
    while not prober.began:
        await world.time.pass_until(world.time.clock.monotonic() + 1)
    schedule.remove(prober)
    await world.time.pass_until(100)
    task.cancel()
    await asyncio.wait([task])
    assert told == []
