"""The console script `fenghuo`: a table of subcommands, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

LEAN = {("agent", "run"): "fenghuo_agent.daemon"}
"""Subcommands that run for ever on small machines: their modules take plain options themselves, without the seven megabytes
of the command-line framework."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends by SystemExit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    module = LEAN.get((given[0], given[1])) if len(given) > 1 else None
    if module is not None:
        try:
            daemon = importlib.import_module(module)
        except ModuleNotFoundError:
            pass  # the whole command line says what to install
        else:
            daemon.main(given[2:])
    from fenghuo.cli.root import main as whole  # noqa: PLC0415 — see LEAN

    whole(arguments)


__all__ = ["main"]
