"""What `fenghuo rules test` and `fenghuo rules explain` print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fenghuo.cli.output import print_json, say, styled
from fenghuo.rules.rule import Rule, RuleSet
from fenghuo.rules.tools.costs import Cost
from fenghuo.rules.tools.coverage import Part, Shape, share_of
from fenghuo.rules.tools.explain import HEADINGS, LANGUAGES
from fenghuo.rules.tools.testing import Outcome
from fenghuo.rules.tools.wording import Language


def print_report(
    rules: RuleSet, outcomes: Sequence[Outcome], lacking: Sequence[Shape], parts: Sequence[Part] | None
) -> None:
    """For people: what went wrong on standard error, the count on standard output."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        _print_failure(outcome)
    for shape in lacking:
        say(f"{shape.rule.place}: {shape.rule.name}: tests are lacking")
        for what, why in shape.missing.items():
            say(f"  {what}: {why}")
    for part in parts or ():
        if not part.noticed:
            sys.stdout.write(f"{part.place}: {part.rule.name}: {part.key}: {_unneeded(part)}\n")
    if parts is not None:
        noticed = sum(part.noticed for part in parts)
        sys.stdout.write(
            f"{noticed} of {counted(len(parts), 'part')} of rules needed by tests ({share_of(parts):.0f}%)\n"
        )
    lack = f", {counted(len(lacking), 'rule')} with tests lacking" if lacking else ""
    sys.stdout.write(f"{counted(len(outcomes), 'test')} of {counted(len(rules.rules), 'rule')}, ")
    sys.stdout.write(f"{len(failed)} failed{lack}\n")


def _unneeded(part: Part) -> str:
    """What no test tells from what the rule says."""
    if part.as_if == "left out":
        return f"no test notices when it is left out: {part.says}"
    if part.as_if == "always":
        return f"never false where that matters: {part.says}"
    if part.as_if == "never":
        return f"never true where that matters: {part.says}"
    return f"no test notices {part.as_if} in its place: {part.says}"


def print_report_json(
    rules: RuleSet, outcomes: Sequence[Outcome], lacking: Sequence[Shape], parts: Sequence[Part] | None
) -> None:
    """As one document."""
    missing = {id(shape.rule): shape.missing for shape in lacking}
    document: dict[str, Any] = {
        "tests": [_outcome(outcome) for outcome in outcomes],
        "rules": [
            {
                "rule": rule.name,
                "file": rule.place.file,
                "line": rule.place.line,
                "tests": len(rule.tests),
                "missing": dict(missing.get(id(rule), {})),
            }
            for rule in rules.rules
        ],
        "errors": [],
    }
    if parts is not None:
        document["coverage"] = {"percent": round(share_of(parts), 1), "parts": [_part(part) for part in parts]}
    print_json(document)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.name,
        "file": outcome.rule.place.file,
        "test": outcome.case.title,
        "passed": outcome.passed,
        "differences": list(outcome.differences),
        "came": list(outcome.came),
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "rule": part.rule.name,
        "file": part.place.file,
        "line": part.place.line or None,
        "column": part.place.column or None,
        "key": part.key,
        "says": part.says,
        "as_if": part.as_if,
        "noticed": part.noticed,
    }


def _print_failure(outcome: Outcome) -> None:
    say(f"{outcome.rule.place}: {outcome.rule.name}: {outcome.case.title}")
    for difference in outcome.differences:
        say(f"  {difference}")
    for line in outcome.came or ("nothing",):
        say(f"  came: {line}")


def print_explained(rule: Rule, told: Mapping[Language, Mapping[str, str]]) -> None:
    """For people, one language after the other."""
    for number, (language, texts) in enumerate(told.items()):
        title = rule.section.title_zh if language == "zh" and rule.section.title_zh else rule.title
        sys.stdout.write("\n" if number else "")
        sys.stdout.write(styled(f"{title} · {rule.name}", "bold", sys.stdout) + "\n")
        sys.stdout.write(styled(f"{rule.id} · {rule.place}", "dim", sys.stdout) + "\n")
        for key, text in texts.items():
            heading = HEADINGS[key][LANGUAGES.index(language)]
            sys.stdout.write(styled(heading, "cyan", sys.stdout) + "\n")
            sys.stdout.write("".join(f"  {line}\n" for line in text.splitlines()))


def explained_json(rule: Rule, told: Mapping[Language, Mapping[str, str]], cost: Cost | None) -> dict[str, Any]:
    """As one document."""
    section = rule.section
    return {
        "id": rule.id,
        "name": rule.name,
        "title": rule.title,
        "title_zh": section.title_zh or None,
        "kind": rule.kind,
        "file": rule.place.file,
        "line": rule.place.line or None,
        "enabled": section.enabled,
        "runs": section.runs,
        "tags": list(section.tags),
        **{language: dict(texts) for language, texts in told.items()},
        "cost": None if cost is None else {"source": cost.source, **cost.values},
    }


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
