"""Every folder of tests/cases/rules is a case: rule.yaml, input.yaml (or input.ndjson) and expected.yaml.

The input and what is expected are written as in a rule's own tests. `rule.yaml` may hold several rules: all run, the first
is the one that is meant where the expected alert names no `rule`. `overlays/` and value lists may stand beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fenghuo.rules import load_rules
from fenghuo.rules.files.section import RuleTest
from fenghuo.rules.tools.testing import run_case

CASES = Path(__file__).parents[2] / "cases" / "rules"


def read_input(folder):
    lines = folder / "input.ndjson"
    if lines.exists():
        return [json.loads(line) for line in lines.read_text().splitlines() if line.strip()]
    return yaml.safe_load((folder / "input.yaml").read_text())


@pytest.mark.parametrize(
    "folder", sorted(path for path in CASES.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_case(folder):
    overlays = folder / "overlays"
    rules = load_rules([folder / "rule.yaml", *([overlays] if overlays.is_dir() else [])])
    document = yaml.safe_load((folder / "expected.yaml").read_text())
    case = RuleTest.model_validate({"title": folder.name, "input": read_input(folder), **document})
    outcome = run_case(rules.rules[0], case, rules)
    assert outcome.passed, "\n".join([*outcome.differences, "came:", *outcome.came])
