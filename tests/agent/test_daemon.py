"""`fenghuo agent run` without the command-line framework."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fenghuo.log import Format
from fenghuo_agent.daemon import DEFAULT_FILE, options_of

CONFIG = """\
site: bj/haidian/zgc-no1
collector: mqtt://127.0.0.1:1
spool: {{path: {folder}/spool.db}}
rules: {{paths: [{folder}/rules]}}
"""
SHOW = """\
import signal, sys, threading, time
from fenghuo.cli import main
def look():
    while "fenghuo_agent.transport.transport" not in sys.modules: time.sleep(0.05)
    print("loaded:", [name for name in ("typer", "click", "rich") if name in sys.modules], flush=True)
threading.Thread(target=look, daemon=True).start()
main(["agent", "run", "-c", sys.argv[1], "--log-format", "text"])
"""


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], (DEFAULT_FILE, "INFO", Format.AUTO)),
        (["-c", "a.yaml"], (Path("a.yaml"), "INFO", Format.AUTO)),
        (["--config=a.yaml", "--log-level", "debug"], (Path("a.yaml"), "DEBUG", Format.AUTO)),
        (["--log-format", "json", "-ca.yaml"], (Path("a.yaml"), "INFO", Format.JSON)),
    ],
)
def test_plain_options_are_understood(arguments, options):
    assert options_of(arguments) == options


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--log-level", "loud"], ["--log-format", "xml"], ["a.yaml"], ["--json"], ["-c"]]
)
def test_everything_else_is_the_command_line_s(arguments):
    assert options_of(arguments) is None


def test_an_agent_that_runs_has_no_command_line_framework_in_memory(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "agent.yaml").write_text(CONFIG.format(folder=tmp_path))
    command = [sys.executable, "-c", SHOW, str(tmp_path / "agent.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "loaded: []\n"
        assert agent.stderr is not None
        assert any("runs with 0 rules" in line for line in agent.stderr)
        agent.send_signal(signal.SIGTERM)
        _, errors = agent.communicate(timeout=30)
    assert agent.returncode == 0, errors


def test_a_wrong_configuration_is_told_with_its_place(tmp_path):
    (tmp_path / "agent.yaml").write_text("site: bj\ncolector: x\n")
    command = [
        sys.executable,
        "-c",
        "from fenghuo.cli import main; main()",
        "agent",
        "run",
        "-c",
        str(tmp_path / "agent.yaml"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "agent.yaml:2:1: unknown key 'colector' (did you mean 'collector'?" in result.stderr
