"""Time-ordered identifiers: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

Entropy = Callable[[int], bytes]


def uuid7(now_ms: int, entropy: Entropy = os.urandom) -> str:
    """A UUIDv7 for the moment `now_ms` (Unix milliseconds), in its canonical text form.

    Ids of different milliseconds sort by time; ids of the same millisecond sort at random.
    """
    random = int.from_bytes(entropy(10))
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (random >> 62 & 0xFFF) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | random & 0x3FFF_FFFF_FFFF_FFFF))


def uuid7_time(text: str) -> int:
    """The Unix milliseconds inside a UUIDv7."""
    return uuid.UUID(text).int >> 80
