"""Devices that answer slowly, cut, out of order, to another question, by wrong types, or have odd tables: one test each."""

from __future__ import annotations

import asyncio

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp.input import DevicesFailed
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET, GET_BULK

from .conftest import IF, IFX, FakeDevice, integer, octets, unsigned

ENTITY_SENSOR = (1, 3, 6, 1, 2, 1, 99, 1, 1, 1)


def octets_in(recorder, name: str = "ifHCInOctets") -> dict[str, int | None]:
    """The newest values of a field by ifName."""
    table = recorder.last("interface")
    return dict(zip(table.layout.row_labels["ifName"], table.columns[table.layout.positions[name]], strict=True))


def by_name(count: int) -> dict[str, int]:
    return {f"port{index}": 1000 * index for index in range(1, count + 1)}


def pairs_of(answer: bytes) -> tuple[int, list]:
    """Request id and variable bindings of an answer, as `FakeDevice.encode` takes them."""
    start, stop = ber.inside(answer, 0, len(answer), ber.SEQUENCE)
    _, at = ber.read_integer(answer, start, stop)
    _, at = ber.read_octets(answer, at, stop)
    _, at, stop = ber.header(answer, at, stop)
    request_id, at = ber.read_integer(answer, at, stop)
    _, at = ber.read_integer(answer, at, stop)
    _, at = ber.read_integer(answer, at, stop)
    body = answer[slice(*ber.inside(answer, at, stop, ber.SEQUENCE))]
    return request_id, [(ber.arcs(varbind.name), (varbind.tag, varbind.value)) for varbind in ber.varbinds(body)]


async def test_a_device_that_answers_slowly_is_read_whole_and_asked_nothing_twice(make_device, make_input, recorder):
    device = await make_device()
    device.ports(20)
    loop = asyncio.get_running_loop()
    received = device.datagram_received
    device.datagram_received = lambda data, peer: loop.call_later(0.06, received, data, peer)
    source = make_input(device.address)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(20)
    assert source.tally.retries == 0


async def test_a_device_slower_than_the_time_out_is_asked_again_and_its_late_answers_are_taken(
    make_device, make_input, recorder
):
    """Each answer comes after the question was sent again: it counts for that as well, so nothing is lost."""
    device = await make_device()
    device.ports(3)
    loop = asyncio.get_running_loop()
    received = device.datagram_received
    device.datagram_received = lambda data, peer: loop.call_later(0.08, received, data, peer)
    source = make_input(device.address, timeout=0.05, retries=3)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(3)
    assert source.tally.retries > 0


async def test_a_device_that_is_too_slow_for_its_deadline_costs_no_more_than_that(make_device, make_input, recorder):
    device = await make_device()
    device.ports(40)
    source = make_input(device.address, deadline=0.4, max_oids_per_request=8)
    await source.once(recorder)
    loop = asyncio.get_running_loop()
    received = device.datagram_received
    device.datagram_received = lambda data, peer: loop.call_later(0.1, received, data, peer)
    began = loop.time()
    with pytest.raises(DevicesFailed, match="does not answer"):
        await source.once(recorder)
    assert loop.time() - began < 1.2
    assert recorder.value("system", "snmp_up") == 0


async def test_an_answer_that_is_cut_short_gives_no_wrong_value(make_device, make_input, recorder):
    """Fewer variable bindings than asked for: the device holds no more in an answer."""
    device = await make_device()
    device.ports(20)
    source = make_input(device.address)
    await source.once(recorder)

    def cut(answer: bytes, _) -> list[bytes]:
        request_id, pairs = pairs_of(answer)
        return [device.encode(1, request_id, (0, 0), pairs[:9])] if device.requests[-1][0] == GET else [answer]

    device.mangle = cut
    await source.once(recorder)
    assert octets_in(recorder) == by_name(20)
    assert source.tally.shrunk >= 1
    device.requests.clear()
    await source.once(recorder)
    assert max(len(names) for names in device.asked()) <= 9, "what it takes is remembered"


async def test_a_datagram_that_is_cut_on_the_way_gives_no_wrong_value(make_device, make_input, recorder):
    device = await make_device()
    device.ports(20)
    source = make_input(device.address, timeout=0.05)
    await source.once(recorder)
    device.mangle = lambda answer, _: [answer[:512]]
    await source.once(recorder)
    assert octets_in(recorder) == by_name(20)
    assert source.tally.malformed > 0


async def test_variable_bindings_out_of_order_go_where_they_belong(make_device, make_input, recorder):
    device = await make_device()
    device.ports(20)
    source = make_input(device.address)
    await source.once(recorder)

    def turn(answer: bytes, _) -> list[bytes]:
        request_id, pairs = pairs_of(answer)
        return [device.encode(1, request_id, (0, 0), pairs[::-1])] if device.requests[-1][0] == GET else [answer]

    device.mangle = turn
    for _ in range(2):
        await source.once(recorder)
        assert octets_in(recorder) == by_name(20)
    assert source.tally.wrong == source.tally.missing == 0


async def test_an_answer_with_another_request_id_is_not_taken(make_device, make_input, recorder):
    device = await make_device()
    device.ports(5)
    source = make_input(device.address, timeout=0.05, retries=2)
    await source.once(recorder)
    good = by_name(5)

    def other(answer: bytes, request_id: int) -> list[bytes]:
        _, pairs = pairs_of(answer)
        false = [(name, unsigned(tag, 4711) if tag == ber.COUNTER64 else (tag, value)) for name, (tag, value) in pairs]
        return [device.encode(1, request_id ^ 1, (0, 0), false), answer]

    device.mangle = other
    await source.once(recorder)
    assert octets_in(recorder) == good
    assert source.tally.foreign > 0
    device.mangle = lambda answer, request_id: other(answer, request_id)[:1]
    with pytest.raises(DevicesFailed):
        await source.once(recorder)
    assert octets_in(recorder) == good


async def test_sensors_that_walk_in_a_circle_cost_the_ports_nothing(make_device, make_input, recorder, caplog):
    device = await make_device()
    device.ports(3)
    for column, value in ((1, 8), (2, 9), (3, 0), (4, 21), (5, 1)):
        for index in (1, 2):
            device.objects[(*ENTITY_SENSOR, column, index)] = integer(value)
    device.next = lambda name: (
        (*ENTITY_SENSOR, 1, 1) if name == (*ENTITY_SENSOR, 1, 2) else FakeDevice.successor(device, name)
    )
    source = make_input(device.address)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(3)
    assert "its rows do not increase" in caplog.text


async def test_when_one_object_alone_is_too_big_the_device_is_faulty_and_says_so(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address)
    await source.once(recorder)
    device.most = 0
    with pytest.raises(DevicesFailed, match="finds a request for one object too big"):
        await source.once(recorder)


async def test_a_table_of_wrong_types_gives_no_value_and_no_error(make_device, make_input, recorder):
    device = await make_device()
    device.ports(4)
    for index in range(1, 5):
        device.objects[(*IFX, 6, index)] = octets(f"{index}")
        device.objects[(*IF, 8, index)] = octets("up")
    source = make_input(device.address)
    for _ in range(2):
        await source.once(recorder)
        assert set(octets_in(recorder).values()) == {None}
        assert octets_in(recorder, "ifHCOutOctets")["port2"] == (1 << 64) - 2
    assert source.tally.wrong == 2 * 8


async def test_tables_that_are_empty_though_ifnumber_counts_rows(make_device, make_input, recorder):
    device = await make_device()
    device.objects[(1, 3, 6, 1, 2, 1, 2, 1, 0)] = integer(48)
    source = make_input(device.address)
    for _ in range(3):
        await source.once(recorder)
    assert {table.layout.name for table in recorder.tables} == {"system"}
    assert recorder.value("system", "ifNumber") == 48
    assert source.tally.polls == {"ok": 3}


async def test_tables_that_become_empty_end_and_come_back(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    kept = dict(device.objects)
    device.objects = {name: value for name, value in kept.items() if name[:7] != IF[:7] and name[:7] != IFX[:7]}
    device.objects[(1, 3, 6, 1, 2, 1, 2, 1, 0)] = integer(0)
    clock.advance(1)
    await source.once(recorder)
    assert sorted(recorder.ended()) == [("interface", "port1"), ("interface", "port2")]
    device.objects = kept
    clock.advance(1)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(2)


async def test_four_thousand_interfaces_are_read_each_once(make_device, make_input, recorder):
    device = await make_device()
    device.ports(4000)
    source = make_input(device.address, timeout=5, max_repetitions=50, max_reply=8000, max_oids_per_request=200)
    await source.once(recorder)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(4000)
    assert recorder.value("system", "ifNumber") == 4000
    table = recorder.last("interface")
    assert sum(value is not None for column in table.columns for value in column) == 4000 * len(table.layout.fields)
    assert source.tally.retries == source.tally.missing == 0


async def test_a_device_with_32_bit_counters_only_gives_these_with_their_width(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3, high=False)
    for index in (1, 2, 3):
        device.objects[(*IF, 5, index)] = unsigned(ber.GAUGE32, 100_000_000)
    await make_input(device.address).once(recorder)
    layout = recorder.last("interface").layout
    assert "ifHCInOctets" not in layout.fields
    assert {name: layout.counters[name] for name in ("ifInOctets", "ifOutOctets")} == {
        "ifInOctets": 32,
        "ifOutOctets": 32,
    }
    assert octets_in(recorder, "ifInOctets") == {"port1": 10, "port2": 20, "port3": 30}
    assert octets_in(recorder, "ifOutOctets")["port1"] == 2**32 - 1
    assert octets_in(recorder, "ifSpeed")["port1"] == 100_000_000


async def test_counters_that_reset_with_the_device_begin_an_epoch(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2, base=1 << 40)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    before = list(recorder.last("interface").epochs)
    device.ports(2)
    device.uptime = 100
    device.started = asyncio.get_running_loop().time()
    clock.advance(60)
    await source.once(recorder)
    assert octets_in(recorder) == by_name(2), "counters are handed on as they are"
    assert all(now > then for now, then in zip(recorder.last("interface").epochs, before, strict=True))
    assert source.tally.restarts == 1


async def test_when_ifindex_moves_at_a_reboot_the_series_of_a_name_go_on_without_gap_or_overlap(
    make_device, make_input, recorder
):
    """The old rows end and the new ones begin in one poll, each name once, with the counters of its own port."""
    device = await make_device()
    device.ports(3)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    epochs = max(recorder.last("interface").epochs)
    device.objects = {name: value for name, value in device.objects.items() if name[:7] not in (IF[:7], IFX[:7])}
    device.ports(3, first=101)
    for index in (1, 2, 3):
        device.objects[(*IFX, 1, 100 + index)] = octets(f"port{index}")
        device.objects[(*IF, 2, 100 + index)] = octets(f"port {index}")
        device.objects[(*IFX, 6, 100 + index)] = unsigned(ber.COUNTER64, 7 * index)
    device.uptime = 100
    device.started = asyncio.get_running_loop().time()
    clock.advance(60)
    mark = len(recorder.tables)
    await source.once(recorder)
    tables = [table for table in recorder.tables[mark:] if table.layout.name == "interface"]
    ended, now = tables
    assert (ended.ended, now.ended) == (True, False)
    assert list(ended.layout.row_labels["ifIndex"]) == ["1", "2", "3"]
    assert list(now.layout.row_labels["ifIndex"]) == ["101", "102", "103"]
    assert octets_in(recorder) == {"port1": 7, "port2": 14, "port3": 21}
    assert ended.layout.row_labels["ifName"] == now.layout.row_labels["ifName"]
    assert min(now.epochs) > epochs, "no rate is taken over the reboot"
    assert source.tally.restarts == 1


async def test_ports_of_one_name_are_told_apart_by_their_index(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    for index in (1, 2, 3):
        device.objects[(*IFX, 1, index)] = octets("eth0")
    await make_input(device.address).once(recorder)
    table = recorder.last("interface")
    assert list(table.layout.row_labels["ifName"]) == ["eth0"] * 3
    assert list(table.columns[table.layout.positions["ifHCInOctets"]]) == [1000, 2000, 3000]
    assert len({tuple(sorted(row.items())) for row in table.layout.rows}) == 3


async def test_what_a_walk_may_ask_for_is_remembered_and_dared_again_slowly(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    device.mangle = lambda answer, _: [answer] if len(answer) < 500 else []
    source = make_input(device.address, timeout=0.05, retries=0)
    await source.once(recorder)
    first = source.tally.timeouts
    assert first > 0
    subject = source.devices[0]
    manners = subject.reach.session.manners
    stride = manners.stride
    subject.relearn()
    device.requests.clear()
    await source.once(recorder)
    assert source.tally.timeouts - first <= 2, "the second walk knows what the first one learnt"
    device.mangle = lambda answer, _: [answer]
    for _ in range(40):
        subject.relearn()
        await source.once(recorder)
    assert manners.stride > stride
    assert all(kind in (GET, GET_BULK) for kind, _ in device.requests if kind != 0xA1)


async def test_a_device_that_dies_in_a_walk_is_not_taken_for_one_that_bears_little(make_device, make_input, recorder):
    device = await make_device()
    device.ports(10)
    source = make_input(device.address, timeout=0.02, retries=0)
    await source.once(recorder)
    subject = source.devices[0]
    stride = subject.reach.session.manners.stride
    device.mangle = lambda answer, _: [] if device.requests[-1][0] == GET_BULK else [answer]
    subject.relearn()
    with pytest.raises(DevicesFailed):
        await source.once(recorder)
    assert subject.reach.session.manners.stride == stride
