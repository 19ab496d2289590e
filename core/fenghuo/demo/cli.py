"""`fenghuo demo`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.config import parse_duration

app = typer.Typer(rich_markup_mode=None)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def demo(
    duration: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", parser=_seconds, help="End by itself after so long (60, 2m)."),
    ] = None,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(help="Which simulated school: the same seed, the same school.")] = 1,
) -> None:
    """Show a simulated school on this machine: devices that answer SNMP, sensors, the real agent and collector, faults.

    Everything listens on loopback only and is gone when it ends: no process, no file, no port. With --json, alerts are
    printed as NDJSON, then one summary; messages go to standard error.
    """
    from fenghuo.demo.run import Options, run  # noqa: PLC0415 — help does without it

    ended = asyncio.run(run(Options(duration, as_json, seed)))
    if ended is signal.SIGINT:
        raise typer.Exit(130)
