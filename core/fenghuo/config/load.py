"""Reading a configuration: bytes of a file → a valid model, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from fenghuo.config.document import MAX_BYTES, read
from fenghuo.config.mistakes import explain
from fenghuo.config.section import Section
from fenghuo.config.validate import validate
from fenghuo.errors import Located, Place, Problem

Model = TypeVar("Model", bound=Section)

_MASKED_LENGTH = 3
"""Values of the environment at least this long are looked for in every message; shorter ones at their own node only."""


def load(path: Path, model: type[Model], *, env: Mapping[str, str]) -> Model:
    """The configuration in the YAML file at `path`, valid as a whole.

    `env` gives `${NAME}` its value; relative names of secret files start at the file's folder.
    Raises `Located` with every problem found, in reading order; no problem shows a secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        hint = "-c FILE names another"
        raise Located([Problem(Place(str(path)), f"cannot read the configuration: {reason}", hint)]) from None
    return parse(content, model, env=env, file=str(path), folder=path.parent)


def parse(content: bytes, model: type[Model], *, env: Mapping[str, str] | None, file: str, folder: Path) -> Model:
    """As `load`, of a file's content; `file` names it in problems. With `env` None, `${NAME}` stays as it is."""
    tree, problems, wrong = read(content, file, env)
    if tree.children is None or tree.is_list:
        problems.append(Problem(Place(file, tree.line, tree.column), "expected a mapping: lines of `key: value`"))
        raise Located(problems)
    result, errors, seen = validate(tree, model, folder=folder)
    secrets = {name: value for node in tree.walk() for name, value in node.used.items() if len(value) >= _MASKED_LENGTH}
    problems += explain(errors, tree, file, seen=seen, wrong=wrong, secrets=secrets)
    if problems or result is None:
        raise Located(_in_order(problems))
    return result


def _in_order(problems: list[Problem]) -> list[Problem]:
    unique: dict[Any, Problem] = {(problem.place, problem.message): problem for problem in problems}
    return sorted(unique.values(), key=lambda problem: (problem.place.line, problem.place.column))
