"""Which profile is a device's, how profiles inherit, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import HEAD, library, read, sensors
from typer.testing import CliRunner

from fenghuo.errors import Located
from fenghuo_agent.profiles.cli import app
from fenghuo_agent.profiles.files import profile_files
from fenghuo_agent.profiles.library import Library, parse_oid

T = "1.3.6.1.4.1.99998"
NET_SNMP = (1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)


def chosen(found: Library, object_id: str, description: str = "") -> list[str]:
    return [name for _, name in found.candidates(parse_oid(object_id), description)]


def test_the_longest_sysobjectid_wins_and_then_the_description(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        family=f"name: family\nmatch: {{sysObjectID: {T}}}\n",
        box_nine=f"name: box-nine\nmatch: {{sysObjectID: {T}.9}}\n",
        box_nine_beta=f"name: box-nine-beta\nmatch: {{sysObjectID: {T}.9, sysDescr: '(?i)beta'}}\n",
        text="name: text\nmatch: {sysDescr: 'beta'}\n",
    )
    assert chosen(found, f"{T}.9.1", "Beta")[:3] == ["box-nine-beta", "box-nine", "family"]
    assert chosen(found, f"{T}.9.1")[:2] == ["box-nine", "family"]
    assert chosen(found, f"{T}.99")[0] == "family"
    assert "family" not in chosen(found, "1.3.6.1.4.1.9999.1")
    assert "text" in chosen(found, "1.3.6.1.4.1.1.1", "a beta")
    assert "text" not in chosen(found, "1.3.6.1.4.1.1.1", "a gamma")


def test_what_a_device_has_outranks_the_sysobjectid_of_its_snmp_software_but_not_of_its_maker(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        plain=f"name: plain\nmatch: {{sysObjectID: {'.'.join(map(str, NET_SNMP))}}}\n",
        storage=f"name: storage\nmatch: {{present: {T}.5}}\n",
        box=HEAD,
    )
    mine = ("plain", "storage", "box")
    assert [name for _, name in found.candidates(NET_SNMP, "") if name in mine] == ["storage", "plain"]
    assert [name for name in chosen(found, f"{T}.1") if name in mine] == ["box", "storage"]


def test_present_is_asked_of_the_device(tmp_path: Path) -> None:
    profile = "device: {vendor: Acme}\n"
    other = f"name: other\nmatch: {{sysObjectID: {T}.1, present: {T}.5}}\ndevice: {{vendor: Other}}\n"
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "other.yaml").write_text(other)
    assert read(tmp_path, profile, "")["device"]["vendor"] == "Acme"
    assert read(tmp_path, profile, f"{T}.5.7.0|2|1\n")["device"]["vendor"] == "Other"


def test_a_profile_has_what_it_extends_and_may_replace_or_drop_parts_of_it(tmp_path: Path) -> None:
    parent = (
        f"name: parent\nobjects: {{a: {T}.2.1, b: {T}.2.2, c: {T}.2.3}}\ndevice: {{vendor: Acme, os: AcmeOS}}\nsensors:\n"
        "  - {id: a, value: a, quantity: temperature, name: A}\n"
        "  - {id: b, value: b, quantity: temperature, name: B}\n"
        "  - {value: c, quantity: temperature, name: C}\n"
    )
    profile = "extends: parent\ndevice: {os: BoxOS}\nsensors:\n  - {id: a, value: a, quantity: temperature, name: A2, scale: 0.1}\n  - {id: b, drop: true}\n"
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "parent.yaml").write_text(parent)
    walk = f"{T}.2.1.1|2|200\n{T}.2.2.1|2|20\n{T}.2.3.1|2|30\n"
    assert sensors(tmp_path, profile, walk) == [("A2", 20, "unknown"), ("C", 30, "unknown")]
    device = read(tmp_path, profile, walk)["device"]
    assert (device["vendor"], device["os"]) == ("Acme", "BoxOS")


def test_a_profile_of_ones_own_wins_over_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    found = library(tmp_path, generic="name: generic\ntitle: mine\n")
    assert found.file("generic").head.title == "mine"
    assert found.profile("generic").title == "mine"


def test_of_two_as_specific_profiles_ones_own_wins(tmp_path: Path) -> None:
    found = library(tmp_path, a_demo="name: a-demo\nmatch: {sysObjectID: 1.3.6.1.4.1.99999}\n")
    assert chosen(found, "1.3.6.1.4.1.99999.1")[:2] == ["a-demo", "fenghuo-demo"]


def test_standard_profiles_go_with_every_device_unless_excluded(tmp_path: Path) -> None:
    walk = "1.3.6.1.2.1.25.1.5.0|66|3\n"
    assert sensors(tmp_path, "", walk) == [("Users", 3, "unknown")]
    assert sensors(tmp_path, "excludes: [host-resources]\n", walk) == []


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("sensors: [{value: tmp, quantity: temperature}]", "4:12", "there is no object 'tmp' (did you mean 'temp'?)"),
        ("sensors: [{value: temp, quantity: heat}]", "4:", "expected a quantity"),
        ("sensors: [{value: temp, quantity: temperature, name: '{nme}'}]", "4:", "there is no object 'nme'"),
        ("sensors: [{value: temp, quantity: temperature, name: '{temp'}]", "4:", "a brace stands alone"),
        ("sensors: [{value: temp, quantity: temperature, wen: {a: 1}}]", "4:", "unknown key 'wen'"),
        ("sensors: [{value: temp, quantity: state}]", "4:", "a state needs `states`"),
        ("sensors: [{value: temp, quantity: temperature, pattern: '('}]", "4:", "no regular expression"),
        ("sensors: [{quantity: temperature}]", "4:", "expected `value`"),
        ("extends: [nobody]", "4:", "there is no profile 'nobody'"),
        ("metrics: [{name: m, objects: [nothing]}]", "4:", "there is no object 'nothing'"),
        ("device: {model: '{what}'}", "4:", "there is no object 'what'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    path = tmp_path / "box.yaml"
    path.write_text(f"{HEAD}objects: {{temp: {T}.2.1}}\n{text}\n")
    files, problems = profile_files([Path(__file__).parents[3] / "agent" / "profiles", tmp_path])
    said = [str(problem) for problem in problems + Library(files).check() if str(path) in str(problem)]
    assert said
    assert said[0].startswith(f"{path}:{place}")
    assert message in said[0]


def test_a_file_is_called_as_its_profile(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(HEAD)
    with pytest.raises(Located, match=r"other\.yaml:1:1: the file of profile 'box' is to be called box\.yaml"):
        Library.load([tmp_path])


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(Located, match="no such file or folder"):
        Library.load([tmp_path / "none"])


def test_profiles_that_extend_each_other_end(tmp_path: Path) -> None:
    found = library(tmp_path, one="name: one\nextends: two\n", two="name: two\nextends: one\n")
    assert found.profile("one").name == "one"


def test_the_shipped_profiles_are_right() -> None:
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.output.split()[-1]) == (0, "OK")


def test_the_profile_of_the_guide_is_right_and_reads_what_it_says(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "add-a-device.md").read_text()
    text = guide.partition("```yaml\nname: acme-monitor")[2].partition("```")[0]
    profile = text.partition("match:")[2].partition("\n")[2]
    walk = (
        f"{T}.1.1.0|4|A-17\n{T}.2.1.1.2.1|4|Rack 1\n{T}.2.1.1.2.2|4|Rack 2\n{T}.2.1.1.3.1|2|285\n{T}.2.1.1.3.2|2|-32768\n"
        f"{T}.2.1.1.4.1|2|280\n{T}.3.1.0|2|1\n"
    )
    document = read(tmp_path, profile, walk)
    assert (document["device"]["vendor"], document["device"]["serial"]) == ("Acme", "A-17")
    assert [(each["name"], each["value"], each["state"]) for each in document["sensors"]] == [
        ("Rack 1", 28.5, "warning"),
        ("Door", 1, "warning"),
    ]
