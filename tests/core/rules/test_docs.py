from __future__ import annotations

import re
from pathlib import Path

import pytest

from fenghuo.config.reference import undescribed
from fenghuo.rules.files.load import parse_rules
from fenghuo.rules.files.reference import rule_reference
from fenghuo.rules.kinds import KINDS
from fenghuo.rules.language.expression import FUNCTIONS

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = (DOCS / "reference" / "rules.md").read_text()
EXPLANATION = (DOCS / "explanation" / "rules.md").read_text()


def test_the_reference_is_that_of_the_code():
    """`fenghuo rules reference` prints what must stand there."""
    assert REFERENCE.endswith(rule_reference())


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_key_of_a_kind_is_described(kind):
    assert undescribed(kind.section) == []


def test_every_function_and_kind_is_in_the_docs():
    for name in FUNCTIONS:
        assert f"`{name}(" in REFERENCE
    for name in KINDS:
        assert f"`{name}`" in EXPLANATION


def test_the_example_of_the_explanation_is_a_rule():
    example = re.search(r"```yaml\n(.*?)```", EXPLANATION, re.DOTALL)[1]
    rules, problems = parse_rules(f"id: 11111111-0000-4000-8000-000000000001\n{example}".encode(), "rules.md")
    assert (len(rules), problems) == (1, [])
