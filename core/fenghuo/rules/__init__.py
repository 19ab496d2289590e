"""Rules: their files, and the engine that judges readings by them. See docs/explanation/rules.md."""

from __future__ import annotations

from fenghuo.rules.engine import AHEAD_MS, Engine
from fenghuo.rules.files.load import load_rules, read_rules
from fenghuo.rules.rule import Rule, RuleSet, Unloaded

__all__ = ["AHEAD_MS", "Engine", "Rule", "RuleSet", "Unloaded", "load_rules", "read_rules"]
