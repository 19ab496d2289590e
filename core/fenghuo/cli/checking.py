"""`check`, the same on both sides: is this configuration valid?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from fenghuo.cli.output import print_error, print_json, problem_json
from fenghuo.config import Section, load
from fenghuo.errors import Located


def check_file(path: Path, model: type[Section], *, as_json: bool) -> None:
    """Print whether `path` is a valid `model`, or everything that is wrong with it; exit status 1 then."""
    try:
        load(path, model, env=os.environ)
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
