"""What a feed is.

A feed tells people and other systems of alerts. It is handed every alert step in the order of the journal, and its
place in the journal moves on only when it says that a step is delivered: a feed that was down catches up, at least once
and in order. Each feed is a package of the same files: `config.py`, `feed.py`, `sample.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fenghuo.model import AgentId, Alert


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alert's life as the journal holds it: `number` grows by one a step; `key` is the event's id."""

    number: int
    key: str
    agent: AgentId
    alert: Alert


class Feed(Protocol):
    """One configured receiver."""

    @property
    def name(self) -> str:
        """Short and unique; a metric label and the name of its place in the journal."""
        ...

    async def deliver(self, steps: Sequence[Step]) -> None:
        """Tell of these steps, oldest first. Raises `Retryable` (they come again) or `Permanent` (dead-lettered)."""
        ...

    async def refresh(self, firing: Sequence[Step]) -> None:
        """Called now and then with all that fires, for receivers that forget (Alertmanager); may do nothing."""
        ...

    async def close(self) -> None: ...
