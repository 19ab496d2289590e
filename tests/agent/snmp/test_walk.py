"""Walks that would never end, go backwards, are cut or are met with silence."""

from __future__ import annotations

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET_BULK, GET_NEXT

from .conftest import IF, IFX, octets


async def test_when_rows_do_not_increase_the_column_ends_and_the_rest_is_read(
    make_device, make_input, recorder, caplog
):
    device = await make_device()
    device.ports(20)
    again = {(*IFX, 1, 7): (*IFX, 1, 3)}
    device.next = lambda name: again.get(name) or device.successor(name)
    source = make_input(device.address)
    await source.once(recorder)
    names = recorder.last("interface").layout.row_labels["ifName"]
    assert names[:7] == [f"port{index}" for index in range(1, 8)]
    assert names[7:] == [""] * 13
    assert recorder.value("interface", "ifHCInOctets", 19) == 20_000
    assert "ifName: its rows do not increase after 7" in caplog.text
    assert source.tally.walks == {"faulty": 1}


async def test_when_a_table_is_endless_the_row_limit_ends_it(make_device, make_input, recorder, caplog):
    device = await make_device()
    device.ports(3)

    def endless(name):
        column = (*IF, 2)
        if name[: len(column)] == column:
            return (*column, (name[len(column)] if len(name) > len(column) else 0) + 1)
        return device.successor(name)

    device.next = endless
    await make_input(device.address, max_rows=100).once(recorder)
    assert recorder.last("interface").layout.height == 100
    assert "ifDescr: more than 100 rows" in caplog.text


async def test_when_large_answers_are_lost_it_asks_for_fewer_rows(make_device, make_input, recorder):
    device = await make_device()
    device.ports(40)
    device.mangle = lambda answer, _: [answer] if len(answer) < 700 else []
    source = make_input(device.address, timeout=0.05)
    await source.once(recorder)
    assert recorder.last("interface").layout.height == 40
    assert recorder.value("interface", "ifHCInOctets", 39) == 40_000


async def test_when_answers_hold_fewer_columns_than_asked_it_asks_for_fewer(make_device, make_input, recorder):
    device = await make_device()
    device.ports(5)

    def cut(answer: bytes, request_id: int) -> list[bytes]:
        kind, _ = device.requests[-1]
        start, stop = ber.inside(answer, 0, len(answer), ber.SEQUENCE)
        _, at = ber.read_integer(answer, start, stop)
        _, at = ber.read_octets(answer, at, stop)
        _, at, stop = ber.header(answer, at, stop)
        at += len(ber.integer(request_id)) + 6
        found = ber.varbinds(answer[slice(*ber.inside(answer, at, stop, ber.SEQUENCE))])
        if kind != GET_BULK:
            return [answer]
        pairs = [(ber.arcs(varbind.name), (varbind.tag, varbind.value)) for varbind in found[:3]]
        return [device.encode(1, request_id, (0, 0), pairs)]

    device.mangle = cut
    await make_input(device.address).once(recorder)
    assert recorder.last("interface").layout.row_labels["ifName"] == [f"port{index}" for index in range(1, 6)]


async def test_by_version_1_it_walks_by_getnext(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3, high=False)
    await make_input(device.address, credential={"community": "test-community", "version": "1"}).once(recorder)
    assert not device.asked(GET_BULK)
    assert device.asked(GET_NEXT)
    assert recorder.value("interface", "ifOutOctets", 2) == (1 << 32) - 3
    assert recorder.last("interface").layout.counters["ifOutOctets"] == 32


async def test_interfaces_without_64_bit_counters_give_their_32_bit_ones(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    device.ports(2, first=3, high=False, name="slow")
    await make_input(device.address).once(recorder)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(4)] == [1000, 2000, None, None]
    assert [recorder.value("interface", "ifInOctets", row) for row in range(4)] == [None, None, 30, 40]
    asked = [name for names in device.asked()[-1:] for name in names]
    assert (*IF, 10, 1) not in asked
    assert (*IFX, 6, 3) not in asked


async def test_when_names_are_long_fewer_rows_are_asked_for_so_that_answers_fit_the_path(
    make_device, make_input, recorder
):
    device = await make_device()
    device.ports(60)
    for index in range(1, 61):
        device.objects[(*IFX, 18, index)] = octets("uplink to the distribution switch of building " + "b" * 60)
        device.objects[(*IF, 2, index)] = octets("Ten-GigabitEthernet " + "x" * 60)
    sizes: list[int] = []

    def note(answer: bytes, _) -> list[bytes]:
        sizes.append(len(answer))
        return [answer]

    device.mangle = note
    source = make_input(device.address)
    await source.once(recorder)
    assert recorder.last("interface").layout.height == 60
    sizes.clear()
    source.devices[0].relearn()
    await source.once(recorder)
    assert max(sizes) <= 1500
