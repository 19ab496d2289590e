"""The demo's processes: started in sessions of their own, watched, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
TAIL_BYTES = 8192


def _dying_with_parent() -> Callable[[], None] | None:
    """What a child does before its program starts, to be killed when the demo is (Linux prctl(2)); None elsewhere.

    The library is loaded here, in the parent: between fork and exec nothing may take a lock.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return None if prctl is None else partial(prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


@dataclass(slots=True)
class Child:
    """A running process; what it says goes to `log`, unless its standard output is read (`lines`)."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        if self.process.stdin is not None and not self.ended:
            self.process.stdin.write(line.encode() + b"\n")

    def last_words(self, lines: int = 12) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.rstrip().splitlines()[-lines:])

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def start(name: str, arguments: Sequence[str], folder: Path, *, talks: bool = False) -> Child:
    """Start `python ARGUMENTS…`; with `talks` its standard input and output are pipes, else its output goes to the log."""
    log = folder / f"{name}.log"
    pipe = asyncio.subprocess.PIPE if talks else None
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=pipe or asyncio.subprocess.DEVNULL,
            stdout=pipe or output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_dying_with_parent(),
        )
    return Child(name, process, log)


async def stop(children: Iterable[Child], seconds: float) -> None:
    """Ask all to end, and kill those that have not after `seconds`; returns when none is left."""
    left = [child for child in children if not child.ended]
    for child in left:
        child.terminate()
    waiting = [asyncio.ensure_future(child.process.wait()) for child in left]
    if waiting:
        await asyncio.wait(waiting, timeout=seconds)
    for child in left:
        child.kill()
    await asyncio.gather(*waiting)
