"""How often a rule may tell: gaps between the tellings of one group, so many a minute for all of them.

What is not told is not lost: it is counted, and its events go into the next telling.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MINUTE_MS = 60_000
MAX_MINUTES = 8
"""So many minutes are counted apart, for steps do not always come in order."""
MAX_WITHHELD_EVENTS = 20
"""So many events of a group are remembered that were never told: the newest."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """The time between two tellings, in milliseconds. With `up_to` it doubles with each, up to that; after as long a quiet it falls back."""

    every: int
    up_to: int | None = None

    def after(self, gap: int | None) -> int:
        """The gap that follows on a gap; None: on nothing."""
        if gap is None or self.up_to is None:
            return self.every
        return min(2 * gap, max(self.every, self.up_to))


@dataclass(slots=True)
class Gate:
    """What is kept of a group between two tellings.

    `until`     no telling before; `gap`: how long that was from the last
    `active`    when it was last on, or resolved
    `withheld`  tellings held back since the last; `events`, `seen`: the events behind those of its earlier lives
    """

    until: int = 0
    gap: int | None = None
    active: int = 0
    withheld: int = 0
    events: list[str] = field(default_factory=list[str])
    seen: int = 0


class Gates:
    """The gates of a rule's groups, by fingerprint; at most `most`. `withheld` counts the tellings held back."""

    def __init__(self, spacing: Spacing | None, a_minute: int, most: int) -> None:
        self._spacing = spacing
        self._a_minute = a_minute
        self._most = most
        self._gates: OrderedDict[str, Gate] = OrderedDict()
        self._told: dict[int, int] = {}
        self.withheld = 0

    def closed_until(self, fingerprint: str, time: int) -> int | None:
        """None where a group may be told of at `time`; otherwise when it may be."""
        gate = self._gates.get(fingerprint) if self._gates else None
        # What was told with a time far ahead, by a wrong clock, silences nothing of now.
        if gate is not None and gate.until - 2 * (gate.gap or 0) <= time < gate.until:
            return gate.until
        minute = time // MINUTE_MS
        while self._told.get(minute, 0) >= self._a_minute:
            minute += 1
        return None if minute == time // MINUTE_MS else minute * MINUTE_MS

    def tell(self, fingerprint: str, time: int) -> Gate | None:
        """Note that a group is told of; what was withheld of it until now."""
        self._count(time)
        gate = self._gates.pop(fingerprint, None) if self._gates else None
        if self._spacing is None:
            return gate
        up_to = self._spacing.up_to
        is_fresh = gate is None or (up_to is not None and time - gate.active >= up_to)
        gap = self._spacing.after(None if gate is None or is_fresh else gate.gap)
        self._keep(fingerprint, Gate(until=time + gap, gap=gap, active=time))
        return gate

    def _count(self, time: int) -> None:
        minute = time // MINUTE_MS
        if minute not in self._told and len(self._told) >= MAX_MINUTES:
            del self._told[next(iter(self._told))]
        self._told[minute] = self._told.get(minute, 0) + 1

    def withhold(self, fingerprint: str, time: int) -> None:
        """Note that a group is not told of."""
        self.withheld += 1
        gate = self._touch(fingerprint)
        gate.withheld += 1
        gate.active = max(gate.active, time)

    def end(self, fingerprint: str, time: int) -> Gate | None:
        """Note that a group is resolved, and that this is told; what was withheld of it until now."""
        gate = self._gates.get(fingerprint)
        if gate is None:
            return None
        if self._spacing is None:
            return self._gates.pop(fingerprint)
        self._gates[fingerprint] = Gate(gate.until, gate.gap, time)
        return gate

    def end_untold(self, fingerprint: str, time: int, events: Sequence[str], seen: int) -> None:
        """Note that a group is resolved of which nothing was told, with its events."""
        gate = self._touch(fingerprint)
        gate.active = max(gate.active, time)
        gate.events = [*gate.events, *events][-MAX_WITHHELD_EVENTS:]
        gate.seen += seen

    def _touch(self, fingerprint: str) -> Gate:
        gate = self._gates.get(fingerprint)
        if gate is None:
            gate = Gate()
            self._keep(fingerprint, gate)
        else:
            self._gates.move_to_end(fingerprint)
        return gate

    def _keep(self, fingerprint: str, gate: Gate) -> None:
        """Keep a gate; too many of them: the one not touched for longest goes."""
        if len(self._gates) >= self._most:
            self._gates.popitem(last=False)
        self._gates[fingerprint] = gate

    # State

    def all(self) -> Iterator[tuple[str, Gate]]:
        """The gates by fingerprint, the one not touched for longest first."""
        return iter(self._gates.items())

    def restore(self, fingerprint: str, gate: Gate) -> None:
        """Put a gate back."""
        self._keep(fingerprint, gate)
