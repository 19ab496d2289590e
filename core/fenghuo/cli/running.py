"""Running a long-lived part: its event loop, and how it is asked to stop."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

Result = TypeVar("Result")

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


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
    sys.exit(130 if received[0] is signal.SIGINT else 0)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform != "win32":
        try:
            return importlib.import_module("uvloop").new_event_loop
        except ModuleNotFoundError:
            pass
    return None
