"""Running a long-lived part: its event loop, and how it is asked to stop."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, TypeVar

import typer

from fenghuo.log import Format

Result = TypeVar("Result")

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

LogLevelOption = Annotated[
    Level, typer.Option("--log-level", case_sensitive=False, help="The least important messages to log.")
]
"""The `--log-level` option, the same in every subcommand that runs on."""

LogFormatOption = Annotated[
    Format, typer.Option("--log-format", help="How log lines look; auto: JSON under systemd, otherwise text.")
]
"""The `--log-format` option, the same in every subcommand that runs on."""


def run_until_stopped(part: Callable[[], Coroutine[Any, Any, Result]], *, uvloop: bool = True) -> Result:
    """Run `part` in an event loop of its own (uvloop's, where wanted and installed) and give its result.

    The first SIGTERM or SIGINT cancels it, so that it can leave in good order: exit status 0 after SIGTERM, as service
    managers expect, 130 after SIGINT. A second one ends the process at once.
    """
    received: list[signal.Signals] = []

    async def guarded() -> Result:
        task = asyncio.ensure_future(part())
        loop = asyncio.get_running_loop()

        def stop(number: signal.Signals) -> None:
            received.append(number)
            task.cancel()
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)
                signal.signal(each, signal.SIG_DFL)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        return await task

    try:
        with asyncio.Runner(loop_factory=_uvloop() if uvloop else None) as runner:
            result = runner.run(guarded())
    except asyncio.CancelledError:
        if not received:
            raise
    else:
        if not received:
            return result
    raise typer.Exit(130 if received[0] is signal.SIGINT else 0)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform != "win32":
        try:
            return importlib.import_module("uvloop").new_event_loop
        except ModuleNotFoundError:
            pass
    return None
