"""The console script `fenghuo`: a table of subcommands, each imported only when it is called."""

from __future__ import annotations

from fenghuo.cli.root import main

__all__ = ["main"]
