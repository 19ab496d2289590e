"""Which runs of the collector answer, and which have ended."""

from __future__ import annotations

GRACE = 3.0
"""Seconds that an earlier run has to speak up after a new one was heard: several may share the agents' streams."""
_MOST = 64


class Collectors:
    """A run that is not heard of after a new one appeared counts as ended: what only it held is sent again."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._heard: dict[str, float] = {}
        self._newest: float | None = None

    def heard(self, collector: str, now: float) -> bool:
        """Note an answer; whether it is the first of this run."""
        new = collector not in self._heard
        self._heard[collector] = now
        if new:
            self._newest = now
            while len(self._heard) > _MOST:
                del self._heard[min(self._heard, key=self._heard.__getitem__)]
        return new

    def ended(self, now: float) -> list[str]:
        """The runs that fell silent when a newer one appeared; each is named once."""
        if self._newest is None or now < self._newest + self._grace:
            return []
        silent = [collector for collector, at in self._heard.items() if at < self._newest]
        for collector in silent:
            del self._heard[collector]
        self._newest = None
        return silent
