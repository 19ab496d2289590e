"""Each profile read from a device: a recorded walk, replayed by snmpsim, and exactly what is told of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from fenghuo.clock import SystemClock
from fenghuo_agent.profiles import Library, collect, grids_of
from fenghuo_agent.profiles.rows import number_of
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.session import Timing
from fenghuo_agent.survey.ask import opened
from fenghuo_agent.survey.document import LIMITS, survey
from fenghuo_agent.survey.recording import Recording

CASES = Path(__file__).parents[2] / "cases" / "profiles"
FOUND = sorted(CASES.rglob("*.yaml"))
DIGITS = 1e-4


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.load()


async def surveyed(port: int, community: str, library: Library) -> dict[str, Any]:
    clock = SystemClock()
    credential = Credential.model_validate({"community": community})
    session, _ = await opened(Target("127.0.0.1", port), [credential], Timing(5.0, 1), 100.0, clock, Random(1))
    with session:
        return await survey(session, library, clock.monotonic)


@pytest.mark.parametrize("case", FOUND, ids=[str(each.relative_to(CASES).with_suffix("")) for each in FOUND])
async def test_a_device_is_read_exactly(case: Path, replayed: int, library: Library) -> None:
    expected = yaml.safe_load(case.read_text())  # noqa: ASYNC240 — a small file, before anything runs
    document = await surveyed(replayed, str(case.relative_to(CASES).with_suffix("")), library)

    device = {**expected.get("device", {}), "profile": expected["profile"]}
    assert {key: document["device"].get(key) for key in device} == {key: str(value) for key, value in device.items()}
    if "sensors" in expected:
        same(_sensors(document), [[*row[:2], row[3] or "unknown", row[4], row[2]] for row in expected["sensors"]])
    if "supplies" in expected:
        same(
            [[each["name"], each["oid"], each["percent"]] for each in document["supplies"]],
            _turned(expected["supplies"]),
        )
    if "wireless" in expected:
        same(
            [[each["name"], each["oid"], each["clients"]] for each in document["wireless"]],
            _turned(expected["wireless"]),
        )
    for key in ("ports", "addresses", "neighbours"):
        for wanted in expected.get(key, []):
            assert any(wanted.items() <= each.items() for each in document[key]), (key, wanted, document[key])
    assert document["faults"] == expected.get("faults", [])
    if "metrics" in expected:
        found = await metrics_of(Recording(case.with_suffix(".snmprec")), library, expected["profile"])
        assert [row for row in expected["metrics"] if row not in found] == []


def test_every_profile_has_a_device_test(library: Library) -> None:
    tested = {name for case in FOUND for name in (case.parent.name, *_covered(yaml.safe_load(case.read_text())))}
    inherited = {name for each in library.names for name in library.file(each).head.extends}
    reads = {name for name in library.names if library.profile(name).readings or library.file(name).head.match}
    assert reads - tested - inherited - {"base"} == set()


def _covered(expected: dict[str, Any]) -> list[str]:
    """The profiles that a case is about: the device's own, and standard ones that it names."""
    return [expected["profile"], *expected.get("covers", [])]


async def metrics_of(recording: Recording, library: Library, profile: str) -> list[list[Any]]:
    """Each row of MIB objects under their own names: table, labels, values."""
    metrics = [metric for each in library.of_device(profile) for metric in each.metrics]
    rows = (await collect(recording, LIMITS, [], metrics)).rows
    found: list[list[Any]] = []
    for grid in grids_of(metrics, rows):
        for place, index in enumerate(grid.indexes):
            labels = {name: values[place] for name, values in grid.row_labels.items()}
            values = {column.name: number_of(rows.of(column).get(index)) for column in grid.columns}
            found.append([grid.name, labels, values])
    return found


def _sensors(document: dict[str, Any]) -> list[list[Any]]:
    return [[each["quantity"], each["name"], each["state"], each["oid"], each["value"]] for each in document["sensors"]]


def _turned(rows: list[list[Any]]) -> list[list[Any]]:
    return [[name, oid, value] for name, value, oid in rows]


def same(found: list[list[Any]], expected: list[list[Any]]) -> None:
    """The same rows in any order; the last of each is a number that agrees in four digits."""
    key = lambda row: [str(cell) for cell in (row[-2], *row[:-1])]  # noqa: E731 — used twice here only
    found, expected = sorted(found, key=key), sorted(expected, key=key)
    assert [row[:-1] for row in found] == [row[:-1] for row in expected]
    assert [row[-1] for row in found] == [pytest.approx(row[-1], rel=DIGITS, abs=1e-9) for row in expected]
