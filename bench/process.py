"""What a process has cost so far, from /proc (proc(5))."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds (user and system) of a process and its resident memory in bytes."""

    cpu: float
    resident: int


def cost(pid: int) -> Cost:
    """What process `pid` has cost since it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Cost((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE)


def machine() -> str:
    """The machine in a few words."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "unknown processor",
    )
    kernel = subprocess.run(["uname", "-sr"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{cpu}, {os.cpu_count()} cores, {kernel}, Python {'.'.join(map(str, sys.version_info[:3]))}"


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` answers in a fresh process, whose memory and collector owe nothing to what was measured before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
