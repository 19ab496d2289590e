from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from fenghuo.packs import packs_path
from fenghuo.rules import load_rules
from fenghuo.rules.files.schema import rule_schema
from fenghuo.rules.tools.coverage import shape_of
from fenghuo.rules.tools.testing import run_tests

PACK = load_rules([packs_path()], require_tests=True)


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.name)
def test_the_tests_of_a_shipped_rule_pass(rule):
    for outcome in run_tests(PACK, [rule]):
        assert outcome.passed, (outcome.case.title, outcome.differences, outcome.came)


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.name)
def test_a_shipped_rule_says_all_that_one_must_know(rule):
    section = rule.section
    assert section.title_zh
    assert section.description
    assert section.description_zh
    assert section.falsepositives
    assert len(section.falsepositives_zh) == len(section.falsepositives)
    assert section.message
    assert section.message_zh
    assert section.runbook.en
    assert section.runbook.zh
    assert any(tag.startswith("mlps.") for tag in section.tags)
    assert rule.place.file.endswith(f"{rule.name.partition('.')[0]}/{rule.place.file.rpartition('/')[2]}")


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.name)
def test_a_shipped_rule_has_a_positive_a_negative_and_a_boundary_test(rule):
    assert shape_of(rule, PACK).missing == {}


def test_the_packs_stand_where_the_issue_wants_them():
    names = {rule.name for rule in PACK.rules}
    assert {
        "availability.device-unreachable",
        "availability.device-restarted",
        "availability.port-down",
        "availability.sensor-silent",
        "capacity.port-errors-in",
        "capacity.uplink-saturated",
        "environment.server-room-hot",
        "environment.server-room-humidity",
        "power.sensor-battery-low",
    } <= names


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.name)
def test_editors_find_no_fault_with_a_shipped_rule(rule):
    validator = jsonschema.Draft202012Validator(rule_schema())
    documents = {document["name"]: document for document in yaml.safe_load_all(Path(rule.place.file).read_text())}
    validator.validate(documents[rule.name])
    assert not validator.is_valid({**documents[rule.name], "colour": "red"})
