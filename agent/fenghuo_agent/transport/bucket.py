"""A rate limit in bytes per second."""

from __future__ import annotations


class Bucket:
    """A token bucket that may go into debt for one message, so that a message larger than the bucket passes too."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until something may be taken; 0 when at once."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._tokens > 0 else (1 - self._tokens) / self._rate

    def take(self, size: int) -> None:
        self._tokens -= size
