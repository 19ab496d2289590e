"""The devices file: what the admin wrote stays, what is new is added, what is wrong is told by its place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from fenghuo.errors import FenghuoError, Located
from fenghuo_agent.discovery.devices_file import read_devices, read_entries, write_devices
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.snmp.access import parse_address

from .conftest import community

TODAY = dt.date(2026, 11, 22)


def found(address: str, **fields) -> Found:
    also = [parse_address(each) for each in fields.pop("also", ())]
    content = {"credential": "secure", "version": "2c", "how": "sweep", **fields}
    return Found(target=parse_address(address), also=also, **content)


def secure():
    return [community("x").replace(name="secure")]


def test_a_new_file_says_what_each_device_is_and_can_be_read(tmp_path: Path):
    path = tmp_path / "devices.yaml"
    device = found("10.0.0.1", name="core", vendor="H3C", model="S5130", type="switch", also=["10.1.0.1"])
    assert write_devices(path, [device, found("2001:db8::1:1", credential="community 1")], secure(), TODAY) == 2
    text = path.read_text()
    assert "# core, switch, H3C S5130 (sweep, 2026-11-22)" in text
    assert "# also at 10.1.0.1" in text
    devices = read_devices(path, secure())
    assert [(each.address, each.credential) for each in devices] == [("10.0.0.1", "secure"), ("2001:db8::1:1", "")]


def test_what_the_admin_wrote_stays_to_the_letter(tmp_path: Path):
    path = tmp_path / "devices.yaml"
    before = """\
# ours
devices:
- address: 10.0.0.1   # the one in the cellar
  name: core
  labels: {building: library}

- address: 10.0.0.9
  ignore: true
# the end
"""
    path.write_text(before)
    new = [found("10.0.0.1"), found("10.0.0.5", also=["10.0.0.9"]), found("10.0.0.7", name="new")]
    assert write_devices(path, new, secure(), TODAY) == 1
    text = path.read_text()
    assert [line for line in text.splitlines() if line not in before.splitlines()] == [
        "# new (sweep, 2026-11-22)", '- address: "10.0.0.7"', '  credential: "secure"',
    ]  # fmt: skip
    assert text.startswith(before.split("# the end", maxsplit=1)[0])
    assert text.endswith("# the end\n")
    assert [(each.address, each.name) for each in read_devices(path)] == [("10.0.0.1", "core"), ("10.0.0.7", "")]
    assert [each.ignore for each in read_entries(path)] == [False, True, False]
    assert write_devices(path, new, secure(), TODAY) == 0
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "devices:\n  - address: 10.0.0.1", "devices:\n- address: 10.0.0.1\n\n\n"]
)
def test_whatever_the_file_ends_with_the_result_can_be_read(tmp_path: Path, text: str):
    path = tmp_path / "devices.yaml"
    path.write_text(text)
    write_devices(path, [found("10.0.0.7"), found("10.0.0.8")], secure(), TODAY)
    assert {each.address for each in read_devices(path)} >= {"10.0.0.7", "10.0.0.8"}


def test_a_device_cannot_write_our_file_by_its_name(tmp_path: Path):
    path = tmp_path / "devices.yaml"
    evil = "x\n- address: 6.6.6.6\n\u2028- address: 7.7.7.7\r- address: 8.8.8.8\x85- address: 9.9.9.9"
    write_devices(path, [found("10.0.0.1", name=evil, location=evil)], secure(), TODAY)
    assert [each.address for each in read_devices(path)] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("devices:\n  - address: nowhere\n", ":2:14", "expected an IP address"),
        ("devices:\n  - adress: 10.0.0.1\n", ":2:5", "adress"),
        ("devices:\n  - address: 10.0.0.1\n    credential: other\n", ":2:14", "no credential named 'other'"),
        ("devices:\n  - address: 10.0.0.1\n  - address: 10.0.0.1\n", ":1", "given twice"),
        ("- 10.0.0.1\n", ":1", "expected a mapping"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, text: str, place: str, said: str):
    path = tmp_path / "devices.yaml"
    path.write_text(text)
    with pytest.raises(Located) as raised:
        read_devices(path, secure())
    assert said in str(raised.value)
    assert f"{path}{place}" in str(raised.value)


def test_a_list_in_one_line_is_not_torn_apart(tmp_path: Path):
    path = tmp_path / "devices.yaml"
    path.write_text("devices: [{address: 10.0.0.1}]\n")
    with pytest.raises(Located, match="line by line"):
        write_devices(path, [found("10.0.0.7")], secure(), TODAY)
    assert path.read_text() == "devices: [{address: 10.0.0.1}]\n"


def test_a_file_that_is_wrong_is_not_written(tmp_path: Path):
    path = tmp_path / "devices.yaml"
    path.write_text("devices:\n  - address: nowhere\n")
    with pytest.raises(Located):
        write_devices(path, [found("10.0.0.7")], secure(), TODAY)
    assert path.read_text() == "devices:\n  - address: nowhere\n"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(FenghuoError, match="cannot write"):
        write_devices(tmp_path / "no" / "devices.yaml", [found("10.0.0.7")], secure(), TODAY)
