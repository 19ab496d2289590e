"""The supervisor, on virtual time."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.errors import Permanent, Retryable
from fenghuo.supervisor import Pauses, Supervisor, until_possible


class Stage:
    """A supervisor on a virtual clock that notes every pause."""

    def __init__(self, pauses: Pauses | None = None) -> None:
        self.clock = VirtualClock()
        self.registry = CollectorRegistry()
        self.pauses: list[float] = []
        self.supervisor = Supervisor(
            Random(7),
            registry=self.registry,
            prefix="fenghuo_test_part",
            pauses=pauses,
            clock=self.clock,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def metric(self, name: str, part: str) -> float | None:
        return self.registry.get_sample_value(f"fenghuo_test_part_{name}", {"name": part})


def failing(times: int, error: BaseException):
    left = times

    async def part() -> None:
        nonlocal left
        if left:
            left -= 1
            raise error

    return part


async def test_a_part_that_raises_is_started_again_after_pauses_that_double_up_to_a_bound():
    stage = Stage(Pauses(first=1, longest=8))
    stage.supervisor.add("snmp", failing(6, ConnectionResetError("gone")))
    await stage.supervisor.run()
    ceilings = [1, 2, 4, 8, 8, 8]
    assert len(stage.pauses) == 6
    for pause, ceiling in zip(stage.pauses, ceilings, strict=True):
        assert ceiling / 2 <= pause <= ceiling
    assert len({pause / ceiling for pause, ceiling in zip(stage.pauses, ceilings, strict=True)}) == 6
    assert stage.metric("restarts_total", "snmp") == 6


async def test_after_a_healthy_time_the_next_failure_counts_as_the_first():
    stage = Stage(Pauses(first=1, longest=64, healthy=30))
    lives = iter([0, 0, 0, 31, 0])

    async def part() -> None:
        life = next(lives, None)
        if life is None:
            return
        stage.clock.advance(life)
        raise Retryable("away")

    stage.supervisor.add("mqtt", part)
    await stage.supervisor.run()
    assert [pause <= 1 for pause in stage.pauses] == [True, False, False, True, False]
    assert 2 <= stage.pauses[2] <= 4


async def test_a_permanent_error_is_retried_slowly_and_told_as_an_error(caplog: pytest.LogCaptureFixture):
    stage = Stage(Pauses(permanent=300))
    stage.supervisor.add("mqtt", failing(2, Permanent("the broker refuses the password")))
    with caplog.at_level(logging.WARNING):
        await stage.supervisor.run()
    assert all(150 <= pause <= 300 for pause in stage.pauses)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "the broker refuses the password" in caplog.text
    assert "Traceback" not in caplog.text


async def test_expected_trouble_is_a_warning_and_a_programming_error_comes_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
):
    stage = Stage()
    stage.supervisor.add("a", failing(1, Retryable("away")))
    stage.supervisor.add("b", failing(1, KeyError("ifIndex")))
    with caplog.at_level(logging.WARNING):
        await stage.supervisor.run()
    told = {record.args[0]: record for record in caplog.records}
    assert told["a"].levelname == "WARNING"
    assert told["a"].exc_info is None
    assert told["b"].levelname == "ERROR"
    assert told["b"].exc_info is not None


async def test_a_delay_named_by_the_peer_is_kept():
    stage = Stage()
    stage.supervisor.add("sink", failing(1, Retryable("busy", retry_after=42)))
    await stage.supervisor.run()
    assert stage.pauses == [42]


async def test_one_part_that_fails_does_not_disturb_another():
    stage = Stage()
    beats = 0

    async def steady() -> None:
        nonlocal beats
        while beats < 50:
            beats += 1
            await asyncio.sleep(0)

    stage.supervisor.add("steady", steady)
    stage.supervisor.add("broken", failing(10, OSError("no route")))
    await stage.supervisor.run()
    assert beats == 50
    assert stage.metric("restarts_total", "steady") == 0
    assert stage.metric("restarts_total", "broken") == 10


async def test_cancelling_ends_every_part_and_restarts_none():
    stage = Stage()
    started = asyncio.Event()
    ended: list[str] = []

    async def part() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("part")

    stage.supervisor.add("part", part)
    task = asyncio.create_task(stage.supervisor.run())
    await started.wait()
    assert stage.metric("up", "part") == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["part"]
    assert stage.metric("up", "part") == 0
    assert stage.metric("restarts_total", "part") == 0


async def test_a_cancellation_that_comes_from_inside_a_part_is_a_failure_like_any_other():
    stage = Stage()
    stage.supervisor.add("part", failing(1, asyncio.CancelledError()))
    await stage.supervisor.run()
    assert stage.metric("restarts_total", "part") == 1


def test_two_parts_of_one_name_are_refused():
    stage = Stage()
    stage.supervisor.add("part", failing(0, OSError()))
    with pytest.raises(ValueError, match="part"):
        stage.supervisor.add("part", failing(0, OSError()))


async def test_what_is_not_possible_yet_is_tried_again_later_each_time(caplog):
    stage = Stage()
    answers = [Retryable("the disk is full")] * 3

    async def attempt() -> str:
        if answers:
            raise answers.pop()
        return "open"

    assert await until_possible("the start", attempt, Random(7), sleep=stage.sleep) == "open"
    assert len(stage.pauses) == 3
    assert stage.pauses[0] <= 1 < stage.pauses[2] <= 4
    assert {(record.levelno, record.getMessage()[:35]) for record in caplog.records} == {
        (logging.WARNING, "the start failed: the disk is full;")
    }


async def test_what_will_never_be_possible_is_raised():
    async def attempt() -> None:
        raise Permanent("in use by another")

    with pytest.raises(Permanent, match="in use"):
        await until_possible("the start", attempt, Random(7))
