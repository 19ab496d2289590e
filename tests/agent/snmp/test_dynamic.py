"""Devices that come, go, change and are looked at out of turn while the input runs."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp import config, schedule
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.errors import Unanswered
from fenghuo_agent.snmp.message import GET, GET_BULK
from fenghuo_agent.snmp.walk import Limits, Walker

from .conftest import COMMUNITY, IF, IFX, integer, unsigned
from .test_schedule import polls, run, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """First polls come at once."""
    monkeypatch.setattr(schedule, "FIRST_ROUND", 0.05)


def settings(address: str, **options) -> config.Device:
    return config.Device.model_validate({"address": address, **options})


async def test_a_device_that_is_added_is_polled_and_one_that_is_removed_ends(make_device, make_input, recorder):
    stays, comes = await make_device(), await make_device("127.0.0.2")
    for device in (stays, comes):
        device.ports(2)
    source = make_input(stays.address, interval=0.1)
    async with run(source, recorder):
        await until(lambda: polls(recorder, stays.address))
        source.add(settings(comes.address))
        await until(lambda: len(polls(recorder, comes.address)) >= 2)
        assert source.tally.devices == {"up": 2, "down": 0, "unknown": 0}
        assert source.remove(comes.address)
        assert not source.remove(comes.address)
        seen, there = len(comes.requests), len(polls(recorder, stays.address))
        await until(lambda: len(polls(recorder, stays.address)) >= there + 3)
    assert len(comes.requests) == seen
    ended = [table for table in recorder.tables if table.ended]
    assert {table.layout.labels["instance"] for table in ended} == {comes.address}
    assert sorted(recorder.ended()) == [("interface", "port1"), ("interface", "port2"), ("system", "")]
    assert source.tally.devices == {"up": 1, "down": 0, "unknown": 0}
    assert source.tally.sockets == 0


async def test_a_device_may_be_added_before_any_is_polled(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    source = make_input(interval=0.1)
    async with run(source, recorder):
        await asyncio.sleep(0)
        source.add(settings(device.address))
        await until(lambda: polls(recorder, device.address))


async def test_a_device_removed_in_the_middle_of_its_poll_leaves_nothing_open(make_device, make_input, recorder):
    device = await make_device()
    device.silent = True
    source = make_input(device.address, interval=0.05, timeout=5)
    async with run(source, recorder):
        await until(lambda: device.requests)
        source.remove(device.address)
        await until(lambda: source.tally.sockets == 0)
    assert source.devices == []


async def test_the_name_of_a_removed_device_is_free_for_another(make_device, make_input, recorder):
    devices = [await make_device(), await make_device("127.0.0.2")]
    for device in devices:
        device.objects[(1, 3, 6, 1, 2, 1, 1, 5, 0)] = ber.OCTETS, b"switch"
    source = make_input(*(device.address for device in devices))
    await source.once(recorder)
    assert recorder.last("system").layout.labels["device"] == devices[1].address
    source.remove(devices[0].address)
    await source.once(recorder)
    assert recorder.last("system").layout.labels["device"] == "switch"


async def test_a_poke_reads_one_port_at_once(make_device, make_input, recorder):
    device = await make_device()
    device.ports(8)
    source = make_input(device.address, interval=3600)
    async with run(source, recorder):
        await until(lambda: polls(recorder, device.address))
        device.requests.clear()
        device.objects[(*IF, 8, 5)] = integer(2)
        before = len(recorder.tables)
        assert source.poke("127.0.0.1", 5)
        assert source.poke("::ffff:127.0.0.1", 5)
        await until(lambda: len(recorder.tables) > before)
    (table,) = recorder.tables[before:]
    status = table.columns[table.layout.positions["ifOperStatus"]]
    assert list(status) == [None, None, None, None, 2, None, None, None]
    assert table.columns[table.layout.positions["ifHCInOctets"]][4] == 5000
    ((_, names),) = device.requests
    assert {name[-1] for name in names if name[: len(IF)] == IF or name[: len(IFX)] == IFX} == {5}


async def test_pokes_in_a_storm_are_gathered(make_device, make_input, recorder):
    device = await make_device()
    device.ports(40)
    source = make_input(device.address, interval=3600)
    async with run(source, recorder):
        await until(lambda: polls(recorder, device.address))
        device.requests.clear()
        for port in [*range(1, 41)] * 20:
            assert source.poke("127.0.0.1", port)
        await until(lambda: len(polls(recorder, device.address)) == 2)
        assert source.tally.pokes == 1
        assert source.poke("127.0.0.1", 1)
        await asyncio.sleep(0.05)
        assert source.tally.pokes == 1, "not again so soon"
    assert not source.poke("192.0.2.1", 1)


async def test_a_poke_for_a_port_that_is_not_known_or_a_device_that_restarted_reads_all(
    make_device, make_input, recorder
):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address, interval=3600)
    async with run(source, recorder):
        await until(lambda: polls(recorder, device.address))
        device.ports(3)
        source.poke("127.0.0.1", 3)
        await until(lambda: recorder.last("interface").layout.height == 3)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(3)] == [1000, 2000, 3000]


async def test_a_restart_that_a_poke_finds_has_the_rows_learnt_anew(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address, interval=3600, clock=(clock := VirtualClock()))
    async with run(source, recorder):
        await until(lambda: polls(recorder, device.address))
        names = [(*IFX, 1, 1), (*IFX, 1, 2)]
        device.objects[names[0]], device.objects[names[1]] = device.objects[names[1]], device.objects[names[0]]
        device.uptime = 0
        device.started = asyncio.get_running_loop().time()
        clock.advance(60)
        source.poke("127.0.0.1", 1)
        await until(lambda: list(recorder.last("interface").layout.row_labels["ifName"]) == ["port2", "port1"])
    assert source.tally.restarts == 1


async def test_a_visit_speaks_with_the_credential_that_is_let_in_and_never_beside_another_question(
    make_device, make_input, recorder
):
    device = await make_device()
    device.ports(30)
    waiting = most = 0
    loop = asyncio.get_running_loop()
    received = device.datagram_received

    def slowly(data, peer) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)

        def answer() -> None:
            nonlocal waiting
            waiting -= 1
            received(data, peer)

        loop.call_later(0.01, answer)

    device.datagram_received = slowly
    source = make_input(device.address, credentials=[{"community": "wrong"}, {"community": COMMUNITY}])
    subject = source.devices[0]
    with pytest.raises(Unanswered):
        subject.visit()
    assert list(source.up()) == []
    await source.once(recorder)
    assert list(source.up()) == [subject]

    async def walk() -> int:
        with subject.visit().open(10) as session:
            item = next(iter(source._shared.plans.get(subject._learnt.shape, 1).shape.columns))
            found = await Walker(session, Limits(5, 100, 1400)).walk([item])
            return len(found.columns[item])

    counts = await asyncio.gather(walk(), walk(), source.once(recorder))
    assert counts[:2] == [30, 30]
    assert most == 1


async def test_a_pace_keeps_questions_apart(make_device, make_input, recorder):
    device = await make_device()
    device.ports(20)
    loop = asyncio.get_running_loop()
    times: list[float] = []
    received = device.datagram_received

    def note(data, peer) -> None:
        times.append(loop.time())
        received(data, peer)

    device.datagram_received = note
    source = make_input({"address": device.address, "pace": 0.02})
    await source.once(recorder)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) > 8
    assert min(gaps) > 0.015


async def test_a_device_that_is_silent_to_version_2c_is_asked_by_version_1(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3, high=False)
    received = device.datagram_received
    device.datagram_received = lambda data, peer: received(data, peer) if b"\x02\x01\x00\x04" in data[:9] else None
    source = make_input(device.address, timeout=0.05)
    for _ in range(3):
        await source.once(recorder)
    assert [recorder.value("interface", "ifInOctets", row) for row in range(3)] == [10, 20, 30]
    assert source.tally.timeouts == 2, "version 2c is not tried at each poll"
    assert source.tally.polls == {"ok": 3}


async def test_a_device_that_learns_version_2c_is_asked_by_it_a_day_later(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    received = device.datagram_received
    device.datagram_received = lambda data, peer: received(data, peer) if b"\x02\x01\x00\x04" in data[:9] else None
    source = make_input(device.address, timeout=0.05, clock=(clock := VirtualClock()))
    await source.once(recorder)
    assert "ifHCInOctets" in recorder.last("interface").layout.fields
    device.datagram_received = received
    for _ in range(26):
        clock.advance(3600)
        device.uptime += 360_000
        await source.once(recorder)
    assert [kind for kind, _ in device.requests[-5:] if kind == GET_BULK]
    assert source.tally.polls == {"ok": 27}


async def test_options_of_a_known_device_change_and_what_was_learnt_stays(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address)
    await source.once(recorder)
    walked = [kind for kind, _ in device.requests if kind != GET]
    subject = source.devices[0]
    assert source.add(settings(device.address, name="core", labels={"building": "b2"})) is subject
    await source.once(recorder)
    assert [kind for kind, _ in device.requests if kind != GET] == walked
    assert recorder.last("interface").layout.labels["building"] == "b2"
    assert recorder.last("interface").layout.labels["device"] == "core"
    assert sorted(recorder.ended()) == [("interface", "port1"), ("interface", "port2"), ("system", "")]
    assert unsigned(ber.COUNTER64, 1000) == device.objects[(*IFX, 6, 1)]
