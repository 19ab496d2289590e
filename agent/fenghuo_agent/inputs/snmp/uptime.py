"""Telling a restart from the clock's wrap: sysUpTime counts hundredths in 32 bits, 497 days (RFC 3418)."""

from __future__ import annotations

TICKS = 100
WRAP = 1 << 32
SLACK = 30.0
DRIFT = 0.02


class Uptime:
    """A device's sysUpTime as last seen. Seconds are those of a monotonic clock."""

    __slots__ = ("_seen", "_ticks")

    def __init__(self) -> None:
        self._ticks: int | None = None
        self._seen = 0.0

    def restarted(self, ticks: int, now: float) -> bool:
        """Whether the device restarted between the last look and this one; False at the first.

        It ran on where sysUpTime grew as time went by, or fell short of that by an exact wrap: a value that is lower
        is a wrap only if the old one, carried on, would have wrapped to about this one. It restarted, too, where the
        value grew much less than time did (it was down, and is up for longer than before).
        """
        before, elapsed = self._ticks, now - self._seen
        self._ticks, self._seen = ticks, now
        if before is None:
            return False
        expected = before + elapsed * TICKS
        slack = (SLACK + elapsed * DRIFT) * TICKS
        if ticks >= before:
            return ticks < expected - slack
        return not (expected + slack >= WRAP and abs(expected - WRAP - ticks) <= slack)
