from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fenghuo.rules.kinds import KINDS
from fenghuo.rules.tools.cli import app

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
  - title: hot for less than one is no alarm
    input: [{at: [0s, 30s, 59s, 2m], device: t1, t: [35, 35, 20, 20]}]
    expect: []
"""

SIGMA = """\
title: S
id: 0f9b6f5e-3a52-4c55-9d3e-0f2b8a6f3c11
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image: x}
  condition: selection
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
    code, out, _ = call("check", "--json", a=RULE + "---\n" + wrong, sigma=SIGMA)
    document = json.loads(out)
    assert code == 1
    assert [(rule["title"], rule["status"]) for rule in document["rules"]] == [
        ("Hot", "loaded"),
        ("Hot", "refused"),
        ("S", "inapplicable"),
    ]
    assert [bool(rule["reason"]) for rule in document["rules"]] == [False, True, True]
    assert all({"id", "title", "file", "status", "reason"} <= set(rule) for rule in document["rules"])
    assert (document["rules"][0]["kind"], document["rules"][0]["enabled"], document["rules"][0]["runs"]) == (
        "threshold",
        True,
        "agent",
    )
    (error,) = document["errors"]
    assert (error["line"], error["column"]) == (22, 6)


def test_test_runs_what_stands_in_the_rules(call):
    code, out, _ = call("test", a=RULE)
    assert (code, out) == (0, "2 tests of 1 rule, 0 failed\n")


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


def test_rules_may_be_tested_with_shipped_ones_that_they_speak_of(call):
    rule = """\
title: Waits
id: 11111111-0000-4000-8000-000000000077
name: a.waits
kind: threshold
data: x
condition: value > 10
suppress_if: {rules: availability.device-unreachable}
flap: false
tests:
  - title: it is told
    input: [{at: 0s, device: d, x: 20}]
    expect: [{at: 0s}]
  - title: it is not, just below
    input: [{at: 0s, device: d, x: 10}]
    expect: []
  - title: it waits while the device does not answer
    input:
      - {every: 1m, until: 5m, measurement: system, device: d, instance: i, snmp_up: 0}
      - {at: 3m, device: d, x: 20}
    expect: [{at: 2m, rule: availability.device-unreachable}]
"""
    code, out, err = call("test", a=rule)
    assert (code, out) == (0, "3 tests of 1 rule, 0 failed\n"), err


def test_test_as_json_is_one_document(call):
    code, out, _ = call("test", "--json", a=RULE.replace("at: 1m", "at: 2m"))
    document = json.loads(out)
    test = document["tests"][0]
    assert code == 1
    assert document["rules"][0]["missing"] == {}
    assert test["passed"] is False
    assert test["came"] == ["1m firing medium device=t1 'Hot'"]


def test_a_file_that_is_no_document_is_refused_too(call, tmp_path):
    (tmp_path / "bomb.yaml").write_text(
        "a: &a [x, x]\n"
        + "".join(
            f"{k}: &{k} [*{p}, *{p}]\n"
            for p, k in zip("abcdefghijklmnopqrstuvwx", "bcdefghijklmnopqrstuvwxy", strict=True)
        )
    )
    (tmp_path / "broken.yaml").write_text("title: [\n")
    code, out, _ = call("check", "--json", a=RULE)
    document = json.loads(out)
    assert code == 1
    statuses = {Path(rule["file"]).name: rule["status"] for rule in document["rules"]}
    assert statuses == {"a.yaml": "loaded", "bomb.yaml": "refused", "broken.yaml": "refused"}
    assert {Path(error["file"]).name for error in document["errors"]} == {"bomb.yaml", "broken.yaml"}


def test_a_rule_whose_tests_show_one_side_only_fails_and_is_told_what_lacks(call):
    code, out, err = call("test", a=RULE[: RULE.index("  - title: hot for less")])
    assert code == 1
    assert "1 test of 1 rule, 0 failed, 1 rule with tests lacking" in out
    assert "a.yaml:1:1: a.hot: tests are lacking" in err
    assert "negative: no test with input in which it does not fire" in err
    assert "boundary: no test just outside its edge: none would fire with for: 54s" in err


def test_coverage_names_the_parts_that_no_test_needs(call):
    code, out, _ = call("test", "--coverage", a=RULE.replace("for: 1m", "for: 1m\nclear: value < 30"))
    assert code == 0
    assert "a.yaml:8:8: a.hot: clear: no test notices when it is left out: value < 30" in out
    assert "3 of 6 parts of rules needed by tests (50%)" in out
    assert call("test", "--fail-under", "51", a=RULE.replace("for: 1m", "for: 1m\nclear: value < 30"))[0] == 1


def test_coverage_as_json_is_in_the_same_document(call):
    code, out, _ = call("test", "--coverage", "--json", a=RULE)
    document = json.loads(out)
    assert code == 0
    assert document["coverage"]["percent"] == 100
    assert document["coverage"]["parts"][2] == {
        "rule": "a.hot",
        "file": document["tests"][0]["file"],
        "line": 7,
        "column": 6,
        "key": "for",
        "says": "1m",
        "as_if": "left out",
        "noticed": True,
    }


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
