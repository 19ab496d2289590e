"""A scan's pace, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.discovery.pace import CATCH_UP, Pacer


class Slow:
    """A sleep that lets more time go by than was asked for, as a busy machine does."""

    def __init__(self, clock: VirtualClock, extra: float) -> None:
        self.clock = clock
        self.extra = extra

    async def __call__(self, seconds: float) -> None:
        self.clock.advance(max(0.001, seconds) + self.extra)
        await asyncio.sleep(0)


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1.0 for time in times) for start in times)


@pytest.mark.parametrize("rate", [1, 7, 100])
@pytest.mark.parametrize("extra", [0.0, 0.004, 0.6])
async def test_no_second_has_more_turns_than_the_rate(rate: int, extra: float):
    clock = VirtualClock()
    pacer = Pacer(rate, clock, Slow(clock, extra))
    times = []
    for turn in range(3 * rate):
        await pacer.turn()
        times.append(clock.monotonic())
        if turn == rate:
            clock.advance(5.0)  # what waited long may not come all at once
    assert most_in_a_second(times) <= rate
    assert pacer.turns == 3 * rate


async def test_many_who_wait_get_their_turns_one_after_the_other():
    clock = VirtualClock()
    pacer = Pacer(50, clock, Slow(clock, 0.0))
    times: list[float] = []

    async def some() -> None:
        for _ in range(20):
            await pacer.turn()
            times.append(clock.monotonic())

    await asyncio.gather(*(some() for _ in range(5)))
    assert most_in_a_second(times) <= 50
    assert clock.monotonic() == pytest.approx(2.0, abs=0.1)


async def test_after_a_pause_only_a_few_turns_follow_at_once():
    clock = VirtualClock()
    pacer = Pacer(10, clock, Slow(clock, 0.0))
    await pacer.turn()
    clock.advance(60)
    before = clock.monotonic()
    at_once = 0
    while clock.monotonic() == before:
        await pacer.turn()
        at_once += clock.monotonic() == before
    assert at_once <= CATCH_UP + 1
