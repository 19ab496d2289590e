"""Who may send how much: token buckets by device, decided by the sender's address alone, before a datagram is decoded."""

from __future__ import annotations

from collections.abc import Callable

DEVICE, TOTAL, STRANGERS, DUPLICATE = "device_rate", "total_rate", "strangers_rate", "duplicate"
_STRANGERS_SECONDS = 5.0


class Bucket:
    """Tokens that come back at `rate` a second, up to `burst`."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        tokens = self._tokens + (now - self._at) * self._rate
        self._at = now
        tokens = min(tokens, self._burst)
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True

    def is_full(self, now: float) -> bool:
        """Whether it was not used for so long that forgetting it changes nothing."""
        return self._tokens + (now - self._at) * self._rate >= self._burst


class Admission:
    """A bucket for each device that was ever believed, one for all strangers, and one over all.

    A device that floods empties its own; forged senders, however many, share the strangers'. Only a notification that was
    believed makes a stranger a device, so nobody fills the table from outside without a community or key.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        device: tuple[float, float],
        total: tuple[float, float],
        strangers: float,
        max_devices: int,
    ) -> None:
        start = now()
        self._now = now
        self._device = device
        self._total = Bucket(*total, start)
        self._strangers = Bucket(strangers, max(1.0, strangers * _STRANGERS_SECONDS), start)
        self._max = max_devices
        self._devices: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def knows(self, host: str) -> bool:
        """Whether something of this host was believed before."""
        return host in self._devices

    def refuse(self, host: str) -> str:
        """Why a datagram of this host is shed; empty where it is let in."""
        now = self._now()
        bucket = self._devices.get(host)
        if bucket is None:
            if not self._strangers.take(now):
                return STRANGERS
        elif not bucket.take(now):
            return DEVICE
        return "" if self._total.take(now) else TOTAL

    def believe(self, host: str) -> None:
        """Give a host a bucket of its own, from which one token is gone already."""
        if host in self._devices:
            return
        now = self._now()
        if len(self._devices) >= self._max:
            oldest, bucket = next(iter(self._devices.items()))
            del self._devices[oldest]
            if not bucket.is_full(now):
                self._devices[oldest] = bucket
                return
        fresh = self._devices[host] = Bucket(*self._device, now)
        fresh.take(now)
