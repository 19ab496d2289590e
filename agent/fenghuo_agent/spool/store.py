"""What the spool does to its file, one transaction at a time: number, keep, evict, forget, count.

Used by one thread. The tallies in memory always say what the last committed transaction left.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fenghuo.wire import Span, Stream
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool.batch import EVICTION, SpooledBatch, StreamDepth, footprint
from fenghuo_agent.spool.database import STREAM_NUMBERS, STREAM_SHIFT

_LIMIT = 1 << STREAM_SHIFT
_EVICT_STEP = 64

Depths = Mapping[Stream, StreamDepth]


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be numbered and kept; `body` is compressed, `created` Unix milliseconds."""

    stream: Stream
    count: int
    created: int
    body: bytes


@dataclass(slots=True)
class Deletions:
    """What need not be kept any longer: delivered, or refused by the collector for good."""

    spans: dict[Stream, list[Span]] = field(default_factory=dict[Stream, list[Span]])
    refused: dict[Stream, set[int]] = field(default_factory=dict[Stream, set[int]])

    def __bool__(self) -> bool:
        return bool(self.spans or self.refused)


@dataclass(slots=True)
class Lost:
    """Batches and items of one stream that are gone for want of room."""

    batches: int = 0
    items: int = 0


def add_lost(total: dict[Stream, Lost], more: Mapping[Stream, Lost]) -> None:
    """Add losses up, by stream."""
    for stream, amount in more.items():
        known = total.setdefault(stream, Lost())
        known.batches += amount.batches
        known.items += amount.items


def key(stream: Stream, sequence: int) -> int:
    """The row id of a batch; a sequence beyond what ids can hold stands for the highest."""
    return STREAM_NUMBERS[stream] << STREAM_SHIFT | min(max(sequence, 0), _LIMIT - 1)


class Store:
    """The tables behind an open connection. `cap` bounds the bytes of all bodies on disk."""

    def __init__(self, connection: sqlite3.Connection, cap: int, backfill_after: float) -> None:
        self._connection = connection
        self._cap = cap
        self._backfill_after_ms = round(backfill_after * 1000)
        self._diverting = False
        self._touched: set[Stream] = set()
        self.spool_id = str(connection.execute("SELECT value FROM meta WHERE key = 'spool'").fetchone()[0])
        self._depths = {stream: self._read_depth(stream) for stream in DATA_STREAMS}
        self.depths: Depths = self._snapshot()

    def _read_depth(self, stream: Stream) -> StreamDepth:
        row = self._connection.execute(
            "SELECT last, dropped_batches, dropped_items, refused_batches, refused_items FROM stream WHERE number = ?",
            (STREAM_NUMBERS[stream],),
        ).fetchone()
        depth = StreamDepth(last=row[0])
        depth.dropped_batches, depth.dropped_items, depth.refused_batches, depth.refused_items = row[1:]
        depth.batches, depth.items, depth.bytes = self._connection.execute(
            "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(bytes), 0) FROM batch WHERE id BETWEEN ? AND ?",
            (key(stream, 0), key(stream, _LIMIT)),
        ).fetchone()
        self._find_oldest(stream, depth)
        return depth

    def _find_oldest(self, stream: Stream, depth: StreamDepth) -> None:
        row = self._connection.execute(
            "SELECT id, created FROM batch WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1",
            (key(stream, 0), key(stream, _LIMIT)),
        ).fetchone()
        depth.oldest, depth.created = (row[0] & (_LIMIT - 1), row[1]) if row else (depth.last + 1, None)

    def _snapshot(self) -> Depths:
        return {stream: dataclasses.replace(depth) for stream, depth in self._depths.items()}

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All that is done inside becomes durable together, or none of it; the tallies follow."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            for stream in self._touched:
                self._save_depth(stream)
            self._connection.execute("COMMIT")
        except BaseException:
            self._touched.clear()
            self._depths = {stream: dataclasses.replace(depth) for stream, depth in self.depths.items()}
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._touched.clear()
        self.depths = self._snapshot()

    def _save_depth(self, stream: Stream) -> None:
        depth = self._depths[stream]
        self._find_oldest(stream, depth)
        self._connection.execute(
            "UPDATE stream SET last = ?, dropped_batches = ?, dropped_items = ?, refused_batches = ?, refused_items = ?"
            " WHERE number = ?",
            (
                depth.last,
                depth.dropped_batches,
                depth.dropped_items,
                depth.refused_batches,
                depth.refused_items,
                STREAM_NUMBERS[stream],
            ),
        )

    def insert(self, batch: NewBatch, now_ms: int) -> tuple[Stream, int]:
        """Number a batch and keep it; the stream that it went to (metrics may go to backfill) and its number."""
        stream = self._divert(batch.stream, now_ms)
        depth = self._depths[stream]
        size = footprint(len(batch.body))
        self._connection.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?)",
            (key(stream, depth.last + 1), batch.count, batch.created, size, batch.body),
        )
        depth.last += 1
        if depth.created is None:
            depth.oldest, depth.created = depth.last, batch.created
        depth.batches += 1
        depth.items += batch.count
        depth.bytes += size
        self._touched.add(stream)
        return stream, depth.last

    def _divert(self, stream: Stream, now_ms: int) -> Stream:
        """Metrics go to backfill from the moment that undelivered ones are old until none is left undelivered."""
        if stream != Stream.METRICS:
            return stream
        metrics = self._depths[Stream.METRICS]
        if not metrics.batches or metrics.created is None:
            self._diverting = False
        elif now_ms - metrics.created > self._backfill_after_ms:
            self._diverting = True
        return Stream.BACKFILL if self._diverting else Stream.METRICS

    def evict(self, spared: Mapping[Stream, int]) -> dict[Stream, Lost]:
        """Give up what does not fit under the cap, the least urgent and oldest first; what was given up.

        Within a stream, numbers up to `spared` go last: they are on their way, and may well have arrived.
        """
        lost: dict[Stream, Lost] = {}
        excess = sum(depth.bytes for depth in self._depths.values()) - self._cap
        for stream in EVICTION:
            while excess > 0 and self._depths[stream].batches:
                gone, freed = self._evict_some(stream, excess, spared.get(stream, 0))
                excess -= freed
                add_lost(lost, {stream: gone})
                self.count_lost(stream, gone)
        return lost

    def _evict_some(self, stream: Stream, excess: int, spared: int) -> tuple[Lost, int]:
        first = key(stream, spared + 1)
        query = "SELECT id, count, bytes FROM batch WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        rows = self._connection.execute(query, (first, key(stream, _LIMIT), _EVICT_STEP)).fetchall()
        if not rows:
            first = key(stream, 0)
            rows = self._connection.execute(query, (first, key(stream, _LIMIT), _EVICT_STEP)).fetchall()
        freed = last = 0
        gone = Lost()
        for row_id, count, size in rows:
            last = row_id
            freed += size
            gone.batches += 1
            gone.items += count
            if freed >= excess:
                break
        self._connection.execute("DELETE FROM batch WHERE id BETWEEN ? AND ?", (first, last))
        self._forget(stream, gone.batches, gone.items, freed)
        return gone, freed

    def _forget(self, stream: Stream, batches: int, items: int, size: int) -> None:
        depth = self._depths[stream]
        depth.batches -= batches
        depth.items -= items
        depth.bytes -= size
        self._touched.add(stream)
        if stream == Stream.METRICS:
            self._find_oldest(stream, depth)

    def count_lost(self, stream: Stream, lost: Lost) -> None:
        """Count what is gone for want of room, on disk or in memory before it got there."""
        depth = self._depths[stream]
        depth.dropped_batches += lost.batches
        depth.dropped_items += lost.items
        self._touched.add(stream)

    def delete(self, deletions: Deletions) -> None:
        """Forget delivered batches; forget and count refused ones."""
        for stream, spans in deletions.spans.items():
            for span in spans:
                self._delete(stream, span.first, span.last)
        for stream, sequences in deletions.refused.items():
            depth = self._depths[stream]
            for sequence in sequences:
                gone = self._delete(stream, sequence, sequence)
                depth.refused_batches += gone.batches
                depth.refused_items += gone.items

    def _delete(self, stream: Stream, first: int, last: int) -> Lost:
        rows = self._connection.execute(
            "DELETE FROM batch WHERE id BETWEEN ? AND ? RETURNING count, bytes",
            (key(stream, max(first, 1)), key(stream, last)),
        ).fetchall()
        gone = Lost(len(rows), sum(row[0] for row in rows))
        if rows:
            self._forget(stream, gone.batches, gone.items, sum(row[1] for row in rows))
        return gone

    def save_state(self, state: Mapping[str, bytes]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(state.items()))

    def shrink(self, reserve: int, pages: int) -> bool:
        """Give up to `pages` free pages beyond the reserve back to the disk; whether there are more."""
        page = self._connection.execute("PRAGMA page_size").fetchone()[0]
        spare = self._connection.execute("PRAGMA freelist_count").fetchone()[0] - reserve // page
        if spare <= 0:
            return False
        self._connection.executescript(f"PRAGMA incremental_vacuum({min(spare, pages)})")
        return spare > pages

    def close(self) -> None:
        self._connection.close()


def read_after(
    connection: sqlite3.Connection, stream: Stream, after: int, limit: int, max_bytes: int
) -> list[SpooledBatch]:
    """The batches of a stream that follow number `after`: at most `limit`, and `max_bytes` or one larger batch."""
    cursor = connection.execute(
        "SELECT id, count, created, body FROM batch WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (key(stream, after + 1), key(stream, _LIMIT), limit),
    )
    found: list[SpooledBatch] = []
    room = max_bytes
    for row_id, count, created, body in cursor:
        room -= len(body)
        if found and room < 0:
            break
        found.append(SpooledBatch(stream, row_id & (_LIMIT - 1), count, created, body))
    cursor.close()
    return found


def read_these(connection: sqlite3.Connection, stream: Stream, sequences: Sequence[int]) -> list[SpooledBatch]:
    """Those of the numbered batches that are still held, in the order asked for."""
    found: list[SpooledBatch] = []
    for sequence in sequences:
        row = connection.execute(
            "SELECT count, created, body FROM batch WHERE id = ?", (key(stream, sequence),)
        ).fetchone()
        if row:
            found.append(SpooledBatch(stream, sequence, *row))
    return found
