"""Chunks: what one layout read in one window of time, as bytes.

A chunk holds for each field a matrix of rows (ports) by times. Whole numbers are laid down as differences along time,
modulo 2^64, so that idle counters are zeros; the differences are split into byte planes (the byte-stream split of
Parquet) and every plane is compressed on its own, so that the noise of low bytes does not spoil the order of high ones.
Floats that are decimals of few places are kept as whole numbers with a scale, other floats as the exclusive-or with the
value before (as Facebook's Gorilla does). What fits none of these (whole numbers and floats in one field) is kept as
MessagePack. Every form gives back exactly what went in, absent values and the difference of 25 and 25.0 included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from fenghuo.errors import Permanent
from fenghuo.model import Value
from fenghuo.wire.columns import WireColumn, unpack

VERSION = 1
LEVEL = 6
MAX_CHUNK = 2**28
"""Bytes of one field of one chunk once decompressed: more is damage."""
_MAX_SCALE = 4
_EXACT = float(2**53)

Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Kind(IntEnum):
    """What the words of a matrix are."""

    UNSIGNED = 0
    SIGNED = 1
    FLOAT = 2
    MIXED = 3


@dataclass(slots=True, eq=False)
class Matrix:
    """One field's values, rows by times. `words` are the values' 64 bits (for MIXED: the values themselves);
    `present` says which were read, None: all. Words of absent values mean nothing.
    """

    kind: Kind
    words: NDArray[Any]
    present: Mask | None

    def row(self, index: int) -> list[Value]:
        """One row's values in order of time."""
        words = self.words[index]
        values: list[Value]
        if self.kind is Kind.MIXED:
            values = list(words)
        elif self.kind is Kind.FLOAT:
            values = words.view(np.float64).tolist()
        elif self.kind is Kind.SIGNED:
            values = words.view(np.int64).tolist()
        else:
            values = words.tolist()
        if self.present is None:
            return values
        return [value if there else None for value, there in zip(values, self.present[index].tolist(), strict=True)]


class _Field(msgspec.Struct, array_like=True):
    """One field of a chunk. `kind` is a `Kind` or ABSENT; see `_encode_words` for the rest."""

    kind: int
    transform: int = 0
    scale: int = 0
    present: bytes = b""
    first: bytes = b""
    planes: list[bytes] = []


class _Chunk(msgspec.Struct, array_like=True):
    version: int
    height: int
    width: int
    times: _Field
    fields: list[_Field]


_ABSENT = 9
_PLAIN, _ZIGZAG, _XOR = 0, 1, 2
_DAMAGE = (msgspec.DecodeError, zstandard.ZstdError, ValueError, IndexError, TypeError, OverflowError, MemoryError)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Chunk)


# Matrices from what agents sent -------------------------------------------------------------------------------------


def matrix(columns: Sequence[WireColumn], height: int) -> Matrix:
    """One field's matrix from its packed column at each time."""
    words = np.zeros((len(columns), height), np.uint64)
    present: Mask | None = None
    signed = floats = whole = huge = False
    for index, column in enumerate(columns):
        if isinstance(column, bytes):
            planes = np.frombuffer(column, np.uint8).reshape(-1, height)
            words.view(np.uint8).reshape(len(columns), height, 8)[index, :, : len(planes)] = planes.T
            whole = True
            huge = huge or len(planes) == 8
            continue
        listed = column if isinstance(column, list) else [column]
        row: list[int] = []
        for value in listed:
            if isinstance(value, float):
                floats = True
            elif value is not None:
                whole = True
                signed = signed or value < 0
                huge = huge or value >= 2**63
            row.append(0 if value is None or isinstance(value, float) else value & 0xFFFF_FFFF_FFFF_FFFF)
        words[index] = row if len(row) > 1 else row[0]
        if floats:
            words[index] = _float_words(listed)
        if None in listed:
            present = np.ones(words.shape, np.bool_) if present is None else present
            present[index] = [value is not None for value in listed]
    if (floats and whole) or (signed and huge):
        return _mixed([unpack(column, height) for column in columns], height)
    kind = Kind.FLOAT if floats else Kind.SIGNED if signed else Kind.UNSIGNED
    return Matrix(kind, np.ascontiguousarray(words.T), None if present is None else np.ascontiguousarray(present.T))


def _float_words(listed: Sequence[Value]) -> Words:
    return np.array([value if isinstance(value, float) else 0.0 for value in listed], np.float64).view(np.uint64)


def _mixed(rows: Sequence[Sequence[Value]], height: int) -> Matrix:
    words = np.empty((height, len(rows)), object)
    for index, row in enumerate(rows):
        words[:, index] = list(row)
    present = np.array([value is not None for value in words.flat], np.bool_).reshape(words.shape)
    return Matrix(Kind.MIXED, words, None if present.all() else present)


def join(left: Matrix, right: Matrix) -> Matrix:
    """Both matrices' times, left's first. Kinds that differ give a MIXED one."""
    if left.kind is right.kind:
        words = np.concatenate([left.words, right.words], axis=1)
        if left.present is None and right.present is None:
            return Matrix(left.kind, words, None)
        parts = [
            np.ones(part.words.shape, np.bool_) if part.present is None else part.present for part in (left, right)
        ]
        return Matrix(left.kind, words, np.concatenate(parts, axis=1))
    rows = [[*left.row(index), *right.row(index)] for index in range(len(left.words))]
    return _narrow(_mixed(list(zip(*rows, strict=True)), len(left.words)))


def _narrow(mixed: Matrix) -> Matrix:
    """A MIXED matrix in the kind that holds it, where there is one."""
    values: list[Value] = [value for value in mixed.words.flat if value is not None]
    floats = sum(isinstance(value, float) for value in values)
    filled = [0 if value is None else value for value in mixed.words.flat]
    if values and floats == len(values):
        words = np.array([float(value) for value in filled], np.float64).view(np.uint64)
        return Matrix(Kind.FLOAT, words.reshape(mixed.words.shape), mixed.present)
    if floats:
        return mixed
    whole = [int(value) for value in filled]
    low, high = min(whole), max(whole)
    if low < 0 and high >= 2**63:
        return mixed
    kind = Kind.SIGNED if low < 0 else Kind.UNSIGNED
    words = np.array([value & 0xFFFF_FFFF_FFFF_FFFF for value in whole], np.uint64)
    return Matrix(kind, words.reshape(mixed.words.shape), mixed.present)


def take(source: Matrix, order: NDArray[np.intp]) -> Matrix:
    """The times at `order`."""
    return Matrix(source.kind, source.words[:, order], None if source.present is None else source.present[:, order])


# Bytes ---------------------------------------------------------------------------------------------------------------


def encode_chunk(times: NDArray[np.int64], matrices: Sequence[Matrix]) -> bytes:
    """The bytes of a chunk. `times` grow strictly; each matrix has as many columns."""
    clock = Matrix(Kind.SIGNED, times.reshape(1, -1).view(np.uint64), None)
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    height = len(matrices[0].words) if matrices else 0
    fields = [_encode_field(each, compressor) for each in matrices]
    return _encoder.encode(_Chunk(VERSION, height, len(times), _encode_field(clock, compressor), fields))


def _encode_field(source: Matrix, compressor: zstandard.ZstdCompressor) -> _Field:
    present = b""
    words = source.words
    if source.present is not None and not source.present.all():
        if not source.present.any():
            return _Field(_ABSENT)
        present = compressor.compress(np.packbits(source.present).tobytes())
    if source.kind is Kind.MIXED:
        values = _encoder.encode([value for row in words for value in row])
        return _Field(Kind.MIXED, present=present, planes=[compressor.compress(values)])
    if present and source.present is not None:
        words = _carry(words, source.present)
    scale, transform = 0, _PLAIN
    if source.kind is Kind.FLOAT:
        scale, words = _decimal(words)
        transform = _PLAIN if scale else _XOR
    steps: Words
    if transform == _XOR:
        steps = np.bitwise_xor(words[:, 1:], words[:, :-1])
    else:
        steps = np.subtract(words[:, 1:], words[:, :-1])
        if steps.size and bool((steps.view(np.int64) < 0).any()):
            transform = _ZIGZAG
            signed = steps.view(np.int64)
            steps = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    first = b"".join(_planes(words[:, :1]))
    return _Field(
        source.kind,
        transform,
        scale,
        present,
        compressor.compress(first),
        [compressor.compress(plane) for plane in _planes(steps)],
    )


def _carry(words: Words, present: Mask) -> Words:
    """The words with absent ones replaced by the value before them in their row, so that they cost nothing."""
    places = np.arange(words.shape[1], dtype=np.intp) * present.astype(np.intp)
    places = np.maximum.accumulate(places, axis=1)
    return np.take_along_axis(words, places, axis=1)


def _decimal(words: Words) -> tuple[int, Words]:
    """The smallest scale s (1 + places) and the whole numbers that give back exactly these floats; 0 where none does."""
    floats = words.view(np.float64)
    with np.errstate(all="ignore"):
        for places in range(_MAX_SCALE + 1):
            whole = np.rint(floats * 10.0**places)
            if not bool((np.abs(whole) < _EXACT).all()):
                return 0, words
            if bool(((whole / 10.0**places).view(np.uint64) == words).all()):
                return places + 1, whole.astype(np.int64).view(np.uint64)
    return 0, words


def _planes(words: Words) -> list[bytes]:
    """The words' byte planes, lowest first, without the high ones that are all zero."""
    if not words.size:
        return []
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    used = (int(words.max()).bit_length() + 7) // 8
    return [octets[:, plane].tobytes() for plane in range(used)]


@dataclass(slots=True)
class Chunk:
    """A chunk read back; its fields are decoded when asked for."""

    times: NDArray[np.int64]
    height: int
    _fields: list[_Field]

    def field(self, index: int) -> Matrix:
        """The field at `index` of the layout."""
        try:
            return _decode_field(self._fields[index], self.height, len(self.times))
        except _DAMAGE as error:
            raise Permanent(f"a damaged chunk: {error}") from error


def decode_chunk(data: bytes) -> Chunk:
    """A chunk from its bytes; `Permanent` where they are damaged."""
    try:
        body = _decoder.decode(data)
        if body.version != VERSION:
            raise Permanent(f"a chunk of format {body.version}, this Fenghuo knows {VERSION}")
        times = _decode_field(body.times, 1, body.width).words[0].view(np.int64)
    except _DAMAGE as error:
        raise Permanent(f"a damaged chunk: {error}") from error
    return Chunk(times, body.height, body.fields)


def _decode_field(source: _Field, height: int, width: int) -> Matrix:
    shape = (height, width)
    tool = zstandard.ZstdDecompressor()
    if source.kind == _ABSENT:
        return Matrix(Kind.UNSIGNED, np.zeros(shape, np.uint64), np.zeros(shape, np.bool_))
    present = _decode_present(_decompress(source.present, tool), shape) if source.present else None
    kind = Kind(source.kind)
    if kind is Kind.MIXED:
        words = np.empty(height * width, object)
        words[:] = msgspec.msgpack.decode(_decompress(source.planes[0], tool))
        return Matrix(kind, words.reshape(shape), present)
    words = np.empty(shape, np.uint64)
    words[:, :1] = _from_planes(_split(_decompress(source.first, tool), height), (height, 1))
    steps = _from_planes([_decompress(plane, tool) for plane in source.planes], (height, width - 1))
    if source.transform == _ZIGZAG:
        steps = (steps >> np.uint64(1)) ^ (~(steps & np.uint64(1)) + np.uint64(1))
    words[:, 1:] = steps
    if source.transform == _XOR:
        np.bitwise_xor.accumulate(words, axis=1, out=words)
    else:
        np.add.accumulate(words, axis=1, out=words)
    if source.scale:
        words = (words.view(np.int64) / 10.0 ** (source.scale - 1)).view(np.uint64)
    return Matrix(kind, words, present)


def _decode_present(packed: bytes, shape: tuple[int, int]) -> Mask:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1])
    return bits.astype(np.bool_).reshape(shape)


def _decompress(data: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    if zstandard.frame_content_size(data) > MAX_CHUNK:
        raise Permanent("a damaged chunk: too large a field")
    return decompressor.decompress(data)


def _split(data: bytes, height: int) -> list[bytes]:
    return [data[start : start + height] for start in range(0, len(data), height)]


def _from_planes(planes: Sequence[bytes], shape: tuple[int, int]) -> Words:
    octets = np.zeros((shape[0] * shape[1], 8), np.uint8)
    for index, plane in enumerate(planes):
        octets[:, index] = np.frombuffer(plane, np.uint8)
    return octets.view("<u8").astype(np.uint64, copy=False).reshape(shape)
