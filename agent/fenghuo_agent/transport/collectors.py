"""Which runs of the collector answer, and which have ended."""

from __future__ import annotations

_MOST = 64


class Collectors:
    """A run that is not heard of after a new one appeared counts as ended: what only it held is sent again.

    `grace` is the seconds that an earlier run has to speak up: several may share the agents' streams.
    """

    def __init__(self, grace: float) -> None:
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
        """The runs that were not heard since a new one appeared; answered once for each new one."""
        if self._newest is None or now < self._newest + self._grace:
            return []
        silent = [collector for collector, at in self._heard.items() if at < self._newest]
        self._newest = None
        return silent
