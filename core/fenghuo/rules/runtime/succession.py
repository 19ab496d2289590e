"""What goes on when rules are exchanged: whether that which is known by a rule means the same by the rule that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fenghuo.rules.rule import Rule


def goes_on(old: Rule, new: Rule) -> bool:
    """Whether the new rule may take over what is known by the old one of the same id.

    Conditions, levels, hold times and texts may differ; not what a rule looks at, or how it counts.
    """
    if old.body is new.body or (old.kind == new.kind and old.section == new.section):
        return True
    before, after = old.observer, new.observer
    if old.kind != new.kind or (before is None) != (after is None):
        return False
    same_readings = old.section.measurement == new.section.measurement
    if before is None or after is None:
        return same_readings and getattr(old.section, "data", None) == getattr(new.section, "data", None)
    if before.data is not None and not (same_readings and _same_filter(old, new)):
        return False
    return type(before) is type(after) and replace(before, condition=None, clear=None) == replace(
        after, condition=None, clear=None
    )


def still_meets(new: Rule, labels: Mapping[str, str]) -> bool:
    """Whether an entity, by its labels, is one that the new rule looks at."""
    return new.where.meets(labels) and not any(exception.meets(labels) for exception in new.exceptions)


def _same_filter(old: Rule, new: Rule) -> bool:
    return old.section.where == new.section.where and old.section.exceptions == new.section.exceptions
