"""What is known of each indicator, packed into large blocks: some 5 bytes and its value, and what else is known of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from fenghuo.rules.indicators.values import Type

_BLOCK_BITS = 20
_BLOCK = 1 << _BLOCK_BITS
_HEAD = struct.Struct("<BHH")
_CONFIDENCE, _SINCE, _UNTIL, _TEXT, _PORT = 4, 8, 16, 32, 64
"""Bits of a record's first byte that say what follows the value; the lowest two are the type."""
_MAX_BLOCKS = 1 << (32 - _BLOCK_BITS)
MAX_TEXT = 400
_INTERNED = 20_000


class Blocks:
    """Appended bytes that never move: pages of 1 MiB asked of the system, which gets them back when the last record is let go."""

    __slots__ = ("_blocks", "_end")

    def __init__(self) -> None:
        self._blocks: list[mmap] = []
        self._end = _BLOCK

    @property
    def size(self) -> int:
        """Bytes up to the end of the last record; also the place of the next one, or a place before it in the same gap."""
        return ((len(self._blocks) - 1) << _BLOCK_BITS) + self._end if self._blocks else 0

    def append(self, data: bytes) -> int:
        """Where it begins. `data` is smaller than a block; OverflowError where the store is full."""
        if self._end + len(data) > _BLOCK:
            if len(self._blocks) >= _MAX_BLOCKS:
                raise OverflowError("the store of indicators is full")
            self._blocks.append(mmap(-1, _BLOCK))
            self._end = 0
        place = ((len(self._blocks) - 1) << _BLOCK_BITS) | self._end
        end = self._end + len(data)
        self._blocks[-1][self._end : end] = data
        self._end = end
        return place

    def at(self, place: int) -> tuple[mmap, int]:
        """The block and the offset in it."""
        return self._blocks[place >> _BLOCK_BITS], place & (_BLOCK - 1)

    def walk(self, start: int, end: int) -> Iterator[Record]:
        """The records between two places."""
        place = start
        while place < end:
            block, offset = self.at(place)
            # A record never has a length of nothing: zeros are the gap before the next block.
            if offset + _HEAD.size > _BLOCK or block[offset + 3 : offset + 5] == b"\0\0":
                place = ((place >> _BLOCK_BITS) + 1) << _BLOCK_BITS
                continue
            record, after = unpack(block, offset)
            yield record
            place += after - offset


@dataclass(slots=True)
class Record:
    """One indicator of one list. `since`, `until`: Unix seconds; `text`: the place of its description."""

    type: Type
    list: int
    value: bytes
    confidence: int | None = None
    since: int | None = None
    until: int | None = None
    text: int | None = None
    port: int | None = None


def pack(record: Record) -> bytes:
    flags = int(record.type)
    tail = b""
    if record.confidence is not None:
        flags |= _CONFIDENCE
        tail += bytes((record.confidence,))
    if record.since is not None:
        flags |= _SINCE
        tail += record.since.to_bytes(4, "little")
    if record.until is not None:
        flags |= _UNTIL
        tail += record.until.to_bytes(4, "little")
    if record.text is not None:
        flags |= _TEXT
        tail += record.text.to_bytes(4, "little")
    if record.port is not None:
        flags |= _PORT
        tail += record.port.to_bytes(2, "little")
    return _HEAD.pack(flags, record.list, len(record.value)) + record.value + tail


def value_at(block: mmap, offset: int) -> bytes:
    """Only the value of the record that begins there."""
    start = offset + _HEAD.size
    return block[start : start + (block[offset + 3] | block[offset + 4] << 8)]


def unpack(block: mmap, offset: int) -> tuple[Record, int]:
    """The record that begins there, and where the next one begins."""
    flags, list_, length = _HEAD.unpack_from(block, offset)
    at = offset + _HEAD.size + length
    record = Record(Type(flags & 3), list_, block[at - length : at])
    if flags & _CONFIDENCE:
        record.confidence, at = block[at], at + 1
    if flags & _SINCE:
        record.since, at = int.from_bytes(block[at : at + 4], "little"), at + 4
    if flags & _UNTIL:
        record.until, at = int.from_bytes(block[at : at + 4], "little"), at + 4
    if flags & _TEXT:
        record.text, at = int.from_bytes(block[at : at + 4], "little"), at + 4
    if flags & _PORT:
        record.port, at = int.from_bytes(block[at : at + 2], "little"), at + 2
    return record, at


class Texts:
    """Descriptions: repeated ones are kept once (of the last 20,000), and no more than `most` bytes of them."""

    __slots__ = ("_blocks", "_known", "_most", "left_out")

    def __init__(self, most: int) -> None:
        self._blocks = Blocks()
        self._known: dict[str, int] = {}
        self._most = most
        self.left_out = 0

    @property
    def size(self) -> int:
        return self._blocks.size

    def add(self, text: str) -> int | None:
        """Its place; None where there is no room for it."""
        text = text[:MAX_TEXT]
        place = self._known.get(text)
        if place is None:
            data = text.encode("utf-8", "replace")
            if self._blocks.size + len(data) > self._most:
                self.left_out += 1
                return None
            place = self._blocks.append(len(data).to_bytes(2, "little") + data)
            if len(self._known) >= _INTERNED:
                self._known.clear()
            self._known[text] = place
        return place

    def get(self, place: int) -> str:
        block, offset = self._blocks.at(place)
        length = int.from_bytes(block[offset : offset + 2], "little")
        return block[offset + 2 : offset + 2 + length].decode("utf-8", "replace")

    def finish(self) -> None:
        """Nothing more comes: forget what only `add` needs."""
        self._known = {}
