"""What waits for one sink: batches by urgency, bounded in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from fenghuo.wire import Stream
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.config import DeliveryConfig
from fenghuo_collector.sinks.base import Batch

_RANK = {stream: rank for rank, stream in enumerate(DATA_STREAMS)}
_DOCUMENTS = tuple(stream for stream in DATA_STREAMS if not stream.holds_tables)
_TABLES = tuple(stream for stream in DATA_STREAMS if stream.holds_tables)


@dataclass(slots=True, eq=False)
class Parcel:
    """One batch on its way to the sinks. `owing` are the required sinks that have not stored it yet, by name; `waiting`
    are the sinks, required or not, in whose queue it is. Without any of these the batch itself is let go (None).
    """

    account: StreamAccount
    number: int
    stream: Stream
    batch: Batch | None
    owing: set[str]
    size: int
    count: int
    waiting: set[str] = field(default_factory=set[str])


class SinkQueue:
    """A sink's queue. Urgent streams go first; other documents and readings take turns, so that neither
    starves the other. A full queue of a required sink takes in only what is more urgent than what it gives up, so that
    agents slow down to the sink's pace; that of another sink takes in what is as urgent, too.
    """

    def __init__(self, name: str, config: DeliveryConfig, *, required: bool = False) -> None:
        self.name = name
        self._config = config
        self._required = required
        self._lanes: dict[Stream, deque[tuple[Parcel, float]]] = {stream: deque() for stream in DATA_STREAMS}
        self._documents_next = True
        self.bytes = 0
        """Of what waits and of what is taken and not done with."""

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def has(self, stream: Stream) -> bool:
        return bool(self._lanes[stream])

    @property
    def oldest(self) -> float:
        """When the batch that waits longest came (monotonic seconds); there must be one."""
        return min(lane[0][1] for lane in self._lanes.values() if lane)

    @property
    def plenty(self) -> bool:
        """Whether there is enough for a full write."""
        return self.bytes >= self._config.group_bytes or len(self) >= self._config.group_batches

    def put(self, parcel: Parcel, now: float, *, evict: bool) -> list[Parcel]:
        """Queue a parcel; returns what found no room: with `evict` the oldest of the least urgent, else the parcel."""
        size = parcel.size
        shed: list[Parcel] = []
        while self.bytes and self.bytes + size > self._config.queue:
            victim = self._evict(parcel.stream) if evict else None
            if victim is None:
                return [*shed, parcel]
            shed.append(victim)
        self._lanes[parcel.stream].append((parcel, now))
        parcel.waiting.add(self.name)
        self.bytes += size
        return shed

    def _evict(self, stream: Stream) -> Parcel | None:
        """The oldest parcel of the least urgent stream that may make room for one of `stream`."""
        for lane in reversed(DATA_STREAMS[_RANK[stream] + self._required :]):
            if self._lanes[lane]:
                parcel, _ = self._lanes[lane].popleft()
                self.done([parcel])
                return parcel
        return None

    def take(self) -> list[Parcel]:
        """The next group for one write, in order, of one kind: all documents or all readings."""
        documents_first = self._documents_next or self.has(Stream.ALERTS)
        kinds = (_DOCUMENTS, _TABLES) if documents_first else (_TABLES, _DOCUMENTS)
        group = self._group(kinds[0]) or self._group(kinds[1])
        if group:
            self._documents_next = group[0].stream.holds_tables
        return group

    def _group(self, streams: Sequence[Stream]) -> list[Parcel]:
        group: list[Parcel] = []
        size = items = 0
        for stream in streams:
            lane = self._lanes[stream]
            while lane:
                parcel = lane[0][0]
                size += parcel.size
                items += parcel.count
                if group and self._exceeds(len(group) + 1, size, items):
                    return group
                group.append(lane.popleft()[0])
        return group

    def _exceeds(self, batches: int, size: int, items: int) -> bool:
        config = self._config
        return batches > config.group_batches or size > config.group_bytes or items > config.group_items

    def done(self, parcels: Sequence[Parcel]) -> None:
        """These are stored, dead or shed: they take no room any more."""
        for parcel in parcels:
            parcel.waiting.discard(self.name)
            self.bytes -= parcel.size
            if not parcel.waiting:
                parcel.batch = None
