"""`fenghuo agent run` as it runs for ever: with plain options, and nothing in memory that only command lines need."""

from __future__ import annotations

import getopt
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from fenghuo.cli.output import print_error
from fenghuo.cli.running import Level, run_until_stopped
from fenghuo.config import load
from fenghuo.errors import FenghuoError
from fenghuo.log import Format, configure

DEFAULT_FILE = Path("/etc/fenghuo/agent.yaml")


def main(arguments: Sequence[str]) -> None:
    """Run the agent and end by SystemExit; return where the options are none that it understands (help, mistakes)."""
    options = options_of(arguments)
    if options is None:
        return
    try:
        run(*options)
    except FenghuoError as error:
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:  # before there is a loop that hears of it
        sys.exit(130)


def options_of(arguments: Sequence[str]) -> tuple[Path, Level, Format] | None:
    """File, level and format of the log; None where the whole command line has to look at them."""
    try:
        pairs, rest = getopt.gnu_getopt(list(arguments), "c:", ["config=", "log-level=", "log-format="])
    except getopt.GetoptError:
        return None
    given = {name.lstrip("-"): value for name, value in pairs}
    level, style = given.get("log-level", "INFO").upper(), given.get("log-format", Format.AUTO.value)
    if rest or level not in get_args(Level) or style not in {each.value for each in Format}:
        return None
    file = given.get("config", given.get("c", ""))
    return Path(file) if file else DEFAULT_FILE, cast("Level", level), Format(style)


def run(config: Path, level: Level, style: Format) -> None:
    """Poll, judge and ship until told to stop. Raises `FenghuoError` where the start is impossible."""
    from fenghuo_agent.config import AgentConfig  # noqa: PLC0415 — options are looked at without it

    configure(level, style=style)
    loaded = load(config, AgentConfig, env=os.environ)
    from fenghuo_agent import app  # noqa: PLC0415 — a wrong configuration is told without it

    # An agent is no faster with uvloop, which takes 2 MB.
    run_until_stopped(lambda: app.run(loaded, config), uvloop=False)
