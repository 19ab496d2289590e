"""A counter as a rate: what it grew by, per second; where it fell it was reset, and nothing is said."""

from __future__ import annotations

from typing import Any


class CounterRate:
    """The change per second of a counter that only grows. A fall is a restart of the counter: no rate is taken across it."""

    __slots__ = ("_time", "_value")

    def __init__(self) -> None:
        self._time = 0
        self._value: float | None = None

    def see(self, time: int, value: float | None) -> float | None:
        """`time` in milliseconds. None where no rate can be told."""
        before, since = self._value, time - self._time
        if value is None or (before is not None and since <= 0):
            return None
        self._time, self._value = time, value
        if before is None or value < before:
            return None
        return (value - before) * 1000 / since

    def save(self) -> list[Any]:
        return [self._time, self._value]

    def load(self, saved: Any) -> None:
        time, value = saved
        self._time, self._value = int(time), None if value is None else float(value)
