"""What profiles say of notifications: names, levels and words; what is wrong with them is said at its place."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from fenghuo_agent.inputs.snmp_trap.notification import Notification
from fenghuo_agent.inputs.snmp_trap.translate import Limits, Sender, content_of, document_of, text_of
from fenghuo_agent.profiles import Library
from fenghuo_agent.profiles.files import profile_files
from fenghuo_agent.profiles.traps import Notices, check
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Varbind

OWN = """\
name: own
objects:
  boilerTemperature: 1.3.6.1.4.1.99999.1.1.2
  boilerState: {oid: 1.3.6.1.4.1.99999.1.1.3, enum: {1: cold, 2: hot}}
  boilerName: 1.3.6.1.4.1.99999.2.1.0
traps:
  1.3.6.1.4.1.99999.0.1: {name: boilerAlarm, level: high, message: "{boilerName} {index} is {boilerState}: {boilerTemperature} °C"}
"""


def varbind(oid: str, tag: int, value: bytes) -> Varbind:
    return Varbind(ber.oid(tuple(map(int, oid.split("."))))[2:], tag, value)


def document(notices: Notices, oid: str, *varbinds: Varbind) -> dict:
    notification = Notification(2, False, tuple(map(int, oid.split("."))), varbinds=list(varbinds))
    notice = notices.find(notification.oid)
    content = content_of(notification, notices, Limits())
    return document_of(notification, content, notice, Sender("10.0.0.1", "10.0.0.1", "boiler-house"))


@pytest.fixture
def own(tmp_path: Path) -> Notices:
    (tmp_path / "own.yaml").write_text(OWN)
    return Notices.of(Library.load([tmp_path]))


def test_words_of_a_profile_of_ones_own(own):
    made = document(
        own,
        "1.3.6.1.4.1.99999.0.1",
        varbind("1.3.6.1.4.1.99999.1.1.2.7", ber.INTEGER, b"\x5a"),
        varbind("1.3.6.1.4.1.99999.1.1.3.7", ber.INTEGER, b"\x02"),
        varbind("1.3.6.1.4.1.99999.2.1.0", ber.OCTETS, "一号锅炉".encode("gb18030")),
        varbind("1.3.6.1.4.1.99999.5.1", ber.OCTETS, b"\x00\x1b\x21\xff\xfe\x01"),
    )
    assert made["event"]["action"] == "boilerAlarm"
    assert made["event"]["severity"] == 80
    trap = made["fenghuo"]["trap"]
    assert trap["level"] == "high"
    assert trap["profile"] == "own"
    assert trap["index"] == "7"
    assert trap["objects"] == {"boilerTemperature": 90, "boilerState": "hot", "boilerName": "一号锅炉"}
    assert trap["varbinds"] == [{"oid": "1.3.6.1.4.1.99999.5.1", "type": "octets", "value": "00:1b:21:ff:fe:01"}]
    assert made["message"] == "boiler-house: 一号锅炉 7 is hot: 90 °C"


def test_a_profile_of_ones_own_wins_even_where_ours_was_read_first(tmp_path):
    """Ours speaks of two makers, one's own of the second."""
    ours, mine = tmp_path / "ours", tmp_path / "mine"
    ours.mkdir()
    mine.mkdir()
    entry = "  1.3.6.1.4.1.{}.0.1: {{name: {}, level: low}}\n"
    (ours / "a.yaml").write_text("name: a\ntraps:\n" + entry.format(99998, "first") + entry.format(99999, "second"))
    (mine / "z.yaml").write_text("name: z\ntraps:\n" + entry.format(99999, "mine"))
    library = Library(profile_files([ours, mine])[0])
    with mock.patch("fenghuo_agent.profiles.traps.shipped_path", return_value=ours):
        notices = Notices.of(library)
        names = [notices.find((1, 3, 6, 1, 4, 1, maker, 0, 1)) for maker in (99998, 99999)]
    assert [found.name for found in names if found] == ["first", "mine"]


def test_a_maker_s_notifications_are_read_when_one_of_them_comes(notices):
    fresh = Notices.of(Library.load())
    assert fresh.column(ber.oid((1, 3, 6, 1, 4, 1, 318, 2, 3, 3, 0))[2:]) is None
    found = fresh.find((1, 3, 6, 1, 4, 1, 318, 0, 5))
    assert found is not None
    column = fresh.column(ber.oid((1, 3, 6, 1, 4, 1, 318, 2, 3, 3, 0))[2:])
    assert column is not None
    assert column[0].name == "mtrapargsString"
    assert fresh.find((1, 3, 6, 1, 4, 1, 2**32 - 1, 0, 5)) is None


def test_a_profile_of_ones_own_wins_over_ours(tmp_path):
    (tmp_path / "zz-own.yaml").write_text(
        "name: zz-own\ntraps:\n  1.3.6.1.6.3.1.1.5.3: {name: linkDown, level: critical}\n"
    )
    notice = Notices.of(Library.load([tmp_path])).find((1, 3, 6, 1, 6, 3, 1, 1, 5, 3))
    assert notice is not None
    assert (notice.level, notice.profile) == ("critical", "zz-own")


@pytest.mark.parametrize(
    ("oid", "name", "level"),
    [
        ("1.3.6.1.6.3.1.1.5.1", "coldStart", "medium"),
        ("1.3.6.1.2.1.33.2.1", "upsTrapOnBattery", "high"),
        ("1.3.6.1.2.1.33.2.0.1", "upsTrapOnBattery", "high"),
        ("1.3.6.1.2.1.17.0.1", "newRoot", "medium"),
        ("1.3.6.1.2.1.17.1", None, None),
        ("1.3.6.1.2.1.47.2.0.1", "entConfigChange", "low"),
        ("1.0.8802.1.1.2.0.0.1", "lldpRemTablesChange", "informational"),
        ("1.3.6.1.2.1.15.7.2", "bgpBackwardTransition", "high"),
        ("1.3.6.1.2.1.14.16.2.2", "ospfNbrStateChange", "medium"),
        ("1.3.6.1.2.1.43.18.2.0.1", "printerV2Alert", "low"),
        ("1.3.6.1.4.1.9.9.43.2.0.1", "ciscoConfigManEvent", "low"),
        ("1.3.6.1.4.1.9.9.315.0.0.1", "cpsSecureMacAddrViolation", "high"),
        ("1.3.6.1.4.1.318.0.5", "upsOnBattery", "high"),
        ("1.3.6.1.4.1.318.0.9", "powerRestored", "informational"),
        ("1.3.6.1.4.1.25506.2.6.2.0.1", "hh3cEntityExtTemperatureThresholdNotification", "medium"),
        ("1.3.6.1.4.1.2011.5.25.42.2.1.7.12", "hwMacFlappingAlarm", "medium"),
        ("1.3.6.1.4.1.12356.101.2.0.601", "fgTrapAvVirus", "high"),
    ],
)
def test_notifications_have_the_names_of_their_mibs(notices, oid, name, level):
    found = notices.find(tuple(map(int, oid.split("."))))
    if name is None:
        assert found is None or found.name == "newRoot"
    else:
        assert (found.name, found.level) == (name, level)


def test_a_ups_on_battery_is_told_in_words(notices):
    made = document(
        notices,
        "1.3.6.1.2.1.33.2.1",
        varbind("1.3.6.1.2.1.33.1.2.3.0", ber.INTEGER, b"\x0c"),
        varbind("1.3.6.1.2.1.33.1.2.2.0", ber.INTEGER, b"\x1e"),
    )
    assert made["message"] == "boiler-house: on battery for 30 s, 12 minutes left"
    assert made["fenghuo"]["trap"]["objects"] == {"upsEstimatedMinutesRemaining": 12, "upsSecondsOnBattery": 30}


def test_what_no_profile_knows_keeps_its_number(notices):
    made = document(notices, "1.3.6.1.4.1.99999.0.9", varbind("1.3.6.1.4.1.99999.1.0", ber.COUNTER64, b"\xff" * 8))
    assert made["event"]["action"] == "1.3.6.1.4.1.99999.0.9"
    assert made["message"] == f"boiler-house: 1.3.6.1.4.1.99999.0.9 1.3.6.1.4.1.99999.1.0={2**64 - 1}"
    assert made["fenghuo"]["trap"]["varbinds"][0]["type"] == "counter64"


def test_the_shipped_notifications_are_right():
    assert check(Library.load()) == []


def test_what_is_wrong_is_said_at_its_place(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN.replace("{boilerState}:", "{boilerStates}:"))
    (problem,) = check(Library.load([tmp_path]))
    assert problem.place.line == 7
    assert "boilerStates" in str(problem)
    assert "boilerState" in str(problem)


def test_a_file_that_is_wrong_does_not_take_others_with_it(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN.replace("level: high", "level: dreadful"))
    library = Library.load([tmp_path])
    assert len(check(library)) == 1
    assert Notices.of(library).find((1, 3, 6, 1, 6, 3, 1, 1, 5, 3))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"GigabitEthernet1/0/1", "GigabitEthernet1/0/1"),
        ("上联口".encode(), "上联口"),
        ("上联口".encode("gb18030"), "上联口"),
        ("教学楼三层交换机".encode("gb18030"), "教学楼三层交换机"),
        (b"\xc0\xa8\xc8\xc8", "c0:a8:c8:c8"),
        (b"\x00\x1b\x21\x01\x02\x03", "00:1b:21:01:02:03"),
        (b"\x07\xea\x0b\x16\x17\x00\x00\x00", "07:ea:0b:16:17:00:00:00"),
        (b"two\r\nlines\x00", "two lines"),
        (b"\x00\x00", "00:00"),
        (b"", ""),
    ],
)
def test_octets_are_text_where_they_are_one(value, text):
    assert text_of(Varbind(b"", ber.OCTETS, value)) == text
