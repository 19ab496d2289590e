"""What waits for the disk, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fenghuo.wire import Span, Stream
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool.batch import EVICTION, Entry
from fenghuo_agent.spool.store import Deletions, Lost, NewBatch, add_lost

MAX_SPANS = 4096
"""Deletions kept per stream while the disk takes none; those beyond are asked for again when batches come again."""


@dataclass(slots=True, eq=False)
class Group:
    """Entries given to the spool in one call: `done` once each of them is durable or counted as lost."""

    left: int
    done: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Waiting:
    """One entry on its way to the disk. `body` is compressed once `packed`."""

    stream: Stream
    count: int
    created: int
    body: bytes
    group: Group
    packed: bool = False

    def batch(self) -> NewBatch:
        return NewBatch(self.stream, self.count, self.created, self.body)


@dataclass(slots=True)
class Work:
    """What the writer takes from the inbox to do in one transaction if it can."""

    items: list[Waiting] = field(default_factory=list[Waiting])
    groups: list[Group] = field(default_factory=list[Group])
    state: dict[str, bytes] = field(default_factory=dict[str, bytes])
    deletions: Deletions = field(default_factory=Deletions)
    lost: dict[Stream, Lost] = field(default_factory=dict[Stream, Lost])

    def __bool__(self) -> bool:
        return bool(self.items or self.groups or self.state or self.deletions or self.lost)


class Inbox:
    """Not locked: its user holds a lock. `bound` is in bytes of bodies, those being written included.

    What is being written cannot be given up any more. So that it does not push out what is more urgent, a stream is
    measured by itself and the more urgent ones: in all, at most `bound` waits beside what is being written.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: dict[Stream, deque[Waiting]] = {stream: deque() for stream in DATA_STREAMS}
        self._held = Counter[Stream]()
        self._work = Work()

    @property
    def bytes(self) -> int:
        """Bytes of bodies held, those being written included."""
        return sum(self._held.values())

    def put(self, entries: Sequence[Entry], state: Mapping[str, bytes], created: int, group: Group) -> None:
        """Take entries. `drop_excess` is to be called afterwards."""
        for entry in entries:
            self._items[entry.stream].append(Waiting(entry.stream, entry.count, created, entry.body, group))
            self._held[entry.stream] += len(entry.body)
        self._work.state.update(state)
        self._work.groups.append(group)

    def drop_excess(self) -> dict[Stream, Lost]:
        """Give up what does not fit, the least urgent and oldest first; it is counted on disk by the next transaction."""
        dropped: dict[Stream, Lost] = {}
        excess = self.bytes - self._bound
        for stream in EVICTION:
            items = self._items[stream]
            while excess > 0 and items:
                item = items.popleft()
                self.release(item, len(item.body))
                excess -= len(item.body)
                item.group.left -= 1
                add_lost(dropped, {stream: Lost(1, item.count)})
            # What is left of this stream is being written: it is no reason to give up anything more urgent.
            excess -= self._held[stream] if excess > 0 else 0
        add_lost(self._work.lost, dropped)
        return dropped

    def release(self, item: Waiting, size: int) -> None:
        """So many bytes of an item are not held any more: it is written, given up, or was compressed."""
        self._held[item.stream] -= size

    def delete(self, stream: Stream, spans: Sequence[Span]) -> None:
        known = self._work.deletions.spans.setdefault(stream, [])
        known.extend(spans[: MAX_SPANS - len(known)])

    def refuse(self, stream: Stream, sequence: int) -> None:
        known = self._work.deletions.refused.setdefault(stream, set())
        if len(known) < MAX_SPANS:
            known.add(sequence)

    def forget_deletions(self) -> None:
        self._work.deletions = Deletions()

    def __bool__(self) -> bool:
        return bool(self._work) or any(self._items.values())

    def take(self) -> Work:
        """Everything that waits, most urgent first and in order within each stream."""
        work, self._work = self._work, Work()
        for items in self._items.values():
            work.items.extend(items)
            items.clear()
        return work

    def give_back(self, work: Work) -> None:
        """What could not be written waits again, before what has come since."""
        for item in reversed(work.items):
            self._items[item.stream].appendleft(item)
        newer, self._work = self._work, work
        work.items = []
        work.groups.extend(newer.groups)
        work.state.update(newer.state)
        for stream, spans in newer.deletions.spans.items():
            self.delete(stream, spans)
        for stream, sequences in newer.deletions.refused.items():
            for sequence in sequences:
                self.refuse(stream, sequence)
        add_lost(work.lost, newer.lost)
