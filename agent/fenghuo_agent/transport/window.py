"""What of one stream is on its way: sent, received by the collector, to be sent again. No I/O; time is passed in.

A batch goes through *flying* (sent, nothing heard) and *held* (the collector has it in memory) and is gone once
committed. Batches are first sent in the order of their numbers; `again` holds those that must be sent once more.

Silence is told from loss by a probe: when the oldest flying batch is overdue only that one is sent again, later each
time; once the collector answers, what else is overdue follows at once. So a collector that is away costs one batch per
wait, and one that lost a few batches gets them after one answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fenghuo.wire import Span

MAX_HELD = 4096
"""Batches received and not committed at which a stream waits, so that a stalled store does not fill our memory."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds until a batch counts as overdue, at first and at most; and until a held one does."""

    ack: float
    ack_longest: float
    commit: float


@dataclass(slots=True)
class Flight:
    """A batch sent at `at` (monotonic seconds) and not heard of since."""

    size: int
    at: float


@dataclass(slots=True)
class Hold:
    """A batch that the collector's run `collector` said at `at` it has."""

    collector: str
    at: float


class _Probe:
    """When to send the oldest overdue batch again while nothing is heard."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._wait = first
        self._since: float | None = None

    def due(self, oldest: float) -> float:
        """When the next probe is due, the oldest batch having been sent at `oldest`."""
        return (oldest if self._since is None else self._since) + self._wait

    @property
    def silent(self) -> bool:
        """Whether a probe is out and was not answered."""
        return self._since is not None

    def sent(self, now: float) -> None:
        self._since = now
        self._wait = min(self._wait * 2, self._longest)

    def answered(self) -> None:
        self._since = None
        self._wait = self._first


class Window:
    """One stream's window of at most `limit` flying batches."""

    def __init__(self, limit: int, waits: Waits) -> None:
        self._limit = limit
        self._waits = waits
        self._flying: dict[int, Flight] = {}
        self._held: dict[int, Hold] = {}
        self._again: set[int] = set()
        self._ack_probe = _Probe(waits.ack, waits.ack_longest)
        self._commit_probe = _Probe(waits.commit, waits.commit * 8)
        self.cursor = 0
        """The highest number sent for the first time."""
        self.bytes = 0
        """Bytes flying."""

    def start(self, oldest: int) -> None:
        """Forget everything: nothing was sent yet of a spool whose oldest batch is `oldest`."""
        self.__init__(self._limit, self._waits)
        self.cursor = oldest - 1

    @property
    def flying(self) -> int:
        return len(self._flying)

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def again(self) -> int:
        return len(self._again)

    @property
    def room(self) -> int:
        """How many batches may be sent now."""
        return min(self._limit, MAX_HELD - len(self._held)) - len(self._flying)

    def next_again(self, count: int) -> list[int]:
        """The lowest numbers that must be sent again."""
        return sorted(self._again)[:count]

    def sent(self, sequence: int, size: int, now: float) -> None:
        self._drop_flight(sequence)
        self._held.pop(sequence, None)
        self._again.discard(sequence)
        self._flying[sequence] = Flight(size, now)
        self.bytes += size
        self.cursor = max(self.cursor, sequence)

    def gone(self, sequences: Iterable[int]) -> None:
        """Batches that the spool holds no longer."""
        for sequence in sequences:
            self._drop_flight(sequence)
            self._held.pop(sequence, None)
            self._again.discard(sequence)

    def gone_below(self, oldest: int) -> None:
        """The spool holds nothing below `oldest`."""
        for known in (self._flying, self._held, self._again):
            self.gone([sequence for sequence in known if sequence < oldest])

    def _drop_flight(self, sequence: int) -> None:
        flight = self._flying.pop(sequence, None)
        if flight:
            self.bytes -= flight.size

    def received(self, spans: Sequence[Span], collector: str, now: float) -> int:
        """The collector's run has these; how many of them that was news of."""
        found = _within(spans, self._flying, self._again)
        for sequence in found:
            self._drop_flight(sequence)
            self._again.discard(sequence)
            self._held[sequence] = Hold(collector, now)
        self._answered(now)
        return len(found)

    def committed(self, spans: Sequence[Span], now: float) -> int:
        """These are stored: forget them; how many of them were known here."""
        found = _within(spans, self._flying, self._held, self._again)
        self.gone(found)
        if found:
            self._commit_probe.answered()
            overdue = now - self._waits.commit
            self._again.update(sequence for sequence, hold in self._held.items() if hold.at < overdue)
        self._answered(now)
        return len(found)

    def _answered(self, now: float) -> None:
        was_silent = self._ack_probe.silent
        self._ack_probe.answered()
        if was_silent:
            overdue = now - self._waits.ack
            self._fly_again([sequence for sequence, flight in self._flying.items() if flight.at <= overdue])

    def _fly_again(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            self._drop_flight(sequence)
            self._again.add(sequence)

    def left(self, collectors: Iterable[str]) -> int:
        """These runs of the collector ended: what only they had in memory must be sent again; how much that is."""
        ended = set(collectors)
        lost = [sequence for sequence, hold in self._held.items() if hold.collector in ended]
        for sequence in lost:
            del self._held[sequence]
            self._again.add(sequence)
        return len(lost)

    def reconnected(self) -> None:
        """The broker's connection is new: what was flying may never have arrived."""
        self._fly_again(list(self._flying))
        self._ack_probe.answered()

    def unheard(self, sequence: int) -> None:
        """The broker had nobody to give it to."""
        if sequence in self._flying:
            self._fly_again([sequence])

    def check(self, now: float) -> int:
        """Mark what is overdue; how many batches are to be sent again because of that."""
        marked = 0
        if self._flying:
            oldest = min(flight.at for flight in self._flying.values())
            if now >= self._ack_probe.due(oldest):
                overdue = max(now - self._waits.ack, oldest)
                self._fly_again([min(number for number, flight in self._flying.items() if flight.at <= overdue)])
                self._ack_probe.sent(now)
                marked += 1
        if self._held:
            sequence, hold = min(self._held.items(), key=_age)
            if now >= self._commit_probe.due(hold.at):
                self._again.add(sequence)
                self._commit_probe.sent(now)
                marked += 1
        return marked


def _age(item: tuple[int, Hold]) -> tuple[float, int]:
    """Oldest first, the lower number first among equals."""
    return item[1].at, item[0]


def _within(spans: Sequence[Span], *known: Collection[int]) -> set[int]:
    """The numbers of any of `known` that lie in a span; a span may be as wide as it likes."""
    found: set[int] = set()
    for numbers in known:
        for first, last in ((span.first, span.last) for span in spans):
            if last - first < len(numbers):
                found.update(number for number in range(first, last + 1) if number in numbers)
            else:
                found.update(number for number in numbers if first <= number <= last)
    return found
