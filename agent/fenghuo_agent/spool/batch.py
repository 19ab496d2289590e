"""What goes into the spool, what comes out, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from fenghuo.wire import Stream
from fenghuo.wire.topic import DATA_STREAMS

EVICTION = tuple(reversed(DATA_STREAMS))
"""Who goes first when room is wanted: backfill, metrics, assets, events; alerts last."""

_PAGE = 4096
_MAX_LOCAL = _PAGE - 35
_MIN_LOCAL = (_PAGE - 12) * 32 // 255 - 23
_OVERFLOW = _PAGE - 4
_ROW = 32


def footprint(size: int) -> int:
    """Bytes of the spool's file that a body of `size` bytes takes, with its row and its overflow pages.

    SQLite file format, section 1.6: what exceeds a page's share goes to pages of its own.
    """
    payload = size + _ROW
    if payload <= _MAX_LOCAL:
        return payload
    local = _MIN_LOCAL + (payload - _MIN_LOCAL) % _OVERFLOW
    if local > _MAX_LOCAL:
        local = _MIN_LOCAL
    return local + _PAGE * -(-(payload - local) // _OVERFLOW)


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch for the spool. `body` is not yet compressed; `count` is its items (values, or documents)."""

    stream: Stream
    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """A batch as the spool holds it. `created` is Unix milliseconds; `body` is compressed, as frames carry it."""

    stream: Stream
    sequence: int
    count: int
    created: int
    body: bytes


@dataclass(slots=True)
class StreamDepth:
    """What the spool holds of one stream, and what it lost of it since the spool was made.

    `last`     the highest number given so far, 0 before the first
    `oldest`   the lowest number still held; `last + 1` where none is
    `created`  when the oldest held batch was made, Unix milliseconds; None where none is held
    `bytes`    what its batches take on disk
    """

    last: int = 0
    oldest: int = 1
    created: int | None = None
    batches: int = 0
    items: int = 0
    bytes: int = 0
    dropped_batches: int = 0
    dropped_items: int = 0
    refused_batches: int = 0
    refused_items: int = 0
