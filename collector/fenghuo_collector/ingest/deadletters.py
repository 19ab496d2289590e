"""Items that a sink, or ingest itself, refused for good: kept for a person to look at, and counted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from fenghuo.model import AgentId, Event, Table
from fenghuo.wire import Stream


@dataclass(frozen=True, slots=True, eq=False)
class DeadLetter:
    """One refused item. `index` counts within its batch; `received` is Unix milliseconds; `item` is None where it could
    not even be decoded.
    """

    sink: str
    agent: AgentId
    stream: Stream
    sequence: int
    index: int
    received: int
    reason: str
    item: Table | Event | None


class DeadLetters(Protocol):
    """Takes refused items. `put` does not wait and does not raise."""

    def put(self, letter: DeadLetter) -> None: ...


class RecentDeadLetters:
    """The latest dead letters, in memory."""

    def __init__(self, keep: int = 1000) -> None:
        self.letters: deque[DeadLetter] = deque(maxlen=keep)
        self.count = 0
        """All there ever were."""

    def put(self, letter: DeadLetter) -> None:
        self.letters.append(letter)
        self.count += 1
