"""What arrived of each stream of each agent's spool: in order or not, once or twice, and what never will.

Numbers of a stream run from 1 without gaps (docs/reference/wire.md). A number is *held* from the moment its batch is
accepted, *committed* once every required sink has it, *missing* while later ones are here and it is not, and *lost*
once the agent says (`oldest`) that it no longer has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from fenghuo.model import AgentId
from fenghuo.wire import Frame, Stream
from fenghuo_collector.ingest.ranges import Ranges
from fenghuo_collector.ingest.state import StreamState

_REFUSALS = 256
_LOST_SPANS = 64


class Sight(Enum):
    """What a header's number says of its batch."""

    NEW = auto()
    HELD = auto()
    """Accepted before, not yet committed."""
    COMMITTED = auto()
    REFUSED = auto()
    """Refused before; `refusals` says why."""
    SCATTERED = auto()
    """Not taken: the stream already has too many gaps; the agent sends it again."""


@dataclass(slots=True)
class Losses:
    """What one header revealed to be lost: batches that will never come, and items the agent gave up for want of room."""

    batches: int = 0
    dropped: int = 0


@dataclass(slots=True, eq=False)
class StreamAccount:
    """The account of one stream of one spool. `limit` bounds the spans remembered.

    With `shared`, other collectors take batches of the same stream: a gap here says nothing, and only what the agent
    itself says it dropped is a loss.
    """

    agent: AgentId
    spool: str
    stream: Stream
    limit: int = 1024
    shared: bool = False
    held: Ranges = field(default_factory=Ranges)
    """Numbers accepted, committed or not, and those refused."""
    committed: Ranges = field(default_factory=Ranges)
    refusals: dict[int, str] = field(default_factory=dict[int, str])
    """The latest numbers refused, and why."""
    floor: int = 0
    """Up to here the agent holds nothing any more."""
    gone: Ranges = field(default_factory=Ranges)
    """The latest numbers counted as lost, in case one comes yet."""
    lost: int = 0
    dropped: int = 0
    refused: int = 0
    batches: int = 0
    items: int = 0
    size: int = 0
    duplicates: int = 0
    contact: int = 0
    lag: float | None = None
    begun: bool = False

    def see(self, header: Frame) -> tuple[Sight, Losses]:
        """Note a header; says what its batch is and what it revealed to be lost."""
        number = header.sequence
        if not self.begun:
            self._begin(min(header.oldest, header.sequence))
        sight = self._sight(number)
        if sight is Sight.NEW:
            if number in self.gone:  # it comes after all
                self.gone.discard(number)
                self.lost -= 1
            self.held.add(number)
        elif sight is not Sight.SCATTERED:
            self.duplicates += 1
        return sight, self._learn(header.oldest, header.dropped)

    def hear(self, oldest: int, dropped: int) -> Losses:
        """Note what the agent's status says of the stream; what it revealed to be lost."""
        if not self.begun:
            self._begin(oldest)
        return self._learn(oldest, dropped)

    def _learn(self, oldest: int, dropped: int) -> Losses:
        losses = Losses()
        if oldest - 1 > self.floor:
            if not self.shared:
                losses.batches = self._close(self.floor + 1, oldest - 1)
            self.floor = oldest - 1
        if dropped > self.dropped:
            losses.dropped = dropped - self.dropped
            self.dropped = dropped
        return losses

    def _close(self, first: int, last: int) -> int:
        """What is not held from `first` to `last` is lost; says how many batches that are."""
        gaps = self.held.gaps(first, last)
        for low, high in gaps:
            self.gone.add_span(low, high)
        self.gone.trim(_LOST_SPANS)
        lost = sum(high - low + 1 for low, high in gaps)
        self.lost += lost
        return lost

    def _begin(self, oldest: int) -> None:
        """First contact: what the agent no longer has then was before our time."""
        self.begun = True
        self.floor = oldest - 1
        if self.floor:
            self.held.add_span(1, self.floor)
            self.committed.add_span(1, self.floor)

    def _sight(self, number: int) -> Sight:
        if number in self.committed:
            return Sight.COMMITTED
        if number in self.refusals:
            return Sight.REFUSED
        if number in self.held:
            return Sight.HELD
        if len(self.held) >= self.limit and not self.held.touches(number):
            self.held.fold(self.limit // 4, self.floor)
            if len(self.held) >= self.limit:
                return Sight.SCATTERED
        return Sight.NEW

    def commit(self, number: int) -> None:
        self.committed.add(number)
        if len(self.committed) > self.limit:
            self.committed.fold(self.limit // 4, self.floor)

    def refuse(self, number: int, reason: str) -> None:
        """The batch is malformed for good: done with, and the agent counts it lost."""
        self.refused += 1
        self.held.add(number)
        self.refusals[number] = reason
        while len(self.refusals) > _REFUSALS:
            del self.refusals[next(iter(self.refusals))]

    def forget(self, number: int) -> None:
        """The batch was accepted but is no longer held: when it comes again, it is new."""
        if number not in self.committed and number not in self.refusals:
            self.held.discard(number)

    @property
    def missing(self) -> int:
        """How many numbers are not here though later ones are, and may still come."""
        return 0 if self.shared else self.held.missing(self.floor + 1, self.held.highest)

    def state(self) -> StreamState:
        return StreamState(
            agent=str(self.agent),
            spool=self.spool,
            stream=self.stream,
            committed=self.committed.spans(),
            floor=self.floor,
            gone=self.gone.spans(),
            lost=self.lost,
            dropped=self.dropped,
            refused=self.refused,
            refusals=dict(self.refusals),
            batches=self.batches,
            items=self.items,
            size=self.size,
            duplicates=self.duplicates,
            contact=self.contact,
        )

    @classmethod
    def restore(cls, state: StreamState, *, limit: int = 1024, shared: bool = False) -> StreamAccount:
        """The account as it was when its state was saved; what was held and not committed comes again."""
        return cls(
            AgentId.parse(state.agent),
            state.spool,
            Stream(state.stream),
            limit=limit,
            shared=shared,
            held=Ranges([*state.committed, *((number, number) for number in state.refusals)]),
            committed=Ranges(state.committed),
            refusals=dict(state.refusals),
            floor=state.floor,
            gone=Ranges(state.gone),
            lost=state.lost,
            dropped=state.dropped,
            refused=state.refused,
            batches=state.batches,
            items=state.items,
            size=state.size,
            duplicates=state.duplicates,
            contact=state.contact,
            begun=True,
        )


class SkewMeter:
    """How far an agent's clock stands from ours, in milliseconds, positive where the agent's is ahead.

    Each message gives received − sent = delay − skew. The delay varies and is never negative, so the least of a window
    is nearest to the truth (the minimum filter of NTP, RFC 5905 section 10); windows are smoothed into one another.
    """

    WINDOW = 60_000
    WEIGHT = 0.3

    def __init__(self) -> None:
        self._least: int | None = None
        self._until = 0
        self._smoothed: float | None = None

    def note(self, sent: int, received: int) -> None:
        """A message sent at `sent` by the agent's clock came at `received` by ours (Unix milliseconds)."""
        difference = received - sent
        if received >= self._until:
            self._close()
            self._least, self._until = difference, received + self.WINDOW
        elif self._least is None or difference < self._least:
            self._least = difference

    def _close(self) -> None:
        if self._least is None:
            return
        if self._smoothed is None:
            self._smoothed = float(self._least)
        else:
            self._smoothed += self.WEIGHT * (self._least - self._smoothed)

    @property
    def skew(self) -> float | None:
        """Milliseconds; None before the first message."""
        if self._least is None:
            return None
        if self._smoothed is None:
            return -float(self._least)
        return -(self._smoothed + self.WEIGHT * (self._least - self._smoothed))
