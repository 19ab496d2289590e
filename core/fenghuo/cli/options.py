"""Options that are the same in every subcommand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fenghuo.cli.running import Level
from fenghuo.log import Format

JsonOption = Annotated[bool, typer.Option("--json", help="Print results as JSON on standard output.")]
"""The `--json` flag."""

ConfigOption = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration file (YAML).")]
"""The `-c FILE` option."""

LogLevelOption = Annotated[
    Level, typer.Option("--log-level", case_sensitive=False, help="The least important messages to log.")
]
"""The `--log-level` option of what runs on."""

LogFormatOption = Annotated[
    Format, typer.Option("--log-format", help="How log lines look; auto: JSON under systemd, otherwise text.")
]
"""The `--log-format` option of what runs on."""
