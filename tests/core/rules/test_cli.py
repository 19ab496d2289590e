from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fenghuo.rules.cli import app
from fenghuo.rules.kinds import KINDS

RULE = """\
title: Hot
id: 11111111-0000-4000-8000-000000000001
name: a.hot
kind: threshold
data: t
condition: value > 32
for: 1m
tests:
  - title: hot for two minutes fires
    input: [{every: 30s, until: 2m, device: t1, t: 35}]
    expect: [{at: 1m, device: t1}]
"""


@pytest.fixture
def call(tmp_path):
    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        result = CliRunner().invoke(app, [*arguments, str(tmp_path)])
        return result.exit_code, result.stdout, result.stderr

    return run


def test_check_of_good_rules_ends_with_0(call):
    code, out, _ = call("check", a=RULE)
    assert (code, out) == (0, "1 rule in 1 file, 0 problems\n")


def test_check_of_wrong_rules_ends_with_1_and_says_where(call):
    code, _, err = call("check", a=RULE.replace("value >", "valeu >>"))
    assert code == 1
    assert "a.yaml:6:19: condition: unexpected '>'" in err


def test_check_as_json_lists_each_rule_with_its_status(call):
    wrong = RULE.replace("000001", "000002").replace("a.hot", "a.b").replace("for: 1m", "for: x")
    code, out, _ = call("check", "--json", a=RULE + "---\n" + wrong, sigma="title: S\nid: 1\ndetection: {}\n")
    document = json.loads(out)
    assert code == 1
    assert [(rule["title"], rule["status"]) for rule in document["rules"]] == [
        ("Hot", "loaded"),
        ("Hot", "refused"),
        ("S", "inapplicable"),
    ]
    assert all(rule["reason"] for rule in document["rules"][1:])
    (error,) = document["errors"]
    assert (error["line"], error["column"]) == (19, 6)


def test_test_runs_what_stands_in_the_rules(call):
    code, out, _ = call("test", a=RULE)
    assert (code, out) == (0, "1 test of 1 rule, 0 failed\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("expect: [{at: 1m, device: t1}]", "expect: []", "came and was not expected: 1m firing medium device=t1"),
        ("expect: [{at: 1m", "expect: [{at: 30s", "at should be 30s, is 1m"),
        ("t: 35}", "t: 31}", "expected and did not come: 1m firing device=t1"),
        ("device: t1}]\n    expect", "device: t2}]\n    expect", ""),
        ("at: 1m, device", "at: 1m, level: high, device", "level should be high, is medium"),
        ("at: 1m, device: t1", "at: 1m, device: t9", "device should be t9, is t1"),
        ("at: 1m, device: t1", "at: 1m, value: 36", "value should be 36.0, is 35"),
        ("at: 1m, device: t1", "at: 1m, state: resolved", "state should be resolved, is firing"),
    ],
)
def test_a_failing_test_says_what_was_expected_and_what_came(call, old, new, told):
    code, out, err = call("test", a=RULE.replace(old, new))
    if told:
        assert code == 1
        assert "1 failed" in out
        assert told in err


def test_test_as_json_is_one_document(call):
    code, out, _ = call("test", "--json", a=RULE.replace("at: 1m", "at: 2m"))
    (test,) = json.loads(out)["tests"]
    assert code == 1
    assert test["passed"] is False
    assert test["came"] == ["1m firing medium device=t1 ''"]


def test_without_a_path_the_shipped_packs_are_meant():
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 0, result.stderr
    assert CliRunner().invoke(app, ["test"]).exit_code == 0


def test_the_schema_takes_all_shipped_rules_and_knows_every_kind():
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert schema["properties"]["kind"]["enum"] == list(KINDS)
    for kind in KINDS.values():
        assert kind.section.__name__ in schema["$defs"]
    assert "for" in schema["$defs"]["ThresholdSection"]["properties"]
