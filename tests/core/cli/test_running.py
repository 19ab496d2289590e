from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from servers.process import wait_for

PRELUDE = """
import asyncio, sys, typer
from fenghuo.cli.running import run_until_stopped

def ready():
    print("ready", flush=True)

def run(part, **options):
    try:
        print("result", run_until_stopped(part, **options), flush=True)
    except typer.Exit as exit:
        sys.exit(exit.exit_code)
"""


@pytest.fixture
def started(tmp_path):
    """Starts a script and waits until it says that it is ready."""
    processes = []

    def start(body: str) -> subprocess.Popen[str]:
        script = tmp_path / "script.py"
        script.write_text(PRELUDE + textwrap.dedent(body))
        process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process still says, until it ends."""
    output, errors = process.stdout.read(), process.stderr.read()
    process.wait(30)
    return output, errors


GRACEFUL = """
async def part():
    ready()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        print("left in good order", flush=True)

run(part)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_first_signal_cancels_and_the_part_leaves_in_good_order(started, number, status):
    process = started(GRACEFUL)
    process.send_signal(number)
    output, errors = rest(process)
    assert (output, errors, process.returncode) == ("left in good order\n", "", status)


def test_a_part_that_takes_cancelling_as_its_end_counts_as_stopped(started):
    process = started(
        """
        async def part():
            ready()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return 5

        run(part)
        """
    )
    process.send_signal(signal.SIGTERM)
    output, errors = rest(process)
    assert (output, errors, process.returncode) == ("", "", 0)


def test_a_second_signal_ends_it_at_once(started):
    process = started(
        """
        async def part():
            ready()
            try:
                await asyncio.Event().wait()
            finally:
                print("stuck", flush=True)
                await asyncio.sleep(60)

        run(part)
        """
    )
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: process.poll() is not None, "the process to end", 10)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize(("options", "loop"), [("", "uvloop"), (", uvloop=False", "asyncio.unix_events")])
def test_a_part_that_ends_gives_its_result(started, options, loop):
    process = started(
        f"""
        async def part():
            ready()
            return type(asyncio.get_running_loop()).__module__

        run(part{options})
        """
    )
    output, errors = rest(process)
    assert (output, errors, process.returncode) == (f"result {loop}\n", "", 0)


def test_a_part_that_fails_raises(started):
    process = started(
        """
        async def part():
            ready()
            raise ZeroDivisionError

        run(part)
        """
    )
    _, errors = rest(process)
    assert "ZeroDivisionError" in errors
    assert process.returncode == 1
