"""Parts of a time as it is written; no time zone is converted (as Sigma's time modifiers have it)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fenghuo.rules.detection.checks import Part

_MILLISECONDS_FROM = 1e11
"""Unix times above it are in milliseconds (1e11 seconds would be the year 5138)."""


def part_of(value: Any, part: Part) -> int | None:
    """The minute, hour, … of an ISO 8601 text, a Unix time (seconds or milliseconds, read as UTC); None where it is none."""
    moment = _moment(value)
    if moment is None:
        return None
    if part == "week":
        return moment.isocalendar().week
    return int(getattr(moment, part))


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) > _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
