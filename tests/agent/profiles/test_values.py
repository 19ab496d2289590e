"""What raw values become: scales, sentinels, percentages, limits, states, conversions."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import read, sensors

T = "1.3.6.1.4.1.99998.2"
OBJECTS = f"objects: {{temp: {T}.1, limit: {T}.2, places: {T}.3, label: {T}.4, total: {T}.5, status: {T}.6}}\n"


def one(folder: Path, entry: str, walk: str) -> list[tuple[str, float, str]]:
    return sensors(folder, f"{OBJECTS}sensors:\n  - {{value: temp, {entry}}}\n", walk)


@pytest.mark.parametrize(
    ("entry", "raw", "value"),
    [
        ("quantity: temperature, scale: 0.1", "2|235", 23.5),
        ("quantity: temperature, scale: 0.1, offset: -50", "2|735", 23.5),
        ("quantity: temperature, convert: fahrenheit", "2|77", 25),
        ("quantity: temperature, convert: kelvin, scale: 0.01", "66|29665", 23.5),
        ("quantity: optical_power, convert: milliwatts, scale: 0.0001", "2|5012", -2.9998892767),
        ("quantity: optical_power, convert: microwatts", "2|1000", 0),
        ("quantity: runtime, convert: minutes", "2|42", 2520),
        ("quantity: runtime, convert: timeticks", "67|4200", 42),
        ("quantity: temperature", "4|23.5 C", 23.5),
        ("quantity: temperature", "4|-4", -4),
        ("quantity: voltage, pattern: 'V=([0-9.]+)'", "4|A=1.5 V=229.8", 229.8),
        ("quantity: temperature", "68x|9f780441bc0000", 23.5),
        ("quantity: count", "70|18446744073709551614", 18446744073709551614),
    ],
)
def test_a_raw_value_becomes_one_in_the_base_unit(tmp_path: Path, entry: str, raw: str, value: float) -> None:
    assert [each[1] for each in one(tmp_path, entry, f"{T}.1.1|{raw}\n")] == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("entry", "raw"),
    [
        ("quantity: temperature, absent: [0, -32768]", "2|-32768"),
        ("quantity: temperature, absent: 0", "2|0"),
        ("quantity: temperature, absent: ['N/A']", "4|n/a"),
        ("quantity: temperature, range: [-40, 120]", "2|121"),
        ("quantity: temperature", "2|2147483647"),
        ("quantity: temperature", "2|-2147483648"),
        ("quantity: temperature", "66|4294967295"),
        ("quantity: count", "70|18446744073709551615"),
        ("quantity: count", "70|9223372036854775807"),
        ("quantity: temperature", "2|65535"),
        ("quantity: humidity", "2|255"),
        ("quantity: temperature", "4|not installed"),
        ("quantity: temperature", "4|"),
        ("quantity: temperature", "5|"),
        ("quantity: optical_power, convert: milliwatts", "2|0"),
        ("quantity: temperature", "68x|9f78047fc00000"),
    ],
)
def test_what_means_not_available_is_absent(tmp_path: Path, entry: str, raw: str) -> None:
    assert one(tmp_path, entry, f"{T}.1.1|{raw}\n") == []


def test_decimal_places_may_stand_in_another_object(tmp_path: Path) -> None:
    walk = f"{T}.1.1|2|2350\n{T}.1.2|2|235\n{T}.3.1|2|2\n{T}.3.2|2|1\n"
    assert one(tmp_path, "quantity: temperature, precision: places, name: '{index}'", walk) == [
        ("1", 23.5, "unknown"),
        ("2", 23.5, "unknown"),
    ]


def test_a_scale_that_the_profile_does_not_know_gives_no_value(tmp_path: Path) -> None:
    entry = "quantity: temperature, name: '{index}', scale: {object: places, map: {8: 0.001, 9: 1}}"
    walk = f"{T}.1.1|2|23500\n{T}.1.2|2|23\n{T}.1.3|2|7\n{T}.3.1|2|8\n{T}.3.2|2|9\n{T}.3.3|2|77\n"
    assert one(tmp_path, entry, walk) == [("1", 23.5, "unknown"), ("2", 23, "unknown")]


@pytest.mark.parametrize(
    ("entry", "used", "total", "share"),
    [("", 25, 100, [25]), (", inverted: true", 25, 100, [75]), ("", 25, 0, []), ("", -1, 100, [])],
)
def test_a_percentage_of_two_objects(tmp_path: Path, entry: str, used: int, total: int, share: list[float]) -> None:
    found = one(tmp_path, f"of: total, quantity: utilisation{entry}", f"{T}.1.1|2|{used}\n{T}.5.1|2|{total}\n")
    assert [value for _, value, _ in found] == share


def test_the_whole_may_be_a_sum(tmp_path: Path) -> None:
    walk = f"{T}.1.1|2|30\n{T}.5.1|2|90\n"
    assert one(tmp_path, "of: [temp, total], quantity: utilisation, name: memory", walk) == [("memory", 25, "unknown")]


@pytest.mark.parametrize(
    ("value", "state"), [(5, "critical"), (10, "warning"), (20, "ok"), (60, "warning"), (80, "critical")]
)
def test_limits_tell_the_state(tmp_path: Path, value: int, state: str) -> None:
    entry = "quantity: temperature, limits: {low_critical: 5, low: 10, high: limit, high_critical: 80}"
    assert [each[2] for each in one(tmp_path, entry, f"{T}.1.1|2|{value}\n{T}.2.1|2|60\n")] == [state]


def test_a_limit_of_zero_is_none(tmp_path: Path) -> None:
    entry = "quantity: temperature, limits: {high: limit}"
    assert [each[2] for each in one(tmp_path, entry, f"{T}.1.1|2|60\n{T}.2.1|2|0\n")] == ["unknown"]


def test_the_device_may_judge_a_value_itself(tmp_path: Path) -> None:
    entry = "quantity: temperature, name: '{index}', status: {object: status, states: {1: ok, 2: critical}}"
    walk = f"{T}.1.1|2|20\n{T}.1.2|2|30\n{T}.1.3|2|40\n{T}.6.1|2|1\n{T}.6.2|2|2\n{T}.6.3|2|9\n"
    assert one(tmp_path, entry, walk) == [("1", 20, "ok"), ("2", 30, "critical"), ("3", 40, "unknown")]


@pytest.mark.parametrize(
    ("value", "status", "state"),
    [(20, 1, "ok"), (70, 1, "warning"), (20, 2, "critical"), (70, 9, "warning"), (20, 9, "ok")],
)
def test_of_the_devices_word_and_its_limit_the_worse_counts(
    tmp_path: Path, value: int, status: int, state: str
) -> None:
    entry = "quantity: temperature, limits: {high: 60}, status: {object: status, states: {1: ok, 2: critical}}"
    assert [each[2] for each in one(tmp_path, entry, f"{T}.1.1|2|{value}\n{T}.6.1|2|{status}\n")] == [state]


@pytest.mark.parametrize(("value", "state"), [(20, "ok"), (66, "warning"), (76, "critical"), (-6, "critical")])
def test_limits_may_stand_in_a_table_of_limits_below_the_sensor(tmp_path: Path, value: int, state: str) -> None:
    rows = [(1, 65, 10, 4), (2, 75, 30, 4), (3, -5, 30, 2)]  # number, limit, severity, relation
    entry = (
        "quantity: temperature, limits: {high: {object: limit, when: {places: [10, 20], total: [3, 4]}},"
        " high_critical: {object: limit, when: {places: 30, total: [3, 4]}},"
        " low_critical: {object: limit, when: {places: 30, total: [1, 2]}}}"
    )
    walk = f"{T}.1.8|2|{value}\n" + "".join(
        f"{T}.2.8.{row}|2|{limit}\n{T}.3.8.{row}|2|{severity}\n{T}.5.8.{row}|2|{relation}\n"
        for row, limit, severity, relation in rows
    )
    assert [each[2] for each in one(tmp_path, entry, walk)] == [state]


def test_decimal_places_below_zero_are_accurate_digits_and_scale_nothing(tmp_path: Path) -> None:
    assert [
        each[1] for each in one(tmp_path, "quantity: temperature, precision: places", f"{T}.1.1|2|23\n{T}.3.1|2|-2\n")
    ] == [23]


def test_a_state_keeps_the_devices_number_and_one_not_named_is_unknown(tmp_path: Path) -> None:
    entry = "quantity: state, name: '{index}', states: {1: ok, 2: {state: critical, text: failed}}, absent: 5"
    walk = "".join(f"{T}.1.{number}|2|{number}\n" for number in (1, 2, 3, 5))
    assert one(tmp_path, entry, walk) == [("1", 1, "ok"), ("2", 2, "critical"), ("3", 3, "unknown")]


def test_the_makers_word_for_a_state_is_told(tmp_path: Path) -> None:
    profile = (
        f"{OBJECTS}sensors:\n  - {{value: temp, quantity: state, name: N, states: {{2: {{state: ok, text: standby}}, 3: critical}}}}\n"
        "  - {value: label, quantity: state, name: T, states: {Normal: ok, Faulty: critical}}\n"
    )
    walk = f"{T}.1.1|2|2\n{T}.1.2|2|1\n{T}.4.1|4|faulty\n"
    assert [each["text"] for each in read(tmp_path, profile, walk)["sensors"]] == ["standby", "", "Faulty"]


def test_a_state_told_by_a_text_is_the_place_of_that_text(tmp_path: Path) -> None:
    entry = "quantity: state, name: '{index}', states: {Normal: ok, Faulty: critical}"
    walk = f"{T}.1.1|4|normal\n{T}.1.2|4|Faulty\n{T}.1.3|4|what?\n"
    assert one(tmp_path, entry, walk) == [("1", 1, "ok"), ("2", 2, "critical")]


@pytest.mark.parametrize(("how", "value"), [("count", 3), ("sum", 60), ("max", 30), ("min", 10), ("avg", 20)])
def test_rows_of_one_name_may_become_one_value(tmp_path: Path, how: str, value: float) -> None:
    walk = "".join(f"{T}.1.{row}|2|{row}0\n{T}.4.{row}|4|hall\n" for row in (1, 2, 3))
    assert one(tmp_path, f"quantity: count, aggregate: {how}, name: '{{label}}'", walk) == [("hall", value, "unknown")]


def test_supplies_and_wireless_have_parts_of_their_own(tmp_path: Path) -> None:
    profile = f"{OBJECTS}supplies: [{{value: temp, of: total, name: '{{label}}'}}]\nwireless: [{{value: status, name: '{{label}}'}}]\n"
    walk = f"{T}.1.1|2|30\n{T}.4.1|4|black\n{T}.5.1|2|120\n{T}.6.1|66|17\n"
    document = read(tmp_path, profile, walk)
    assert document["supplies"] == [{"name": "black", "percent": 25, "oid": f"{T}.1.1"}]
    assert document["wireless"] == [{"name": "black", "clients": 17, "oid": f"{T}.6.1"}]
