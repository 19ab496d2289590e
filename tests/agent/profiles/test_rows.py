"""How rows are named, chosen, and joined with those of other tables."""

from __future__ import annotations

from pathlib import Path

from recordings import read, sensors

T = "1.3.6.1.4.1.99998.2"
IF_NAME = "1.3.6.1.2.1.31.1.1.1.1"


def test_a_name_is_joined_by_the_same_index_or_one_that_is_shortened(tmp_path: Path) -> None:
    profile = f"objects: {{lane: {T}.1, slot: {T}.2}}\nsensors: [{{value: lane, quantity: voltage, name: '{{slot}} lane {{index@-1}}'}}]\n"
    walk = f"{T}.1.7.1|2|3\n{T}.1.7.2|2|4\n{T}.2.7|4|Slot 7\n"
    assert [each[0] for each in sensors(tmp_path, profile, walk)] == ["Slot 7 lane 1", "Slot 7 lane 2"]


def test_a_name_is_joined_by_an_arc_a_slice_or_anothers_value(tmp_path: Path) -> None:
    profile = (
        f"objects: {{power: {T}.1, port: {T}.2}}\nsensors:\n"
        "  - {value: power, quantity: power, name: '{ifName@1}, {ifName@1:2}, {ifName@port}'}\n"
    )
    walk = f"{IF_NAME}.5|4|Gi0/5\n{IF_NAME}.9|4|Gi0/9\n{T}.1.1.5|2|3\n{T}.2.1.5|2|9\n"
    assert [each[0] for each in sensors(tmp_path, profile, walk)] == ["Gi0/5, Gi0/5, Gi0/9"]


def test_an_index_may_hold_text_or_an_address(tmp_path: Path) -> None:
    profile = f"objects: {{users: {T}.1}}\nsensors: [{{value: users, quantity: count, name: '{{index@0}} {{index@1::text}} {{index@1:3}}'}}]\n"
    walk = f"{T}.1.4.3.108.97.98|2|17\n"
    assert [each[0] for each in sensors(tmp_path, profile, walk)] == ["4 lab 3.108"]


def test_the_first_alternative_that_is_not_empty_stands(tmp_path: Path) -> None:
    profile = f"objects: {{fan: {T}.1, label: {T}.2, text: {T}.3}}\nsensors: [{{value: fan, quantity: fan_speed, name: \"{{label|text|'Fan'}} {{index}}\"}}]\n"
    walk = f"{T}.1.1|2|10\n{T}.1.2|2|20\n{T}.1.3|2|30\n{T}.2.1|4|Left\n{T}.2.2|4|\n{T}.3.2|4|Right\n"
    assert [each[0] for each in sensors(tmp_path, profile, walk)] == ["Left 1", "Right 2", "Fan 3"]


def test_sensors_without_a_name_are_told_by_object_and_index_and_two_of_one_name_by_index(tmp_path: Path) -> None:
    profile = f"objects: {{fan: {T}.1, room: {T}.2}}\nsensors:\n  - {{value: fan, quantity: fan_speed}}\n  - {{value: room, quantity: temperature, name: Room}}\n"
    walk = f"{T}.1.3|2|10\n{T}.2.1|2|20\n{T}.2.2|2|21\n"
    assert [each[0] for each in sensors(tmp_path, profile, walk)] == ["fan 3", "Room 1", "Room 2"]


def test_enumerated_numbers_are_named_in_texts_and_conditions(tmp_path: Path) -> None:
    profile = (
        f"objects: {{fan: {T}.1, kind: {{oid: {T}.2, enum: {{1: tray, 2: turbine}}}}}}\nsensors:\n"
        "  - {value: fan, quantity: fan_speed, name: '{kind} {kind:number}', when: {kind: turbine}}\n"
    )
    walk = f"{T}.1.1|2|10\n{T}.1.2|2|20\n{T}.2.1|2|1\n{T}.2.2|2|2\n"
    assert sensors(tmp_path, profile, walk) == [("turbine 2", 20, "unknown")]


def test_conditions_know_lists_patterns_comparisons_and_what_is_not_there(tmp_path: Path) -> None:
    profile = (
        f"objects: {{v: {T}.1, kind: {T}.2, text: {T}.3}}\nsensors:\n"
        "  - {value: v, quantity: count, name: 'list {index}', when: {kind: [1, 2]}}\n"
        "  - {value: v, quantity: voltage, name: 'pattern {index}', when: {text: '~^(?i)a'}}\n".replace(
            "^(?i)a", "(?i)^a"
        )
        + "  - {value: v, quantity: power, name: 'more {index}', when: {kind: '>=3'}}\n"
        "  - {value: v, quantity: current, name: 'none {index}', when: {text: ''}}\n"
        "  - {value: v, quantity: load, name: 'unless {index}', unless: {kind: [1, 2, 3]}}\n"
    )
    walk = "".join(f"{T}.1.{row}|2|7\n{T}.2.{row}|2|{row}\n" for row in (1, 2, 3, 4)) + f"{T}.3.1|4|Alpha\n"
    assert [name for name, _, _ in sensors(tmp_path, profile, walk)] == [
        *("list 1", "list 2", "pattern 1", "more 3", "more 4", "none 2", "none 3", "none 4", "unless 4"),
    ]


def test_an_instance_is_told_once_a_quantity(tmp_path: Path) -> None:
    profile = f"objects: {{v: {T}.1}}\nsensors: [{{value: v, quantity: power, name: first}}, {{value: v, quantity: power, name: second}}]\n"
    assert sensors(tmp_path, profile, f"{T}.1.1|2|7\n") == [("first", 7, "unknown")]


def test_facts_come_from_the_first_source_that_gives_a_text(tmp_path: Path) -> None:
    profile = (
        f"objects: {{serial: {T}.1, kind: {T}.2}}\ndevice:\n  vendor: Acme\n"
        "  model: ['{kind}', {text: '{sysObjectID}', map: {1.3.6.1.4.1.99998.1: Box 1}}]\n"
        "  version: {text: '{sysDescr}', pattern: 'release ([0-9.]+)'}\n"
        "  serial: {text: '{serial}', when: {kind: 3}}\n"
        "  type: [{text: router, if: {sysDescr: gateway}}, switch]\n"
    )
    document = read(tmp_path, profile, f"{T}.1.1|4|part\n{T}.1.2|4|whole\n{T}.2.1|2|9\n{T}.2.2|2|3\n")
    device = document["device"]
    assert {key: device[key] for key in ("vendor", "model", "version", "serial", "type", "name", "profile")} == {
        "vendor": "Acme",
        "model": "9",
        "version": "4.2",
        "serial": "whole",
        "type": "switch",
        "name": "box",
        "profile": "box",
    }


def test_a_condition_may_be_about_an_arc_of_the_index(tmp_path: Path) -> None:
    profile = (
        f"objects: {{v: {T}.1}}\nsensors:\n"
        "  - {value: v, quantity: temperature, name: 'T {index@0}', when: {index@-1: 1}}\n"
        "  - {value: v, quantity: voltage, name: 'V {index@0}', when: {index@1: '>=2'}, unless: {index: 8.3}}\n"
    )
    walk = f"{T}.1.7.1|2|20\n{T}.1.7.2|2|3\n{T}.1.8.3|2|5\n"
    assert sensors(tmp_path, profile, walk) == [("T 7", 20, "unknown"), ("V 7", 3, "unknown")]
