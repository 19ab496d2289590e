"""What sessions count: datagrams out and in, and sockets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Counts since the start, and how many sockets are open now."""

    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    reports: int = 0
    foreign: int = 0
    malformed: int = 0
    sockets: int = 0
