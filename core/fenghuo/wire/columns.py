"""Columns as bytes: whole-number columns by byte plane, everything else as a plain MessagePack array.

Counters of neighbouring ports differ in their low bytes and agree in the high ones. Laying the first bytes of all
rows side by side, then the second ones, and so on (the byte-stream split of Parquet and Blosc's shuffle) lets zstd
see that: a 48-port switch under traffic costs 2.3 bytes a value instead of 2.6.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from fenghuo.errors import WireError
from fenghuo.model import Value

WireColumn = int | float | None | list[int | float | None] | bytes
"""One value that all rows share; or a value a row; or the byte planes of unsigned whole numbers, lowest first."""

_SWAP = sys.byteorder == "big"


def pack(column: Sequence[Value]) -> WireColumn:
    """The shortest form of one column."""
    first = column[0]
    if column.count(first) == len(column) and first == first:  # noqa: PLR0124 — NaN is never equal to itself
        return first
    try:
        words = array("Q", column)  # type: ignore[arg-type] — what is no unsigned whole number raises
    except (TypeError, OverflowError):
        return list(column)
    if _SWAP:
        words.byteswap()
    data = words.tobytes()
    return b"".join([data[plane::8] for plane in range((max(column).bit_length() + 7) // 8)])  # type: ignore[union-attr, type-var]


def unpack(packed: WireColumn, height: int) -> Sequence[Value]:
    """The column of `height` values that `pack` was given; `WireError` where the sizes do not fit."""
    if isinstance(packed, bytes):
        planes, rest = divmod(len(packed), height)
        if rest or not 1 <= planes <= 8:
            raise WireError("column", f"{len(packed)} bytes are no byte planes of {height} values")
        data = bytearray(8 * height)
        for plane in range(planes):
            data[plane::8] = packed[plane * height : (plane + 1) * height]
        words = array("Q", bytes(data))
        if _SWAP:
            words.byteswap()
        return words
    if isinstance(packed, list):
        if len(packed) != height:
            raise WireError("column", f"a column of {len(packed)} values in a table of {height} rows")
        return packed
    return [packed] * height
