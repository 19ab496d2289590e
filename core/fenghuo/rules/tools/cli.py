"""`fenghuo rules`: check, test and explain rule files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_error, print_json, problem_json
from fenghuo.config.words import printable, suggest
from fenghuo.errors import Located, Permanent, Place, Problem
from fenghuo.packs import packs_path
from fenghuo.rules.files.load import read_rules
from fenghuo.rules.files.reference import rule_reference
from fenghuo.rules.files.schema import rule_schema
from fenghuo.rules.rule import Overlay, Rule, RuleSet
from fenghuo.rules.tools.backtest import backtest_file
from fenghuo.rules.tools.costs import TOKEN, read_cost
from fenghuo.rules.tools.coverage import coverage, shapes, share_of
from fenghuo.rules.tools.explain import LANGUAGES, explain
from fenghuo.rules.tools.report import counted, explained_json, print_explained, print_report, print_report_json
from fenghuo.rules.tools.testing import run_tests, speaks_of
from fenghuo.rules.tools.wording import Language

Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH]…", help="Rule files and folders; the shipped packs if none.")
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def rules() -> None:
    """Check, test and explain rule files."""


@app.command("check")
def check_rules(paths: Paths = None, as_json: JsonOption = False) -> None:
    """Say whether rules are right, or everything that is wrong with them; exit status 1 then."""
    found, problems = _read(paths)
    if as_json:
        print_json(
            {
                "rules": _rules_json(found, problems),
                "overlays": [_overlay_json(overlay) for overlay in found.overlays],
                "errors": [problem_json(problem) for problem in problems],
            }
        )
    else:
        for overlay in found.overlays:
            sys.stdout.write(f"{overlay.place}: changes {overlay.rule}: {'; '.join(overlay.changes)}\n")
        for item in found.inapplicable:
            sys.stdout.write(f"{item.place}: {item.title or item.id}: does not apply: {item.reason}\n")
        if problems:
            print_error(Located(problems))
        sys.stdout.write(f"{counted(len(found.rules), 'rule')} in {counted(len(found.files), 'file')}, ")
        sys.stdout.write(f"{counted(len(problems), 'problem')}\n")
    if problems:
        raise typer.Exit(1)


@app.command("test")
def run_rule_tests(
    paths: Paths = None,
    with_coverage: Annotated[
        bool, typer.Option("--coverage", help="Show the parts of rules that no test needs.")
    ] = False,
    fail_under: Annotated[
        float | None, typer.Option(metavar="PERCENT", min=0, max=100, help="Fail where fewer parts are needed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the tests inside rules; exit status 1 where one fails or is lacking, or a rule is wrong.

    Each rule needs a test in which it fires, one in which it does not, and one at the edge between.
    """
    found, problems = _read(paths)
    if problems:
        if as_json:
            print_json({"tests": [], "rules": [], "errors": [problem_json(problem) for problem in problems]})
        else:
            print_error(Located(problems))
        raise typer.Exit(1)
    together = _with_shipped(found)
    outcomes = run_tests(together, found.rules)
    lacking = [shape for shape in shapes(together, found.rules) if shape.missing]
    parts = coverage(together, found.rules) if with_coverage or fail_under is not None else None
    report = print_report_json if as_json else print_report
    report(found, outcomes, lacking, parts)
    too_few = fail_under is not None and parts is not None and share_of(parts) < fail_under
    if lacking or too_few or not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


app.command("backtest")(backtest_file)


@app.command("explain")
def explain_rule(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="The rule's id or name.")],
    paths: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PATH", help="A rule file or folder, beside the shipped packs."),
    ] = None,
    language: Annotated[
        str, typer.Option("--lang", metavar="zh|en|both", help="In which language; both if not said.")
    ] = "",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="URL|FILE", help=f"Tell the cost so far from these metrics; a token stands in the variable {TOKEN}."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell in plain words what a rule watches, from what data, and when it fires."""
    languages: list[Language] = [each for each in LANGUAGES if language in (each, "", "both")]
    if not languages:
        raise typer.BadParameter("zh, en or both", param_hint="--lang")
    found, problems = read_rules([*(paths or []), packs_path()])
    rule = _find(found, rule_id, problems)
    cost = read_cost(metrics, rule) if metrics else None
    overlays = tuple(each for each in found.overlays if each.rule in (rule.name, rule.id))
    told: dict[Language, dict[str, str]] = {each: explain(rule, each, cost, overlays) for each in languages}
    if as_json:
        print_json(explained_json(rule, told, cost))
    else:
        print_explained(rule, told)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema (2020-12) of rule files, for editors."""
    print_json(rule_schema())


@app.command("reference")
def print_reference() -> None:
    """Print all keys of rule files as Markdown."""
    sys.stdout.write(rule_reference())


def _read(paths: list[Path] | None) -> tuple[RuleSet, list[Problem]]:
    """Shipped packs must have tests; other rules may speak of shipped ones, and overlays change them."""
    shipped = packs_path()
    if not paths:
        return read_rules([shipped], require_tests=True)
    return read_rules(paths, base=[shipped])


def _find(rules: RuleSet, wanted: str, problems: list[Problem]) -> Rule:
    """The rule of this id or name; `Permanent` says what is near where there is none, after what keeps others from loading."""
    for rule in rules.rules:
        if wanted in (rule.id, rule.name):
            return rule
    for item in (*rules.inapplicable, *rules.refused):
        if wanted == item.id:
            raise Permanent(f"{item.place}: {item.title or item.id} is not loaded: {item.reason}")
    if problems:
        print_error(Located(problems))
    hint = suggest(wanted, [rule.name for rule in rules.rules])
    raise Permanent(f"no rule has the id or name {printable(wanted[:100])!r}" + (f"; {hint}" if hint else ""))


def _with_shipped(found: RuleSet) -> RuleSet:
    """The rules, and the shipped ones that they speak of: those run along in tests."""
    names = {rule.name for rule in found.rules}
    if all(name in names for rule in found.rules for name in speaks_of(rule)):
        return found
    shipped = read_rules([packs_path()])[0].rules
    return replace(found, rules=(*found.rules, *(rule for rule in shipped if rule.name not in names)))


def _rules_json(found: RuleSet, problems: list[Problem]) -> list[dict[str, Any]]:
    """Every document: loaded, refused or inapplicable. What is no document at all is refused without a name."""
    rows = [
        {
            **_row(rule.id, rule.title, rule.place, "loaded", None),
            "name": rule.name,
            "kind": rule.kind,
            "enabled": rule.section.enabled,
            "runs": rule.section.runs,
            "tests": len(rule.tests),
        }
        for rule in found.rules
    ]
    rows += [_row(item.id, item.title, item.place, "refused", item.reason) for item in found.refused]
    rows += [_row(item.id, item.title, item.place, "inapplicable", item.reason) for item in found.inapplicable]
    told = {row["file"] for row in rows if row["status"] == "refused"}
    for problem in problems:
        if problem.place.file not in told:
            told.add(problem.place.file)
            rows.append(_row("", "", problem.place, "refused", problem.message))
    return rows


def _overlay_json(overlay: Overlay) -> dict[str, Any]:
    return {
        "rule": overlay.rule,
        "file": overlay.place.file,
        "line": overlay.place.line,
        "reason": overlay.reason or None,
        "changes": list(overlay.changes),
    }


def _row(id_: str, title: str, place: Place, status: str, reason: str | None) -> dict[str, Any]:
    return {
        "id": id_ or None,
        "title": title or None,
        "file": place.file,
        "line": place.line or None,
        "status": status,
        "reason": reason,
    }
