"""Polls of known rows: sizes of requests, wrong and missing values, moved and vanished rows."""

from __future__ import annotations

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.input import DevicesFailed
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET_BULK

from .conftest import IF, IFX, integer, octets, unsigned


def sizes(device) -> list[int]:
    return [len(names) for names in device.asked()]


async def test_when_the_device_finds_it_too_big_it_asks_for_less_and_remembers(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    device.most = 20
    source = make_input(device.address)
    await source.once(recorder)
    assert source.tally.shrunk >= 1
    assert recorder.value("interface", "ifHCInOctets", 29) == 30_000
    device.requests.clear()
    await source.once(recorder)
    assert max(sizes(device)) <= 20
    assert max(sizes(device)) >= 10
    assert recorder.value("interface", "ifHCInOctets", 29) == 30_000


async def test_after_many_good_polls_it_dares_one_step_more(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    device.most = 20
    source = make_input(device.address)
    await source.once(recorder)
    device.most = 1000
    largest = []
    for _ in range(150):
        device.requests.clear()
        await source.once(recorder)
        largest.append(max(sizes(device)))
    assert largest[0] <= 20
    assert largest == sorted(largest)
    assert 20 < largest[-1] < 40


async def test_when_large_answers_are_lost_it_asks_for_less(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    source = make_input(device.address, timeout=0.05)
    await source.once(recorder)
    device.mangle = lambda answer, _: [answer] if len(answer) < 600 else []
    await source.once(recorder)
    assert source.tally.polls == {"ok": 2}
    assert recorder.value("interface", "ifHCInOctets", 29) == 30_000


async def test_answers_stay_below_the_path_mtu(make_device, make_input, recorder):
    device = await make_device()
    device.ports(60)
    largest = 0

    def note(answer: bytes, _) -> list[bytes]:
        nonlocal largest
        largest = max(largest, len(answer))
        return [answer]

    device.mangle = note
    source = make_input(device.address)
    for _ in range(4):
        largest = 0
        await source.once(recorder)
    assert 1200 < largest <= 1400


async def test_a_value_of_a_wrong_type_is_absent_and_counted(make_device, make_input, recorder):
    device = await make_device()
    device.ports(4)
    source = make_input(device.address)
    await source.once(recorder)
    device.objects[(*IFX, 6, 1)] = octets("1000")
    device.objects[(*IFX, 6, 2)] = unsigned(ber.GAUGE32, 2000)
    device.objects[(*IFX, 6, 3)] = ber.COUNTER64, b"\x01" * 9
    device.objects[(*IF, 14, 4)] = ber.COUNTER32, b"\x01" * 8
    await source.once(recorder)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(4)] == [None, None, None, 4000]
    assert recorder.value("interface", "ifInErrors", 3) is None
    assert recorder.value("interface", "ifInErrors", 0) == 1
    assert source.tally.wrong == 4


@pytest.mark.parametrize("value", [0, 1, 255, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
async def test_a_counter_of_64_bits_is_exact(make_device, make_input, recorder, value):
    device = await make_device()
    device.ports(1)
    device.objects[(*IFX, 6, 1)] = unsigned(ber.COUNTER64, value)
    device.objects[(*IF, 14, 1)] = unsigned(ber.COUNTER32, value % 2**32)
    source = make_input(device.address)
    for _ in range(2):
        await source.once(recorder)
        assert recorder.value("interface", "ifHCInOctets") == value
        assert recorder.value("interface", "ifInErrors") == value % 2**32


async def test_a_counter_sent_without_its_leading_zero_is_unsigned(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    device.objects[(*IF, 14, 1)] = ber.COUNTER32, b"\xff\xff\xff\xfe"
    await make_input(device.address).once(recorder)
    assert recorder.value("interface", "ifInErrors") == 2**32 - 2


async def test_a_late_answer_to_an_earlier_question_is_not_taken(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    source = make_input(device.address)
    await source.once(recorder)
    kept: list[bytes] = []

    def late(answer: bytes, _) -> list[bytes]:
        kept.append(answer)
        return [*kept[-2:-1], answer]

    device.mangle = late
    await source.once(recorder)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(30)] == [1000 * n for n in range(1, 31)]
    assert source.tally.foreign >= 1


async def test_an_answer_that_comes_twice_is_taken_once(make_device, make_input, recorder):
    device = await make_device()
    device.ports(30)
    device.mangle = lambda answer, _: [answer, answer]
    source = make_input(device.address)
    for _ in range(2):
        await source.once(recorder)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(30)] == [1000 * n for n in range(1, 31)]


async def test_one_lost_answer_costs_a_retry_only(make_device, make_input, recorder):
    device = await make_device()
    device.ports(10)
    lost = []
    device.mangle = lambda answer, _: [answer] if len(lost) > 3 or lost.append(1) else []
    source = make_input(device.address, timeout=0.05, retries=5)
    await source.once(recorder)
    assert source.tally.retries == 4
    assert recorder.value("interface", "ifHCInOctets", 9) == 10_000


async def test_when_rows_vanish_their_series_end(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    device.objects = {name: value for name, value in device.objects.items() if not (len(name) > 9 and name[-1] == 2)}
    device.objects[(1, 3, 6, 1, 2, 1, 2, 1, 0)] = integer(2)
    clock.advance(1)
    await source.once(recorder)
    assert recorder.ended() == [("interface", "port2")]
    ended = recorder.last("interface", ended=True)
    assert ended.layout.fields == recorder.last("interface").layout.fields
    assert recorder.last("interface").layout.row_labels["ifIndex"] == ["1", "3"]
    assert [recorder.value("interface", "ifHCInOctets", row) for row in (0, 1)] == [1000, 3000]


async def test_when_rows_move_no_value_goes_to_a_wrong_row(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    for column in ((*IF, 2), (*IFX, 1)):
        device.objects[(*column, 1)], device.objects[(*column, 2)] = (
            device.objects[(*column, 2)], device.objects[(*column, 1)],
        )  # fmt: skip
    device.objects[(*IFX, 6, 1)], device.objects[(*IFX, 6, 2)] = (
        device.objects[(*IFX, 6, 2)],
        device.objects[(*IFX, 6, 1)],
    )
    device.uptime = 0
    clock.advance(60)
    await source.once(recorder)
    table = recorder.last("interface")
    values = dict(
        zip(table.layout.row_labels["ifName"], table.columns[table.layout.positions["ifHCInOctets"]], strict=True)
    )
    assert values == {"port1": 1000, "port2": 2000, "port3": 3000}
    assert sorted(recorder.ended()) == [("interface", "port1"), ("interface", "port2")]
    assert source.tally.restarts == 1
    assert [table.epochs for table in recorder.tables if table.layout.name == "interface" and not table.ended] == [
        [0, 0, 0], [1, 1, 1],
    ]  # fmt: skip


async def test_when_a_row_is_gone_without_notice_it_learns_again(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    device.objects = {name: value for name, value in device.objects.items() if not (len(name) > 9 and name[-1] == 2)}
    clock.advance(400)
    device.uptime += 40_000
    await source.once(recorder)
    assert recorder.ended() == [("interface", "port2")]


async def test_by_version_1_a_vanished_row_does_not_cost_the_others(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3, high=False)
    source = make_input(device.address, credential={"community": "test-community", "version": "1"})
    await source.once(recorder)
    del device.objects[(*IF, 10, 2)]
    await source.once(recorder)
    assert [recorder.value("interface", "ifInOctets", row) for row in range(3)] == [10, None, 30]


async def test_a_general_error_on_one_object_does_not_cost_the_others(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    source = make_input(device.address)
    await source.once(recorder)
    bad = (*IFX, 6, 2)
    device.refuse = lambda _, names: (5, names.index(bad) + 1) if bad in names else None
    await source.once(recorder)
    assert [recorder.value("interface", "ifHCInOctets", row) for row in range(3)] == [1000, None, 3000]


async def test_a_discontinuity_begins_an_epoch_for_its_row_only(make_device, make_input, recorder):
    device = await make_device()
    device.ports(3)
    for index in (1, 2, 3):
        device.objects[(*IFX, 19, index)] = unsigned(ber.TIMETICKS, 0)
    source = make_input(device.address)
    await source.once(recorder)
    first = list(recorder.last("interface").epochs)
    device.objects[(*IFX, 19, 2)] = unsigned(ber.TIMETICKS, 4711)
    await source.once(recorder)
    second = list(recorder.last("interface").epochs)
    await source.once(recorder)
    assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, True]
    assert list(recorder.last("interface").epochs) == second
    assert mibs.IF_DISCONTINUITY.name not in recorder.last("interface").layout.fields


async def test_after_a_while_it_reads_names_again(make_device, make_input, recorder):
    device = await make_device()
    device.ports(2)
    source = make_input(device.address, clock=(clock := VirtualClock()))
    await source.once(recorder)
    walks = len(device.asked(GET_BULK))
    device.objects[(*IFX, 18, 1)] = octets("uplink 校")
    clock.advance(60)
    device.uptime += 6000
    await source.once(recorder)
    assert len(device.asked(GET_BULK)) == walks
    clock.advance(4000)
    device.uptime += 400_000
    await source.once(recorder)
    assert recorder.last("interface").layout.row_labels["ifAlias"] == ["uplink 校", ""]
    assert recorder.ended() == [("interface", "port1")]


async def test_sensors_become_base_units_and_those_out_of_order_are_absent(make_device, make_input, recorder):
    device = await make_device()
    sensor, name = (1, 3, 6, 1, 2, 1, 99, 1, 1, 1), (1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 7)
    rows = {
        1: ("inlet", 8, 9, 1, 235, 1),
        2: ("outlet", 8, 9, 0, 41, 1),
        3: ("supply", 4, 8, 0, 12050, 1),
        4: ("fan", 10, 9, 0, 4200, 1),
        5: ("dead", 8, 9, 0, 20, 3),
        6: ("broken", 8, 9, 0, 1_000_000_000, 1),
        7: ("odd", 2, 9, 0, 5, 1),
    }
    for index, (text, *numbers) in rows.items():
        device.objects[(*name, index)] = octets(text)
        for column, number in enumerate(numbers, 1):
            device.objects[(*sensor, column, index)] = integer(number)
    await make_input(device.address).once(recorder)
    found = {
        (field, row["entPhysicalName"]): value
        for table in recorder.tables
        if table.layout.name == "sensor"
        for field, column in zip(table.layout.fields, table.columns, strict=True)
        if field != "sensor_status"
        for row, value in zip(table.layout.rows, column, strict=True)
    }
    assert found == {
        ("sensor_temperature_celsius", "inlet"): 23.5,
        ("sensor_temperature_celsius", "outlet"): 41,
        ("sensor_voltage_volts", "supply"): 12.05,
        ("sensor_fan_speed_rpm", "fan"): 4200,
    }


async def test_a_name_that_two_devices_have_is_no_device_label(make_device, make_input, recorder):
    devices = [await make_device(), await make_device("127.0.0.2")]
    for device in devices:
        device.ports(1)
        device.objects[(1, 3, 6, 1, 2, 1, 1, 5, 0)] = octets("switch")
    source = make_input(*(device.address for device in devices))
    for _ in range(2):
        await source.once(recorder)
    labels = [table.layout.labels["device"] for table in recorder.tables[-4:]]
    assert sorted(set(labels)) == sorted(device.address for device in devices)


async def test_a_configured_name_and_labels_win(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    await make_input({"address": device.address, "name": "roof", "labels": {"building": "b2"}}).once(recorder)
    assert recorder.last("interface").layout.labels == {
        "job": "snmp", "instance": device.address, "device": "roof", "building": "b2",
    }  # fmt: skip


async def test_a_device_without_interfaces_gives_its_system_table(make_device, make_input, recorder):
    device = await make_device()
    await make_input(device.address).once(recorder)
    assert [table.layout.name for table in recorder.tables] == ["system"]
    assert recorder.value("system", "snmp_up") == 1
    assert recorder.value("system", "ifNumber") is None


async def test_a_peer_that_floods_is_left(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    device.mangle = lambda _, __: [b"\x30\x03\x02\x01\x01"] * 400
    with pytest.raises(DevicesFailed, match="tcpdump"):
        await make_input(device.address).once(recorder)
