"""The whole demo, as a user starts it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.process import wait_for

COMMAND = [sys.executable, "-c", "from fenghuo.cli import main; main()", "demo"]


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that belong to the demo with this temporary folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"TMPDIR={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if line]


@contextlib.contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running demo whose temporary files lie in `folder`; at the end nothing may be left of it."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=(folder.parent / "out").open("w"),
        stderr=(folder.parent / "err").open("w"),
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def said(folder: Path, stream: str = "out") -> str:
    return (folder.parent / stream).read_text()


def assert_nothing_is_left(folder: Path) -> None:
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tmp"


@pytest.mark.slow
def test_it_shows_every_fault_as_an_alert_and_its_end_and_loses_nothing(folder: Path):
    with demo(folder, "--json", "--for", "125") as process:
        assert process.wait(150) == 0, said(folder, "err")
    *alerts, summary = [json.loads(line) for line in said(folder).splitlines()]
    fired = {(alert["rule"], alert["state"]) for alert in alerts}
    rules = ("port-down", "port-errors", "server-room-hot", "device-unreachable", "device-restarted")
    assert fired == {(f"demo.{rule}", state) for rule in rules for state in ("firing", "resolved")}
    steps = [(alert["fingerprint"], alert["state"], alert["level"], alert["starts_at"]) for alert in alerts]
    # The room may be `high` twice, before and after it is `critical`; nothing else is told twice.
    assert len(steps) - len(set(steps)) in (0, 1)
    assert summary["lost"] == 0
    assert summary["alerts_fired"] == summary["alerts_resolved"] == 6
    assert summary["readings"] > 10_000
    assert summary["events"] >= len(alerts)
    ports = {alert["labels"]["ifName"] for alert in alerts if alert["rule"] == "demo.port-down"}
    assert ports == {"Gi1/0/7", "Te1/0/50"}
    assert_nothing_is_left(folder)


@pytest.mark.slow
def test_it_starts_in_ten_seconds_and_shows_the_first_fault_within_a_minute(folder: Path):
    began = time.monotonic()
    with demo(folder) as process:
        wait_for(lambda: "Console" in said(folder), "the console's address", 10)
        wait_for(
            lambda: "port-down" in said(folder) or "Port went down" in said(folder) or "▲" in said(folder),
            "the first alert",
            60 - (time.monotonic() - began),
        )
        process.send_signal(signal.SIGINT)
        ended = time.monotonic()
        assert process.wait(5) == 130
        assert time.monotonic() - ended < 2
    assert_nothing_is_left(folder)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.05, 0.3, 0.6, 1.0, 1.5, 2.5, 4.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_at_any_moment_it_ends_in_two_seconds_and_leaves_nothing(folder: Path, moment: float, number):
    with demo(folder) as process:
        wait_for(lambda: "Fenghuo" in said(folder), "the first words", 20)
        time.sleep(moment)
        asked = time.monotonic()
        process.send_signal(number)
        status = process.wait(10)
        assert time.monotonic() - asked < 2
        assert status == (130 if number is signal.SIGINT else 0), said(folder, "err")
    assert "Traceback" not in said(folder, "err")
    assert_nothing_is_left(folder)


@pytest.mark.slow
def test_when_a_child_hangs_it_still_ends_in_two_seconds(folder: Path):
    with demo(folder) as process:
        wait_for(lambda: "Console" in said(folder), "the console's address", 20)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 3
        for child in children:
            os.kill(int(child), signal.SIGSTOP)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - asked < 2
    assert_nothing_is_left(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agent", "collector", "simulator"])
def test_when_a_child_dies_it_says_so_and_ends_with_status_1(folder: Path, name: str):
    with demo(folder) as process:
        wait_for(lambda: "Console" in said(folder), "the console's address", 20)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        [victim] = [pid for pid in children if name in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(int(victim), signal.SIGKILL)
        assert process.wait(5) == 1
    assert "ended unexpectedly" in said(folder, "err")
    assert "Traceback" not in said(folder, "err")
    assert_nothing_is_left(folder)
