"""`fenghuo version`."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_json

app = typer.Typer(rich_markup_mode=None)


def version() -> str:
    """The installed distribution's version."""
    return importlib.metadata.version("fenghuo")


@app.command("version")
def show(as_json: JsonOption = False) -> None:
    """Print the versions of Fenghuo, Python and system."""
    versions = {"fenghuo": version(), "python": platform.python_version(), "system": platform.platform(terse=True)}
    if as_json:
        print_json(versions)
    else:
        sys.stdout.write("".join(f"{name} {value}\n" for name, value in versions.items()))
