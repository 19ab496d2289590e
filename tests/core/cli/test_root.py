from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fenghuo.cli.root import COMMANDS

HELP_CPU_SECONDS = 0.3


def fenghuo(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fenghuo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.fixture
def with_subcommand(tmp_path):
    """Starts `fenghuo agent` with a body of our own in the agent's place."""

    def start(body: str, **env: str) -> subprocess.Popen[str]:
        source = "import sys, typer\nfrom fenghuo.errors import *\napp = typer.Typer()\n\n@app.command()\ndef go():\n"
        (tmp_path / "ours.py").write_text(source + textwrap.indent(body, "    "))
        script = "from fenghuo.cli import root; root.COMMANDS['agent'] = ('ours:app', 'Ours.'); root.main(['agent'])"
        return subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path), **env},
        )

    return start


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_help_names_every_subcommand_and_says_what_it_does():
    result = fenghuo("--help")
    assert result.returncode == 0
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", result.stdout, re.MULTILINE), name


def test_help_takes_little_cpu_time():
    fenghuo("--help")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    fenghuo("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < HELP_CPU_SECONDS


def test_help_imports_no_side_and_no_heavy_library():
    script = (
        "import sys\n"
        "from fenghuo.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('fenghuo_agent', 'fenghuo_collector', 'pydantic', 'yaml', 'rich', 'asyncio')], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_subcommand_has_help_that_says_what_the_root_says(name):
    result = fenghuo(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"Usage: fenghuo {name}" in result.stdout
    assert COMMANDS[name][1].rstrip(".") in " ".join(result.stdout.split())
    assert "completion" not in result.stdout
    assert "╭" not in result.stdout


@pytest.mark.parametrize(
    "arguments", [["agnt"], ["agent", "chek"], ["version", "--jsn"], ["config", "schema", "x"], ["--jsn"], []]
)
def test_wrong_use_ends_with_status_2_and_usage(arguments):
    result = fenghuo(*arguments)
    assert result.returncode == 2
    assert "Usage: fenghuo" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_a_misspelt_subcommand_is_guessed():
    assert "Did you mean 'agent'?" in fenghuo("agnt").stderr


def test_version_is_shown_for_people_and_for_programs():
    document = json.loads(fenghuo("version", "--json").stdout)
    assert fenghuo("--version").stdout == f"fenghuo {document['fenghuo']}\n"
    assert f"fenghuo {document['fenghuo']}\n" in fenghuo("version").stdout


def test_an_error_raised_on_purpose_is_text_and_status_1(with_subcommand):
    assert outcome(with_subcommand("raise Permanent('the store is full')")) == (1, "", "error: the store is full\n")


def test_a_located_error_is_one_line_a_problem_without_colour_in_a_pipe(with_subcommand):
    problems = "[Problem(Place('a.yaml', 2, 3), 'is wrong', 'did you mean x?'), Problem(Place('b.yaml'), 'too')]"
    status, _, errors = outcome(with_subcommand(f"raise Located({problems})"))
    assert status == 1
    assert errors == "a.yaml:2:3: is wrong (did you mean x?)\nb.yaml: too\n"


def test_an_error_that_nobody_raised_on_purpose_keeps_its_traceback(with_subcommand):
    status, _, errors = outcome(with_subcommand("1 / 0"))
    assert status == 1
    assert "ZeroDivisionError" in errors


def test_an_interrupt_is_quiet(with_subcommand):
    assert outcome(with_subcommand("raise KeyboardInterrupt")) == (130, "", "")


def test_a_missing_extra_is_named(with_subcommand):
    status, _, errors = outcome(with_subcommand("import not_installed.at_all"))
    assert status == 2
    assert "'not_installed' is not installed" in errors
    assert "pip install 'fenghuo[agent]'" in errors
    assert "Traceback" not in errors


def test_a_missing_module_of_our_own_is_no_missing_extra(with_subcommand):
    assert "Traceback" in outcome(with_subcommand("import fenghuo.no_such_part"))[2]


def test_a_reader_that_goes_away_ends_it_quietly(with_subcommand):
    process = with_subcommand("while True: sys.stdout.write('x' * 1000 + '\\n')")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_short_result_that_nobody_reads_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "fenghuo", "version"], stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write)
    assert process.stderr == b""
    assert process.returncode == 141


def test_text_that_the_terminal_cannot_show_does_not_end_it(with_subcommand):
    process = with_subcommand("sys.stdout.write('烽火\\n')", PYTHONIOENCODING="ascii")
    assert outcome(process) == (0, "\\u70fd\\u706b\n", "")


def test_the_installed_script_is_the_same():
    script = Path(sys.executable).parent / "fenghuo"
    if not script.exists():
        pytest.skip("fenghuo is not installed as a script here")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.startswith("fenghuo ")
