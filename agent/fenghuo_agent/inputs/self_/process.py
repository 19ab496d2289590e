"""What the operating system says of this process and its machine (Linux; what it does not say is absent)."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path

from fenghuo.model import Value

PREFIX = "fenghuo_agent_process"
COUNTERS = frozenset({f"{PREFIX}_cpu_seconds_total"})


def read_process(started: float, now: float, disk: Path | None) -> Mapping[str, Value]:
    """CPU, memory, descriptors, age, the machine's load, room on the disk that `disk` lies on.

    `started` and `now` are by the same monotonic clock, in seconds.
    """
    return {
        f"{PREFIX}_cpu_seconds_total": round(time.process_time(), 3),
        f"{PREFIX}_resident_memory_bytes": _resident(),
        f"{PREFIX}_open_fds": _open_files(),
        f"{PREFIX}_max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "fenghuo_agent_uptime_seconds": round(now - started, 3),
        "fenghuo_agent_host_load1": _load(),
        "fenghuo_agent_spool_disk_free_bytes": _free(disk),
    }


def _resident() -> Value:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def _open_files() -> Value:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 — names only; one is the listing itself
    except OSError:
        return None


def _load() -> Value:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _free(disk: Path | None) -> Value:
    """Bytes that an ordinary process may still write where `disk` lies, or where it will be made."""
    while disk is not None:
        try:
            found = os.statvfs(disk)
        except FileNotFoundError:
            disk = disk.parent if disk.parent != disk else None
        except OSError:
            return None
        else:
            return found.f_bavail * found.f_frsize
    return None
