"""The demo's rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fenghuo.demo.settings import RULES
from fenghuo.rules import load_rules


def test_every_rule_has_tests_a_runbook_and_both_languages():
    loaded = load_rules([RULES], require_tests=True)
    assert len(loaded.rules) == len(list(Path(RULES).glob("*.yaml"))) == 5
    for rule in loaded.rules:
        section = rule.section
        assert section.title_zh
        assert section.message
        assert section.message_zh
        assert section.runbook is not None
        assert section.falsepositives


def test_their_own_tests_pass():
    command = [sys.executable, "-c", "from fenghuo.cli import main; main()", "rules", "test", str(RULES)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
