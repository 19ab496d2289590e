"""Many devices at once: the dead, the slow and the restarted cost the others nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from itertools import pairwise

from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock, VirtualClock
from fenghuo_agent.inputs.snmp import SnmpConfig
from fenghuo_agent.inputs.snmp.device import Device
from fenghuo_agent.inputs.snmp.input import SnmpInput
from fenghuo_agent.inputs.snmp.schedule import FIRST_ROUND, Schedule, phase
from fenghuo_agent.inputs.snmp.shared import Shared
from fenghuo_agent.inputs.snmp.tally import Metrics, Tally
from fenghuo_agent.snmp.message import GET, GET_BULK

from .conftest import COMMUNITY


async def until(condition, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 — what is awaited lies outside of the event loop's primitives
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def run(source, recorder):
    task = asyncio.create_task(source.run(recorder))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def polls(recorder, address: str) -> list[int]:
    """Times at which a device was read."""
    return [
        table.time
        for table in recorder.tables
        if table.layout.name == "system" and table.layout.labels["instance"] == address and len(table.columns) > 1
    ]


async def test_dead_devices_cost_the_others_no_poll(make_device, make_input, recorder):
    alive = [await make_device(f"127.0.1.{number}") for number in range(1, 6)]
    dead = [await make_device(f"127.0.2.{number}") for number in range(1, 21)]
    for device in alive:
        device.ports(2)
    for device in dead:
        device.silent = True
    source = make_input(
        *(device.address for device in (*dead, *alive)), interval=0.5, timeout=1, retries=2, deadline=20, learning=2
    )
    async with run(source, recorder):
        await until(lambda: all(len(polls(recorder, device.address)) >= 5 for device in alive), 5)
    for device in alive:
        times = polls(recorder, device.address)[:5]
        assert max(later - earlier for earlier, later in pairwise(times)) < 900
    assert all(device.requests for device in dead)


async def test_devices_that_died_cost_the_others_no_poll(make_device, make_input, recorder):
    """One place, and eight devices that are silent and asked often: these wait in places of their own."""
    alive = await make_device("127.0.1.1")
    mortal = [await make_device(f"127.0.2.{number}") for number in range(1, 9)]
    for device in (alive, *mortal):
        device.ports(2)
    source = make_input(
        *(device.address for device in (*mortal, alive)),
        interval=0.3, probe_max=0.3, timeout=0.1, retries=1, concurrency=1, deadline=1,
    )  # fmt: skip
    async with run(source, recorder):
        await until(lambda: source.tally.devices["up"] == 9)
        for device in mortal:
            device.silent = True
        await until(lambda: source.tally.devices["down"] == 8)
        before = len(polls(recorder, alive.address))
        await until(lambda: len(polls(recorder, alive.address)) >= before + 8)
    times = polls(recorder, alive.address)[before:]
    assert times[-1] - times[0] < 7 * 300 * 1.5


async def test_a_dead_device_is_asked_cheaply_and_said_to_be_down_each_time_until_it_answers(make_device, recorder):
    device = await make_device()
    device.silent = True
    clock = VirtualClock()
    config = SnmpConfig.model_validate(
        {
            "devices": [{"address": device.address}],
            "credentials": [{"community": COMMUNITY}],
            "timeout": 0.01,
            "retries": 0,
        }
    )
    shared = Shared(config, clock, random.Random(1), Tally())
    subject = Device(config.devices[0], shared)
    schedule = Schedule(shared, Metrics(shared.tally, CollectorRegistry()))
    for _ in range(60):
        await schedule.turn(subject, recorder)
        clock.advance(60)
    assert len(recorder.tables) == 60
    assert all(table.layout is recorder.tables[0].layout and table.columns == [(0,)] for table in recorder.tables)
    assert len(device.requests) <= 63, "one datagram a turn, now and then one by version 1"
    assert shared.tally.polls["timeout"] <= 15, "in earnest only now and then"
    assert {(kind, len(names)) for kind, names in device.requests} == {(GET, 1)}
    device.silent = False
    device.ports(2)
    await schedule.turn(subject, recorder)
    assert recorder.value("system", "snmp_up") == 1
    assert shared.tally.devices["up"] == 1


async def test_polls_of_one_device_never_overlap_and_late_ones_are_counted(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    loop = asyncio.get_running_loop()
    waiting = 0
    most = 0

    def slowly(answer: bytes, _) -> list[bytes]:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        peer = device.peer

        def send() -> None:
            nonlocal waiting
            waiting -= 1
            device.transport.sendto(answer, peer)

        loop.call_later(0.15, send)
        return []

    received = device.datagram_received

    def remember(data, peer) -> None:
        device.peer = peer
        received(data, peer)

    device.datagram_received = remember
    device.mangle = slowly
    source = make_input(device.address, interval=0.05, timeout=2)
    async with run(source, recorder):
        await until(lambda: len(polls(recorder, device.address)) >= 4)
    assert most == 1
    assert source.tally.skipped > 0
    assert source.tally.retries == 0


async def test_only_so_many_sockets_are_open_at_once(make_device, make_input, recorder):
    devices = [await make_device(f"127.0.3.{number}") for number in range(1, 41)]
    seen = 0
    source = make_input(*(device.address for device in devices), concurrency=4)

    def note(answer: bytes, _) -> list[bytes]:
        nonlocal seen
        seen = max(seen, source.tally.sockets)
        return [answer]

    for device in devices:
        device.ports(2)
        device.mangle = note
    await source.once(recorder)
    assert 1 <= seen <= 2 * 4
    assert source.tally.sockets == 0
    assert source.tally.polls == {"ok": 40}


async def test_when_cancelled_in_the_middle_it_leaves_nothing_open(make_device, make_input, recorder):
    device = await make_device()
    device.silent = True
    source = make_input(device.address, interval=0.05, timeout=5)
    async with run(source, recorder):
        await until(lambda: device.requests)
        assert source.tally.sockets == 1
    assert source.tally.sockets == 0


async def test_a_surprise_with_one_device_does_not_end_the_others(
    make_device, make_input, recorder, monkeypatch, caplog
):
    devices = [await make_device("127.0.1.1"), await make_device("127.0.1.2")]
    for device in devices:
        device.ports(1)
    source = make_input(*(device.address for device in devices), interval=0.1)
    poll = Device.poll

    async def surprise(self, accumulator, **options) -> None:
        if self.instance == devices[0].address:
            raise ZeroDivisionError("a bug")
        await poll(self, accumulator, **options)

    monkeypatch.setattr(Device, "poll", surprise)
    async with run(source, recorder):
        await until(lambda: len(polls(recorder, devices[1].address)) >= 3)
    assert "unexpected ZeroDivisionError" in caplog.text
    assert "Traceback" not in caplog.text


def test_phases_are_spread_over_the_interval_and_stay():
    phases = sorted(phase(f"10.0.{number // 250}.{number % 250}", 60) for number in range(2000))
    assert phases[0] >= 0
    assert phases[-1] < 60
    assert max(later - earlier for earlier, later in pairwise(phases)) < 1
    assert phase("10.0.0.1", 60) == phase("10.0.0.1", 60)


async def test_own_metrics_are_there_by_name(make_device, recorder):
    device = await make_device()
    device.ports(1)
    registry = CollectorRegistry()
    config = SnmpConfig.model_validate(
        {"devices": [{"address": device.address}], "credentials": [{"community": COMMUNITY}]}
    )
    source = SnmpInput(config, clock=SystemClock(), random=random.Random(1), registry=registry)
    await source.once(recorder)
    assert registry.get_sample_value("fenghuo_agent_snmp_polls_total", {"result": "ok"}) == 1
    assert registry.get_sample_value("fenghuo_agent_snmp_walks_total", {"result": "ok"}) == 1
    assert registry.get_sample_value("fenghuo_agent_snmp_devices", {"state": "up"}) == 1
    assert registry.get_sample_value("fenghuo_agent_snmp_requests_total") == len(device.requests)
    assert registry.get_sample_value("fenghuo_agent_snmp_poll_seconds_count") == 1
    assert len(device.asked(GET_BULK)) > 0


async def test_every_device_is_seen_soon_after_the_start_however_long_the_interval(make_device, make_input, recorder):
    devices = [await make_device(f"127.0.3.{number}") for number in range(1, 5)]
    source = make_input(*(device.address for device in devices), interval=3600)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0 if len(waits) <= len(devices) else 3600)

    schedule = Schedule(source._shared, source._metrics, sleep=sleep)
    task = asyncio.create_task(schedule.run(source.devices, recorder))
    await until(lambda: all(len(polls(recorder, device.address)) == 1 for device in devices))
    task.cancel()
    assert max(waits[: len(devices)]) < FIRST_ROUND, "the first round comes within seconds"
    assert max(waits) > FIRST_ROUND, "and the next one in its turn"
