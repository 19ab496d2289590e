"""What is known of devices over time, on a virtual clock."""

from __future__ import annotations

from fenghuo.clock import VirtualClock
from fenghuo_agent.discovery.duplicates import merged
from fenghuo_agent.discovery.found import Found, asset_of
from fenghuo_agent.discovery.register import Register, event_of
from fenghuo_agent.snmp.access import parse_address

DAY = 86_400_000
WEEK = 7 * 86_400.0


def found(address: str, **fields) -> Found:
    also = [parse_address(each) for each in fields.pop("also", ())]
    return Found(target=parse_address(address), credential="c", version="2c", how="sweep", also=also, **fields)


def addresses(devices) -> list[tuple[str, list[str]]]:
    return [(device.instance, [target.instance for target in device.also]) for device in devices]


def test_addresses_with_one_engine_are_one_device_at_its_lowest_address():
    devices = merged([found(f"10.0.0.{number}", engine="aa", name="core") for number in (20, 3, 100)])
    assert addresses(devices) == [("10.0.0.3", ["10.0.0.20", "10.0.0.100"])]


def test_the_address_that_is_preferred_stands_for_the_device():
    same = [found(f"10.0.0.{number}", serial="X1", vendor="H3C") for number in (20, 3, 100)]
    assert addresses(merged(same, lambda target: target.host == "10.0.0.100")) == [
        ("10.0.0.100", ["10.0.0.3", "10.0.0.20"])
    ]


def test_ipv4_stands_before_ipv6_and_link_local_last():
    same = [found(each, engine="aa") for each in ("fe80::1%eth0", "2001:db8::1", "10.9.9.9")]
    assert addresses(merged(same)) == [("10.9.9.9", ["2001:db8::1", "fe80::1%eth0"])]


def test_a_mac_and_a_name_together_make_a_device_but_neither_alone():
    one = found("10.0.0.1", mac="00:11:22:33:44:55", name="sw1")
    assert len(merged([one, found("10.0.0.2", mac="00:11:22:33:44:55", name="sw1")])) == 1
    assert len(merged([found("10.0.0.1", name="switch"), found("10.0.0.2", name="switch")])) == 2
    assert len(merged([one, found("10.0.0.2", mac="00:11:22:33:44:55", name="sw2")])) == 2


def test_copied_engine_ids_and_serials_do_not_make_two_devices_one():
    assert len(merged([found("10.0.0.1", engine="aa", name="vm1"), found("10.0.0.2", engine="aa", name="vm2")])) == 2
    first = found("10.0.0.1", serial="123456", mac="00:11:22:33:44:55")
    assert len(merged([first, found("10.0.0.2", serial="123456", mac="00:11:22:33:44:66")])) == 2
    nothing = [found(f"10.0.0.{number}", serial="To be filled by O.E.M.") for number in (1, 2)]
    assert len(merged(nothing)) == 2


def test_what_one_address_tells_is_known_of_the_device():
    (device,) = merged([found("10.0.0.1", engine="aa"), found("10.0.0.2", engine="aa", serial="S", name="core")])
    assert (device.serial, device.name) == ("S", "core")


def test_a_device_is_new_once():
    register, clock = Register(WEEK), VirtualClock()
    changes = register.seen([found("10.0.0.1", name="a")], clock.now())
    assert [(change.action, change.device.instance) for change in changes] == [("device-found", "10.0.0.1")]
    first = register.devices[0].first_seen
    clock.advance(3600)
    assert register.seen([found("10.0.0.1", name="a")], clock.now()) == []
    assert (register.devices[0].first_seen, register.devices[0].last_seen) == (first, clock.now())


def test_silence_makes_a_device_silent_then_gone_then_forgotten():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1")], clock.now())
    states = []
    for _ in range(16):
        clock.advance(86_400)
        actions = [change.action for change in register.silent(clock.now(), clock.now())]
        states.append((register.devices[0].state if register.devices else "forgotten", *actions))
    assert states[:6] == [("silent",)] * 6
    assert states[6] == ("gone", "device-gone")
    assert states[7:13] == [("gone",)] * 6
    assert states[13] == ("forgotten",)


def test_a_device_that_answers_to_polls_is_not_silent():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1")], clock.now())
    clock.advance(8 * 86_400)
    register.alive(["10.0.0.1", "10.0.0.99"], clock.now())
    assert register.silent(clock.now(), clock.now()) == []
    assert register.devices[0].state == "up"


def test_a_device_that_comes_back_is_told_as_such():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1", name="a")], clock.now())
    clock.advance(8 * 86_400)
    register.silent(clock.now(), clock.now())
    (change,) = register.seen([found("10.0.0.1", name="a")], clock.now())
    assert change.action == "device-returned"
    assert change.device.state == "up"


def test_a_changed_name_or_version_is_a_change_with_what_was_before():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1", name="old", os_version="1", serial="S")], clock.now())
    (change,) = register.seen([found("10.0.0.1", name="new", os_version="2", serial="S")], clock.now())
    assert (change.action, change.was) == ("device-changed", {"name": "old", "version": "1"})
    event = event_of(change, clock.now(), "id")
    assert event.dataset == "asset"
    assert event.document["event"]["action"] == "device-changed"
    assert event.document["event"]["type"] == ["change"]
    assert event.document["fenghuo"]["asset"]["was"] == {"name": "old", "version": "1"}


def test_what_a_device_did_not_say_this_time_is_kept():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1", name="a", vendor="H3C", serial="S")], clock.now())
    assert register.seen([found("10.0.0.1")], clock.now()) == []
    assert (register.devices[0].vendor, register.devices[0].serial) == ("H3C", "S")


def test_other_hardware_at_an_address_is_another_device():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1", serial="S1", vendor="H3C", mac="00:00:00:00:00:01")], clock.now())
    (change,) = register.seen([found("10.0.0.1", serial="S2", vendor="H3C", mac="00:00:00:00:00:02")], clock.now())
    assert (change.action, change.was["serial"]) == ("device-found", "S1")
    assert len(register.devices) == 1


def test_a_device_that_moved_to_another_address_is_the_same():
    register, clock = Register(WEEK), VirtualClock()
    register.seen([found("10.0.0.1", serial="S1", vendor="H3C", name="a")], clock.now())
    first = register.devices[0].first_seen
    clock.advance(60)
    (change,) = register.seen([found("10.0.0.7", serial="S1", vendor="H3C", name="a")], clock.now())
    assert (change.action, change.moved) == ("device-changed", "10.0.0.1")
    assert [(device.instance, device.first_seen) for device in register.devices] == [("10.0.0.7", first)]
    assert event_of(change, clock.now(), "id").document["fenghuo"]["asset"]["was"] == {"address": "10.0.0.1"}


def test_an_asset_has_ecs_fields_and_no_empty_ones():
    device = found(
        "10.0.0.1",
        name="sw1",
        vendor="H3C",
        model="S5130",
        mac="00:11:22:33:44:55",
        also=["10.0.0.2"],
        own=["10.0.0.1", "10.1.0.1"],
    )
    attributes = asset_of(device, 5).attributes
    assert attributes["host"] == {
        "name": "sw1", "ip": ["10.0.0.1", "10.0.0.2", "10.1.0.1"], "mac": ["00-11-22-33-44-55"],
    }  # fmt: skip
    assert attributes["device"] == {"id": "00:11:22:33:44:55", "manufacturer": "H3C", "model": {"name": "S5130"}}
    assert attributes["fenghuo"]["asset"]["discovery"]["also"] == ["10.0.0.2"]


def test_a_device_survives_being_written_down():
    device = found(
        "10.0.0.1", name="sw1", also=["[2001:db8::1]:1161"], own=["10.0.0.1"], first_seen=3, last_seen=9, state="gone"
    )
    assert Found.restored(device.document()) == device
