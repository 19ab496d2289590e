"""`fenghuo rules`: check and test rule files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fenghuo.cli.output import JsonOption, print_error, print_json, problem_json, say
from fenghuo.errors import Located, Place, Problem
from fenghuo.packs import packs_path
from fenghuo.rules.load import read_rules
from fenghuo.rules.reference import rule_reference
from fenghuo.rules.rule import RuleSet
from fenghuo.rules.schema import rule_schema
from fenghuo.rules.testing import Outcome, run_tests

Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH]…", help="Rule files and folders; the shipped packs if none.")
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def rules() -> None:
    """Check and test rule files."""


@app.command("check")
def check_rules(paths: Paths = None, as_json: JsonOption = False) -> None:
    """Say whether rules are right, or everything that is wrong with them; exit status 1 then."""
    found, problems = _read(paths)
    if as_json:
        print_json({"rules": _rules_json(found), "errors": [problem_json(problem) for problem in problems]})
    else:
        for item in found.inapplicable:
            sys.stdout.write(f"{item.place}: {item.title or item.id}: does not apply: {item.reason}\n")
        if problems:
            print_error(Located(problems))
        sys.stdout.write(f"{_counted(len(found.rules), 'rule')} in {_counted(len(found.files), 'file')}, ")
        sys.stdout.write(f"{_counted(len(problems), 'problem')}\n")
    if problems:
        raise typer.Exit(1)


@app.command("test")
def run_rule_tests(paths: Paths = None, as_json: JsonOption = False) -> None:
    """Run the tests inside rules; exit status 1 where one fails or a rule is wrong."""
    found, problems = _read(paths)
    if problems:
        if as_json:
            print_json({"tests": [], "errors": [problem_json(problem) for problem in problems]})
        else:
            print_error(Located(problems))
        raise typer.Exit(1)
    outcomes = run_tests(found)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        print_json({"tests": [_outcome_json(outcome) for outcome in outcomes], "errors": []})
    else:
        for outcome in failed:
            _print_failure(outcome)
        sys.stdout.write(f"{_counted(len(outcomes), 'test')} of {_counted(len(found.rules), 'rule')}, ")
        sys.stdout.write(f"{len(failed)} failed\n")
    if failed:
        raise typer.Exit(1)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema (2020-12) of rule files, for editors."""
    print_json(rule_schema())


@app.command("reference")
def print_reference() -> None:
    """Print all keys of rule files as Markdown."""
    sys.stdout.write(rule_reference())


def _read(paths: list[Path] | None) -> tuple[RuleSet, list[Problem]]:
    """Shipped packs must have tests; other rules may name shipped ones in `suppress_if`."""
    shipped = packs_path()
    if not paths:
        return read_rules([shipped], require_tests=True)
    names = [rule.name for rule in read_rules([shipped])[0].rules] if shipped.is_dir() else []
    return read_rules(paths, known=names)


def _rules_json(found: RuleSet) -> list[dict[str, Any]]:
    rows = [
        _rule_json(rule.id, rule.title, rule.place, "loaded", "" if rule.tests else "it has no tests")
        for rule in found.rules
    ]
    rows += [_rule_json(item.id, item.title, item.place, "refused", item.reason) for item in found.refused]
    rows += [_rule_json(item.id, item.title, item.place, "inapplicable", item.reason) for item in found.inapplicable]
    return rows


def _rule_json(id_: str, title: str, place: Place, status: str, reason: str) -> dict[str, Any]:
    return {
        "id": id_,
        "title": title,
        "file": place.file,
        "line": place.line,
        "status": status,
        "reason": reason or None,
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.name,
        "file": outcome.rule.place.file,
        "test": outcome.case.title,
        "passed": outcome.passed,
        "differences": list(outcome.differences),
        "came": list(outcome.came),
    }


def _print_failure(outcome: Outcome) -> None:
    say(f"{outcome.rule.place}: {outcome.rule.name}: {outcome.case.title}")
    for difference in outcome.differences:
        say(f"  {difference}")
    for line in outcome.came or ("nothing",):
        say(f"  came: {line}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
