"""What is remembered over restarts, and what becomes of a file that is spoilt."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.snmp.access import parse_address

from .conftest import user

ENGINE = b"\x80engine"


def devices(count: int) -> list[Found]:
    return [
        Found(target=parse_address(f"10.0.0.{number + 1}"), credential="c", version="2c", how="sweep", name="机房")
        for number in range(count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "discovery.json"


@pytest.fixture
def attempts() -> Attempts:
    made = Attempts(2, VirtualClock(), b"salt")
    made.sent(ENGINE, user())
    return made


def test_what_is_saved_is_read_again(path: Path, attempts: Attempts):
    assert store.save(path, devices(3), attempts, b"salt", 42)
    memory = store.load(path)
    assert memory.devices == devices(3)
    assert (memory.scanned, memory.salt, memory.spoilt) == (42, b"salt", 0)
    assert memory.attempts == attempts.dump()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["discovery.json"]


def test_no_file_is_a_new_memory(path: Path):
    memory = store.load(path)
    assert (memory.devices, memory.spoilt, len(memory.salt)) == ([], 0, store.SALT_OCTETS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"version": 2}',
        b'{"version": 1, "salt": "zz"}',
        b'{"version": 1, "devices": 5}',
        b"[" * 100_000,
        b'{"version": 1, "salt": "00", "devices": [',
    ],
)
def test_a_spoilt_file_is_put_aside_and_counted(path: Path, content: bytes, caplog: pytest.LogCaptureFixture):
    path.parent.mkdir()
    path.write_bytes(content)
    memory = store.load(path)
    assert (memory.devices, memory.spoilt) == ([], 1)
    assert path.with_suffix(".spoilt").read_bytes() == content
    assert not path.exists()
    assert "spoilt" in caplog.text


def test_single_spoilt_devices_are_left_out_and_counted(path: Path, attempts: Attempts):
    store.save(path, devices(3), attempts, b"salt", 42)
    document = json.loads(path.read_text())
    good = document["devices"][0]
    document["devices"] += [
        None,
        {},
        {**good, "address": "nowhere"},
        {**good, "state": "asleep"},
        {**good, "last_seen": "yesterday"},
        {**good, "also": ["nowhere"]},
        {**good, "colour": "red"},
    ]
    path.write_text(json.dumps(document))
    memory = store.load(path)
    assert memory.devices == devices(3)
    assert memory.spoilt == 7
    assert path.exists()


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_lost(path: Path, attempts: Attempts, caplog):
    store.save(path, devices(1), attempts, b"salt", 1)
    (path.parent / f".{path.name}.new").mkdir()
    assert not store.save(path, devices(2), attempts, b"salt", 2)
    assert len(store.load(path).devices) == 1
    assert "cannot remember" in caplog.text


def test_a_scan_by_hand_adds_its_attempts_and_leaves_the_rest(path: Path, attempts: Attempts):
    store.save(path, devices(2), Attempts(2, VirtualClock(), b"salt"), b"salt", 42)
    assert store.save_attempts(path, attempts, b"salt")
    memory = store.load(path)
    assert (len(memory.devices), memory.scanned) == (2, 42)
    assert memory.attempts == attempts.dump()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves files to others")
def test_root_leaves_the_file_to_the_folders_owner(path: Path, attempts: Attempts):
    path.parent.mkdir()
    os.chown(path.parent, 12345, 12345)
    store.save(path, [], attempts, b"salt", 0)
    assert path.stat().st_uid == 12345
