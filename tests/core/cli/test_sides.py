"""The subcommands of both sides, with their real configurations."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HASH = "$argon2id$"


def fenghuo(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fenghuo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize("side", ["agent", "collector"])
def test_check_tells_what_is_wrong(side, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("sitee: bj\n")
    result = fenghuo(side, "check", "-c", str(path))
    assert result.returncode == 1, result.stderr
    assert f"{path}:1:1: unknown key 'sitee'" in result.stderr
    document = json.loads(fenghuo(side, "check", "-c", str(path), "--json").stdout)
    assert document["ok"] is False


@pytest.mark.parametrize(("side", "subcommand"), [("agent", "run"), ("agent", "once"), ("collector", "run")])
def test_a_missing_file_is_told_before_anything_starts(side, subcommand, tmp_path):
    result = fenghuo(side, subcommand, "-c", str(tmp_path / "none.yaml"))
    assert result.returncode == 1
    assert (
        result.stderr
        == f"{tmp_path}/none.yaml: cannot read the configuration: No such file or directory (-c FILE names another)\n"
    )


@pytest.mark.parametrize("side", ["agent", "collector"])
def test_the_schema_and_the_reference_are_printed(side):
    schema = json.loads(fenghuo("config", "schema", side).stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    assert fenghuo("config", "reference", side).stdout.startswith("## At the top")


def test_a_password_is_hashed_from_standard_input():
    result = fenghuo("collector", "hash-password", input="correct horse\n")
    assert result.returncode == 0
    assert result.stdout.startswith(HASH)
    assert "correct" not in result.stdout


def test_a_short_password_is_refused():
    result = fenghuo("collector", "hash-password", input="short\n")
    assert (result.returncode, result.stdout) == (1, "")
    assert "shorter than 10 characters" in result.stderr
    assert "short\n" not in result.stderr


def test_checking_an_agent_checks_the_rules_that_it_names(tmp_path):
    path, rule = tmp_path / "agent.yaml", tmp_path / "rule.yaml"
    path.write_text(f"site: bj/haidian/zgc-no1\ncollector: mqtt://127.0.0.1\nrules: {{paths: [{rule}]}}\n")
    rule.write_text("title: x\nkind: treshold\n")
    result = fenghuo("agent", "check", "-c", str(path))
    assert result.returncode == 1
    assert f"{rule}:2:7: unknown kind 'treshold' (did you mean 'threshold'?" in result.stderr
    document = json.loads(fenghuo("agent", "check", "-c", str(path), "--json").stdout)
    assert {problem["file"] for problem in document["problems"]} == {str(rule)}
