"""Ports that are down and stand still: only their status is asked at each poll, and nothing of them is ever old for long."""

from __future__ import annotations

import asyncio
import random

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.snmp import ber

from .conftest import IF, IFX, integer, unsigned
from .test_odd_devices import octets_in


async def turns(source, recorder, device, clock, count: int) -> list[int]:
    """How many objects each of so many polls, a minute apart, asked for."""
    sizes = []
    for _ in range(count):
        device.requests.clear()
        await source.once(recorder)
        sizes.append(sum(len(names) for names in device.asked()))
        clock.advance(60)
        device.uptime += 6000
    return sizes


@pytest.fixture
async def switch(make_device):
    """60 ports of which the last 50 are down."""
    device = await make_device()
    device.ports(60)
    for index in range(11, 61):
        device.objects[(*IF, 8, index)] = integer(2)
    return device


async def test_ports_with_nothing_new_are_read_in_full_every_few_minutes_only(switch, make_input, recorder):
    source = make_input(switch.address, clock=(clock := VirtualClock()), max_oids_per_request=20)
    sizes = await turns(source, recorder, switch, clock, 12)
    whole, lean = sizes[1], min(sizes)
    assert lean < whole * 0.65
    assert whole in sizes[4:8], "after four minutes everything is read again"
    assert whole in sizes[8:12]
    assert octets_in(recorder) == {f"port{index}": 1000 * index for index in range(1, 61)}
    assert all(
        None not in table.columns[table.layout.positions["ifHCInOctets"]]
        for table in recorder.tables
        if table.layout.name == "interface"
    )
    assert source.tally.unread > 0


async def test_a_port_that_comes_up_is_read_in_the_same_poll(switch, make_input, recorder):
    source = make_input(switch.address, clock=(clock := VirtualClock()), max_oids_per_request=20)
    await turns(source, recorder, switch, clock, 3)
    switch.objects[(*IF, 8, 40)] = integer(1)
    switch.objects[(*IFX, 6, 40)] = unsigned(ber.COUNTER64, 4711)
    await turns(source, recorder, switch, clock, 1)
    assert octets_in(recorder)["port40"] == 4711
    assert octets_in(recorder, "ifOperStatus")["port40"] == 1
    assert octets_in(recorder)["port60"] == 60_000


async def test_a_port_that_says_it_is_down_and_counts_on_is_read_at_each_poll(switch, make_input, recorder):
    source = make_input(switch.address, clock=(clock := VirtualClock()), max_oids_per_request=20)
    for turn in range(8):
        for index in range(11, 61):
            switch.objects[(*IFX, 6, index)] = unsigned(ber.COUNTER64, index + turn)
        await turns(source, recorder, switch, clock, 1)
        assert octets_in(recorder)["port60"] == 60 + turn
    assert source.tally.unread == 0


async def test_after_a_restart_everything_is_read(switch, make_input, recorder):
    source = make_input(switch.address, clock=(clock := VirtualClock()), max_oids_per_request=20)
    await turns(source, recorder, switch, clock, 3)
    for index in range(11, 61):
        switch.objects[(*IFX, 6, index)] = unsigned(ber.COUNTER64, 0)
    switch.uptime = 100
    switch.started = asyncio.get_running_loop().time()
    await turns(source, recorder, switch, clock, 1)
    assert octets_in(recorder)["port60"] == 0


async def test_it_can_be_switched_off(switch, make_input, recorder):
    source = make_input(switch.address, clock=(clock := VirtualClock()), max_oids_per_request=20, unchanged=0)
    sizes = await turns(source, recorder, switch, clock, 6)
    assert len(set(sizes[1:])) == 1
    assert source.tally.unread == 0


async def test_where_rows_lack_columns_the_values_still_stand_in_their_places(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    device.ports(30, first=31, high=False)
    for index in range(1, 61):
        device.objects[(*IF, 8, index)] = integer(2 if index % 30 > 5 else 1)
    source = make_input(device.address, clock=(clock := VirtualClock()), max_oids_per_request=16)
    await turns(source, recorder, device, clock, 4)
    assert source.tally.unread > 0
    high, low = octets_in(recorder), octets_in(recorder, "ifInOctets")
    assert high == {f"port{index}": 1000 * index if index <= 30 else None for index in range(1, 61)}
    assert low == {f"port{index}": 10 * index if index > 30 else None for index in range(1, 61)}
    states = octets_in(recorder, "ifOperStatus")
    assert states == {f"port{index}": 2 if index % 30 > 5 else 1 for index in range(1, 61)}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_up_and_goes_down_the_values_are_those_of_the_device(
    make_device, make_input, recorder, seed
):
    chance = random.Random(seed)
    device = await make_device()
    device.ports(40)
    counters = {index: 1000 * index for index in range(1, 41)}
    up = {index: chance.random() < 0.1 for index in counters}
    source = make_input(device.address, clock=(clock := VirtualClock()), max_oids_per_request=12)
    for _ in range(60):
        for index in range(1, 41):
            if chance.random() < 0.005:
                up[index] = not up[index]
                counters[index] += 5
            elif up[index]:
                counters[index] += chance.randrange(1000)
            device.objects[(*IF, 8, index)] = integer(1 if up[index] else 2)
            device.objects[(*IFX, 6, index)] = unsigned(ber.COUNTER64, counters[index])
        await turns(source, recorder, device, clock, 1)
        assert octets_in(recorder, "ifOperStatus") == {f"port{index}": 1 if up[index] else 2 for index in counters}
        assert octets_in(recorder) == {f"port{index}": counters[index] for index in counters}
    assert source.tally.unread > 0
