"""Durations and sizes as people write them: `5m`, `1h30m`, `64MiB`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d|w)")
DURATION_PATTERN = rf"^(?:{_NUMBER}(?:ms|s|m|h|d|w))+$"
SIZE_PATTERN = rf"^{_NUMBER} ?(?:B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
_DURATION = re.compile(DURATION_PATTERN)
_SIZE = re.compile(SIZE_PATTERN)

DURATION_HELP = "expected a duration such as 500ms, 30s, 5m, 1h30m or 7d"
SIZE_HELP = "expected a size such as 512KiB, 64MiB or 1.5GB"


def parse_duration(text: str) -> float:
    """Seconds in `text`: numbers with units ms, s, m, h, d, w, one after the other; ValueError where it is none."""
    if not _DURATION.fullmatch(text):
        raise ValueError(DURATION_HELP)
    return math.fsum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as the same number: 5400 → `1h30m`."""
    if seconds <= 0:
        return "0s"
    parts: list[str] = []
    rest = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or f"{seconds}s"


def parse_size(text: str) -> int:
    """Bytes in `text`: a number and one of B, kB, MB, GB, TB (decimal), KiB, MiB, GiB, TiB (binary)."""
    if not _SIZE.fullmatch(text):
        raise ValueError(SIZE_HELP)
    number, unit = text.rstrip("BkMGTKi").strip(), text.lstrip("0123456789. ")
    return round(float(number) * _BYTES[unit])


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads as the same number: 67108864 → `64MiB`."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def _number(value: Any) -> float | None:
    """The number that `value` is or spells; None where it is none. Negative, NaN and infinite are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _read_duration(value: Any) -> float:
    if isinstance(value, str) and _DURATION.fullmatch(value.strip()):
        return parse_duration(value.strip())
    seconds = _number(value)
    if seconds is None:
        raise PydanticCustomError("duration", DURATION_HELP)
    return seconds


def _read_size(value: Any) -> int:
    if isinstance(value, str) and _SIZE.fullmatch(value.strip()):
        return parse_size(value.strip())
    size = _number(value)
    if size is None or size != int(size):
        raise PydanticCustomError("size", SIZE_HELP)
    return int(size)


Duration = Annotated[
    float,
    BeforeValidator(_read_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}]}),
]
"""A span of time, in seconds; written `500ms`, `30s`, `5m`, `1h30m`, `7d`, or as a plain number of seconds."""

Size = Annotated[
    int,
    BeforeValidator(_read_size),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": 0}]}),
]
"""A number of bytes; written `512KiB`, `64MiB`, `1.5GB`, or as a plain number of bytes."""


def is_duration(metadata: Iterable[Any]) -> bool:
    """Whether this metadata of a field makes it a `Duration`."""
    return any(isinstance(entry, BeforeValidator) and entry.func is _read_duration for entry in metadata)


def is_size(metadata: Iterable[Any]) -> bool:
    """Whether this metadata of a field makes it a `Size`."""
    return any(isinstance(entry, BeforeValidator) and entry.func is _read_size for entry in metadata)
