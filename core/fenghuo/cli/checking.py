"""`check`, the same on both sides: is this configuration valid?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from fenghuo.cli.output import print_error, print_json, problem_json
from fenghuo.config import Section, load
from fenghuo.errors import Located

Loaded = TypeVar("Loaded", bound=Section)


def check_file(
    path: Path, model: type[Loaded], *, as_json: bool, further: Callable[[Loaded], object] | None = None
) -> None:
    """Print whether `path` is a valid `model`, or everything that is wrong with it; exit status 1 then.

    `further` looks at what the configuration names, such as rule files; it raises `Located`.
    """
    try:
        loaded = load(path, model, env=os.environ)
        if further is not None:
            further(loaded)
    except Located as error:
        if as_json:
            print_json({"file": str(path), "ok": False, "problems": [problem_json(each) for each in error.problems]})
        else:
            print_error(error)
        raise typer.Exit(1) from None
    if as_json:
        print_json({"file": str(path), "ok": True, "problems": []})
    else:
        sys.stdout.write(f"{path}: OK\n")
