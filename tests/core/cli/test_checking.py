from __future__ import annotations

import json

import pytest
import typer
from pydantic import Field

from fenghuo.cli.checking import check_file
from fenghuo.config import Secret, Section


class Model(Section):
    site: str = Field(description="A site.")
    token: Secret | None = Field(None, description="A token.")


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text("site: x\ntoken: hunter2")
    return path


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("sit: x\ntoken: [hunter2]")
    return path


def test_a_good_file_is_ok(good, capsys):
    check_file(good, Model, as_json=False)
    assert capsys.readouterr() == (f"{good}: OK\n", "")


def test_a_good_file_is_ok_in_json(good, capsys):
    check_file(good, Model, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"file": str(good), "ok": True, "problems": []}


def test_a_bad_file_has_all_its_problems_on_stderr_and_status_1(bad, capsys):
    with pytest.raises(typer.Exit) as caught:
        check_file(bad, Model, as_json=False)
    assert caught.value.exit_code == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.splitlines() == [
        f"{bad}:1:1: 'site' is missing",
        f"{bad}:1:1: unknown key 'sit' (did you mean 'site'? allowed: site, token, token_file)",
        f"{bad}:2:1: token: expected text",
    ]


def test_a_bad_file_has_all_its_problems_in_json(bad, capsys):
    with pytest.raises(typer.Exit):
        check_file(bad, Model, as_json=True)
    output, errors = capsys.readouterr()
    assert errors == ""
    document = json.loads(output)
    assert document["ok"] is False
    assert document["problems"][1] == {
        "file": str(bad),
        "line": 1,
        "column": 1,
        "message": "unknown key 'sit'",
        "hint": "did you mean 'site'? allowed: site, token, token_file",
    }


def test_the_environment_is_the_process_s(tmp_path, monkeypatch, capsys):
    (tmp_path / "c.yaml").write_text("site: ${FENGHUO_TEST_SITE}")
    monkeypatch.setenv("FENGHUO_TEST_SITE", "x")
    check_file(tmp_path / "c.yaml", Model, as_json=False)
    assert "OK" in capsys.readouterr().out
