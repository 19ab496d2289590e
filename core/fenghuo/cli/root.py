"""The root command, its subcommands and what errors look like to the caller.

Exit status: 0 done, 1 something was found wrong, 2 used wrongly, 130 interrupted, 141 nobody reads the output.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.core
import typer.main

from fenghuo.cli.output import print_error, say
from fenghuo.errors import FenghuoError, UsedWrongly

FOUND_WRONG, USED_WRONGLY, INTERRUPTED, NO_READER = 1, 2, 130, 141

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("fenghuo.demo.cli:app", "Show a simulated school on this machine."),
    "agent": ("fenghuo_agent.cli:app", "Run a school's agent, or check its configuration."),
    "collector": ("fenghuo_collector.cli:app", "Run a collector, or check its configuration."),
    "rules": ("fenghuo.rules.tools.cli:app", "Check, test and explain rule files."),
    "replay": ("fenghuo.rules.tools.replay:app", "Give recorded events and readings to the rules."),
    "survey": ("fenghuo_agent.survey.cli:app", "Read all that one device tells by SNMP."),
    "profiles": ("fenghuo_agent.profiles.cli:app", "Check, list and explain device profiles."),
    "doctor": ("fenghuo_agent.doctor.cli:app", "Say why a device cannot be read by SNMP"),
    "config": ("fenghuo.cli.configuration:app", "Print the schema or reference of a configuration."),
    "version": ("fenghuo.cli.version:app", "Print the versions of Fenghuo, Python and system."),
}
"""Subcommand → where it is (`module:attribute`) and what it does, for help without importing it."""

_EXTRAS = {
    "agent": "agent",
    "survey": "agent",
    "doctor": "agent",
    "profiles": "agent",
    "collector": "collector",
    "demo": "all",
    "config": "all",
}
_OWN = ("fenghuo", "fenghuo_agent", "fenghuo_collector")


class _Stub(typer.core.TyperCommand):
    """Stands for a subcommand until it is called."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name=name, help=summary, add_help_option=False, rich_markup_mode=None)
        self.target = target

    def load(self) -> Any:
        """The subcommand itself."""
        module, _, attribute = self.target.partition(":")
        loaded: Any = getattr(importlib.import_module(module), attribute)
        command: Any = typer.main.get_command(loaded) if isinstance(loaded, typer.Typer) else loaded
        command.name = self.name
        command.params = [each for each in command.params if each.name not in ("install_completion", "show_completion")]
        _write_plainly(command)
        return command


def _write_plainly(command: Any) -> None:
    """Help and usage errors as plain text everywhere: quick to print, easy to search and to paste."""
    command.rich_markup_mode = None
    for inner in getattr(command, "commands", {}).values():
        _write_plainly(inner)


class Root(typer.core.TyperGroup):
    """The group of all subcommands. Stubs answer for them in help; the one that is called is loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: _Stub(name, *entry) for name, entry in COMMANDS.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does, with the stub replaced by the subcommand."""
        name, command, rest = super().resolve_command(ctx, args)
        ctx.invoked_subcommand = name
        if isinstance(command, _Stub):
            command = command.load()
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; Fenghuo's own errors become text on stderr and an exit status."""
        try:
            return super().invoke(ctx)
        except FenghuoError as error:
            print_error(error)
            raise typer.Exit(USED_WRONGLY if isinstance(error, UsedWrongly) else FOUND_WRONG) from None
        except ModuleNotFoundError as error:
            if not _explain(error, str(ctx.invoked_subcommand)):
                raise
            raise typer.Exit(USED_WRONGLY) from None
        except BrokenPipeError:
            _drop_output()
            raise typer.Exit(NO_READER) from None


def _explain(error: ModuleNotFoundError, subcommand: str) -> bool:
    """Say which extra to install where one of a subcommand's dependencies is missing; False where it is none."""
    missing = (error.name or "").partition(".")[0]
    if missing in _OWN or subcommand not in _EXTRAS:
        return False
    say(f"fenghuo {subcommand}: the Python package {missing!r} is not installed.")
    say(f"Install this part of Fenghuo: pip install 'fenghuo[{_EXTRAS[subcommand]}]'")
    return True


def _drop_output() -> None:
    """Send what is still buffered nowhere, so that Python does not complain about the closed pipe at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _print_version(wanted: bool) -> None:
    if wanted:
        from fenghuo.cli.version import version  # noqa: PLC0415 — importlib.metadata is slow to import

        sys.stdout.write(f"fenghuo {version()}\n")
        raise typer.Exit


app = typer.Typer(cls=Root, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def root(
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Fenghuo 烽火: network and campus-IoT security monitoring for a city's schools.

    Exit status: 0 done, 1 something was found wrong, 2 used wrongly. With --json, results are on standard output and
    messages on standard error.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends by SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        typer.main.get_command(app).main(args=None if arguments is None else list(arguments), prog_name="fenghuo")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
