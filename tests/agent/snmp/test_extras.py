"""What is read beside the ports: by profiles, of any type, each at its interval, and never at the ports' expense."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp import learn as learning
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET

from .conftest import IF, IFX, integer, octets, unsigned
from .test_odd_devices import octets_in

MINE = (1, 3, 6, 1, 4, 1, 99999)
PROFILE = """
name: mine
title: A device of ours
match: {sysObjectID: [1.3.6.1.4.1.99999]}
objects:
  mineTemperature: 1.3.6.1.4.1.99999.1.1.1
  mineName: 1.3.6.1.4.1.99999.1.1.2
  mineState: 1.3.6.1.4.1.99999.1.1.3
  minePages: 1.3.6.1.4.1.99999.2.0
  mineClientMac: 1.3.6.1.4.1.99999.3.1.1
  mineClientSsid: 1.3.6.1.4.1.99999.3.1.2
  mineFrames: 1.3.6.1.4.1.99999.4.1.1
  mineLoad: 1.3.6.1.4.1.99999.4.1.2
sensors:
  - {value: mineTemperature, quantity: temperature, scale: 0.1, name: "{mineName}", pattern: '(-?[\\d.]+)', status: {object: mineState, states: {1: ok, 2: warning, 3: critical}}}
  - {value: minePages, quantity: count, name: Pages, interval: 5m}
wireless:
  - {value: mineClientMac, aggregate: count, name: "{mineClientSsid}"}
metrics:
  - {name: mine, objects: [mineFrames, mineLoad], labels: {mineIndex: "{index}"}}
"""


@pytest.fixture
async def device(make_device):
    made = await make_device()
    made.ports(2)
    made.objects[(1, 3, 6, 1, 2, 1, 1, 2, 0)] = ber.OID, ber.oid((*MINE, 7))[2:]
    for index, (text, name, state) in enumerate([("215 C", "Inlet", 1), ("655", "Outlet", 2), ("n/a", "Odd", 1)], 1):
        made.objects[(*MINE, 1, 1, 1, index)] = octets(text)
        made.objects[(*MINE, 1, 1, 2, index)] = octets(name)
        made.objects[(*MINE, 1, 1, 3, index)] = integer(state)
        made.objects[(*MINE, 4, 1, 1, index)] = unsigned(ber.COUNTER32, 100 * index)
        made.objects[(*MINE, 4, 1, 2, index)] = unsigned(ber.GAUGE32, index)
    made.objects[(*MINE, 2, 0)] = unsigned(ber.COUNTER32, 4711)
    for index in range(1, 6):
        made.objects[(*MINE, 3, 1, 1, index)] = ber.OCTETS, bytes((2, 0, 0, 0, 0, index))
        made.objects[(*MINE, 3, 1, 2, index)] = octets("school" if index > 2 else "guests")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(PROFILE)
    return str(tmp_path)


def rows(recorder, table: str, field: str) -> dict[str, float | None]:
    """The newest values of a field by the row's first label."""
    found = next(
        each
        for each in reversed(recorder.tables)
        if each.layout.name == table and field in each.layout.fields and not each.ended
    )
    names = next(iter(found.layout.row_labels.values()))
    return dict(zip(names, found.columns[found.layout.positions[field]], strict=True))


async def test_a_profile_gives_sensors_clients_and_objects_under_their_names(device, make_input, recorder, folder):
    await make_input(device.address, profiles=[folder]).once(recorder)
    assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Inlet": 21.5, "Outlet": 65.5}
    assert rows(recorder, "sensor", "sensor_status") == {"Inlet": 0, "Outlet": 1}
    assert rows(recorder, "sensor", "sensor_count") == {"Pages": 4711}
    assert rows(recorder, "wireless", "wireless_clients") == {"guests": 2, "school": 3}
    assert rows(recorder, "mine", "mineFrames") == {"1": 100, "2": 200, "3": 300}
    assert recorder.last("mine").layout.counters == {"mineFrames": 32}
    assert recorder.assets[-1].attributes["fenghuo"]["asset"]["snmp"]["profile"] == "mine"


async def test_a_sensor_with_an_interval_is_read_when_it_is_due_and_never_too_late_for_its_series(
    device, make_input, recorder, folder
):
    source = make_input(device.address, profiles=[folder], clock=(clock := VirtualClock()))
    times: list[int] = []
    for _ in range(16):
        await source.once(recorder)
        clock.advance(60)
        device.uptime += 6000
    times = [table.time for table in recorder.tables if "sensor_count" in table.layout.fields]
    gaps = {(later - earlier) // 1000 for earlier, later in pairwise(times)}
    assert gaps == {240}, "its five minutes are as long as Prometheus's look-back"


async def test_an_access_points_clients_are_counted_as_they_come_and_go(device, make_input, recorder, folder):
    source = make_input(device.address, profiles=[folder], clock=(clock := VirtualClock()))
    await source.once(recorder)
    for index in (3, 4, 5):
        del device.objects[(*MINE, 3, 1, 1, index)]
    device.objects[(*MINE, 3, 1, 1, 9)] = ber.OCTETS, bytes(6)
    device.objects[(*MINE, 3, 1, 2, 9)] = octets("guests")
    for _ in range(2):
        clock.advance(60)
        device.uptime += 6000
        await source.once(recorder)
    assert rows(recorder, "wireless", "wireless_clients") == {"guests": 3, "school": 0}


async def test_a_name_that_is_new_among_what_is_counted_is_learnt_soon(device, make_input, recorder, folder):
    source = make_input(device.address, profiles=[folder], clock=(clock := VirtualClock()))
    await source.once(recorder)
    device.objects[(*MINE, 3, 1, 1, 9)] = ber.OCTETS, bytes(6)
    device.objects[(*MINE, 3, 1, 2, 9)] = octets("exam")
    for _ in range(8):
        clock.advance(60)
        device.uptime += 6000
        await source.once(recorder)
    assert rows(recorder, "wireless", "wireless_clients") == {"guests": 2, "school": 3, "exam": 1}


async def test_a_sensor_that_vanishes_is_absent_and_the_others_are_read(device, make_input, recorder, folder):
    source = make_input(device.address, profiles=[folder])
    await source.once(recorder)
    del device.objects[(*MINE, 1, 1, 1, 1)]
    await source.once(recorder)
    assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Inlet": None, "Outlet": 65.5}


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_an_error_on_one_sensor_does_not_cost_the_others(device, make_input, recorder, folder, version):
    source = make_input(
        device.address, profiles=[folder], credential={"community": "test-community", "version": version}
    )
    await source.once(recorder)
    bad = (*MINE, 1, 1, 1, 1)
    device.refuse = lambda kind, names: (5, names.index(bad) + 1) if kind == GET and bad in names else None
    await source.once(recorder)
    assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Inlet": None, "Outlet": 65.5}


async def test_sensors_that_are_not_answered_cost_the_ports_nothing(device, make_input, recorder, folder):
    source = make_input(device.address, profiles=[folder], timeout=0.03, retries=0)
    await source.once(recorder)
    device.mangle = lambda answer, _: (
        [] if any(name[: len(MINE)] == MINE for name in device.requests[-1][1]) else [answer]
    )
    device.objects[(*IFX, 6, 1)] = unsigned(ber.COUNTER64, 4711)
    await source.once(recorder)
    assert octets_in(recorder)["port1"] == 4711
    assert recorder.value("system", "snmp_up") == 1
    assert sum(source.tally.extras.values()) == 1


async def test_a_device_that_dies_among_its_sensors_is_not_taken_for_one_that_bears_few(
    device, make_input, recorder, folder
):
    source = make_input(device.address, profiles=[folder], timeout=0.03, retries=0)
    await source.once(recorder)

    def die(answer: bytes, _) -> list[bytes]:
        device.silent = device.silent or any(name[: len(MINE)] == MINE for name in device.requests[-1][1])
        return [] if device.silent else [answer]

    device.mangle = die
    await source.once(recorder)
    device.mangle, device.silent = lambda answer, _: [answer], False
    device.requests.clear()
    await source.once(recorder)
    assert max(len([name for name in names if name[: len(MINE)] == MINE]) for names in device.asked()) > 8


async def test_when_the_answers_are_too_big_fewer_sensors_are_asked_at_once(device, make_input, recorder, folder):
    source = make_input(device.address, profiles=[folder])
    await source.once(recorder)
    device.most = 3
    for _ in range(2):
        device.requests.clear()
        await source.once(recorder)
        assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Inlet": 21.5, "Outlet": 65.5}
    assert max(len(names) for names in device.asked()) <= 3, "what it takes is remembered"


async def test_a_profile_that_cannot_be_read_costs_neither_ports_nor_what_was_known(
    device, make_input, recorder, folder, monkeypatch, caplog
):
    source = make_input(device.address, profiles=[folder])
    await source.once(recorder)

    async def broken(*_) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(learning, "profiled", broken)
    source.devices[0].relearn()
    device.objects[(*IF, 8, 1)] = integer(2)
    await source.once(recorder)
    assert octets_in(recorder, "ifOperStatus") == {"port1": 2, "port2": 1}
    assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Inlet": 21.5, "Outlet": 65.5}
    assert "what its profiles name was not read" in caplog.text
    assert not recorder.ended()


async def test_when_a_sensor_goes_its_series_ends_and_the_others_of_its_table_go_on(
    device, make_input, recorder, folder
):
    source = make_input(device.address, profiles=[folder])
    await source.once(recorder)
    for column in (1, 2, 3):
        del device.objects[(*MINE, 1, 1, column, 1)]
    source.devices[0].relearn()
    await source.once(recorder)
    ended = [table for table in recorder.tables if table.ended]
    assert [(table.layout.name, list(table.layout.row_labels["sensor"])) for table in ended] == [("sensor", ["Inlet"])]
    assert rows(recorder, "sensor", "sensor_temperature_celsius") == {"Outlet": 65.5}
