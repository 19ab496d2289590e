"""The simulated school and its story."""

from __future__ import annotations

from fenghuo.demo.faults import BROKEN_PORT, CYCLE, NOISY_PORT, SCRIPT, Story
from fenghuo.demo.plan import CORE_SWITCH, TEACHING_SWITCH, build
from fenghuo.demo.school import DOWN, UP, School, diurnal

START = 1_767_225_600_000
UPLINK = "Te1/0/50"


def counters(school: School) -> list[tuple[int, ...]]:
    return [
        (port.in_octets, port.out_octets, port.in_packets, port.in_errors)
        for device in school.devices.values()
        for port in device.ports
    ]


def test_the_same_seed_and_times_give_the_same_school():
    schools = [build(7, START), build(7, START), build(8, START)]
    for school in schools:
        school.advance(START + 30_000)
    assert counters(schools[0]) == counters(schools[1])
    assert counters(schools[0]) != counters(schools[2])


def test_how_often_one_looks_does_not_change_what_happens():
    often, seldom = build(1, START), build(1, START)
    for second in range(60):
        often.advance(START + second * 1000 + 500)
    seldom.advance(START + 59_500)
    assert counters(often) == counters(seldom)


def test_after_a_long_sleep_it_catches_up_in_bounded_time():
    school = build(1, START)
    school.advance(START + 30 * 86_400_000)
    assert school.now > START + 29 * 86_400_000


def test_counters_of_ports_that_are_up_grow_and_of_others_stand_still():
    school = build(1, START)
    before = {port.name: port.in_octets for port in school.devices[CORE_SWITCH].ports}
    school.advance(START + 20_000)
    for port in school.devices[CORE_SWITCH].ports:
        assert (port.in_octets > before[port.name]) == (port.oper == UP), port


def test_no_port_carries_more_than_its_speed():
    school = build(3, START)
    for second in range(1, 600, 7):
        before = {(d.name, p.name): p.out_octets for d in school.devices.values() for p in d.ports}
        now = school.now
        school.advance(START + second * 1000)
        elapsed = (school.now - now) / 1000
        for device in school.devices.values():
            for port in device.ports:
                assert port.out_octets - before[device.name, port.name] <= port.speed * 125_000 * elapsed


def test_a_school_is_busier_in_lessons_than_at_night():
    eleven, three = START + 3 * 3_600_000, START + 19 * 3_600_000  # Beijing time
    assert diurnal(eleven) > 0.95
    assert diurnal(three) < 0.4


def test_the_story_tells_each_fault_in_order_and_begins_anew():
    school = build(1, START)
    story = Story(school, START)
    told = [(h.time - START, h.fault.name, h.phase) for h in story.advance(START + round(2 * CYCLE * 1000))]
    assert len(told) == 4 * len(SCRIPT)
    assert told == sorted(told, key=lambda item: item[0])
    assert told[0] == (15_000, "port-down", "begins")
    assert (135_000, "port-down", "begins") in told
    assert max(fault.ends for fault in SCRIPT) < CYCLE


def test_each_fault_shows_while_it_lasts_and_is_gone_after():
    school = build(1, START)
    story = Story(school, START)
    core, teaching = school.devices[CORE_SWITCH], school.devices[TEACHING_SWITCH]
    seen: dict[int, tuple[int, bool, bool, bool, int]] = {}
    errors = core.port(NOISY_PORT).in_errors
    for second in range(121):
        story.advance(START + second * 1000)
        grown = core.port(NOISY_PORT).in_errors
        hot = school.room.temperature > 35
        seen[second] = (core.port(BROKEN_PORT).oper, grown > errors, hot, teaching.alive, core.port(UPLINK).oper)
        errors = grown
    assert seen[14] == (UP, False, False, True, UP)
    assert seen[20][0] == DOWN
    assert seen[45][0] == UP
    assert seen[40][1]
    assert not seen[65][1]
    assert seen[60][2]
    assert not seen[95][2]
    assert seen[70][3:] == (False, DOWN)
    assert seen[100][3:] == (True, UP)


def test_a_device_that_starts_again_counts_from_zero():
    school = build(1, START)
    device = school.devices[TEACHING_SWITCH]
    assert school.uptime(device) > 1_000_000
    school.advance(START + 5_000)
    school.cut(device)
    school.advance(START + 20_000)
    school.start(device)
    school.advance(START + 22_000)
    assert school.uptime(device) == 200
    assert device.ports[0].in_octets < 2 * 125_000_000
    assert school.devices[CORE_SWITCH].port(UPLINK).changed == START + 20_000
