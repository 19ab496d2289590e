"""Keeping a log readable: the same complaint at most once in a while."""

from __future__ import annotations

from collections.abc import Hashable

from fenghuo.clock import Clock

_KEYS = 10_000


class RateLimit:
    """Allows each key once in `each` seconds."""

    def __init__(self, clock: Clock, each: float) -> None:
        self._clock = clock
        self._each = each
        self._last: dict[Hashable, float] = {}

    def allows(self, key: Hashable) -> bool:
        now = self._clock.monotonic()
        last = self._last.get(key)
        if last is not None and now - last < self._each:
            return False
        if len(self._last) >= _KEYS:
            self._last.clear()
        self._last[key] = now
        return True
