"""`fenghuo collector`."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

import typer

from fenghuo.cli.checking import check_file
from fenghuo.cli.options import ConfigOption, JsonOption, LogFormatOption, LogLevelOption
from fenghuo.cli.running import run_until_stopped
from fenghuo.config import load
from fenghuo.errors import Permanent
from fenghuo.log import Format, configure

DEFAULT_FILE = Path("/etc/fenghuo/collector.yaml")
MIN_PASSWORD_LENGTH = 10

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def collector() -> None:
    """Run a collector, or check its configuration."""


@app.command()
def run(
    config: ConfigOption = DEFAULT_FILE,
    log_level: LogLevelOption = "INFO",
    log_format: LogFormatOption = Format.AUTO,
) -> None:
    """Take in what agents send, store it and tell of alerts, until told to stop (SIGTERM or Ctrl-C)."""
    from fenghuo_collector.config import CollectorConfig  # noqa: PLC0415 — help does without it

    configure(log_level, style=log_format)
    loaded = load(config, CollectorConfig, env=os.environ)
    from fenghuo_collector import app as collector_app  # noqa: PLC0415 — a wrong configuration is told without it

    run_until_stopped(lambda: collector_app.run(loaded))


@app.command()
def check(config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Check the configuration; print OK, or everything that is wrong with it."""
    from fenghuo_collector.config import CollectorConfig  # noqa: PLC0415 — help does without it

    check_file(config, CollectorConfig, as_json=as_json)


@app.command("hash-password")
def hash_password() -> None:
    """Print the hash of a password for the console's configuration; it is asked for, or read from standard input."""
    from argon2 import PasswordHasher  # noqa: PLC0415 — help does without it

    password = _ask() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise Permanent(f"the password is shorter than {MIN_PASSWORD_LENGTH} characters")
    sys.stdout.write(PasswordHasher().hash(password) + "\n")


def _ask() -> str:
    password = getpass.getpass("Password: ", stream=sys.stderr)
    if getpass.getpass("Once more: ", stream=sys.stderr) != password:
        raise Permanent("the two passwords differ")
    return password
