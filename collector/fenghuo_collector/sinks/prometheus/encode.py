"""Tables → the protobuf of remote write 1.0, at a fraction of a microsecond a value.

    message WriteRequest { repeated TimeSeries timeseries = 1; }
    message TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    message Label        { string name = 1; string value = 2; }
    message Sample       { double value = 1; int64 timestamp = 2; }

(https://prometheus.io/docs/specs/prw/remote_write_spec/). Labels hardly ever change, so the bytes of each row's labels
are made once per agent and layout; a field adds only its `__name__`. All samples of a `Block` are laid out in one numpy
array of 18-byte records, and the rest is `bytes.join`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from fenghuo.model import AgentId, Layout, Table, Value

NAME = "__name__"
STALE = 0x7FF0_0000_0000_0002
"""The NaN that ends a series."""
QUIET = 0x7FF8_0000_0000_0001
"""The NaN that is a value."""
FIRST_TIME = 2**35
END_TIME = 2**42
"""Unix milliseconds from 1971 to 2109: those whose varint takes six bytes."""

_SAMPLE = np.dtype([("head", "V3"), ("value", "<f8"), ("time", "V7")])
_HEAD = b"\x12\x10\x09"  # field 2 of TimeSeries, 16 bytes; field 1 of Sample, a double
_HEADS = tuple(b"\x0a" + bytes([n]) for n in range(128)) + tuple(
    b"\x0a" + bytes([n & 127 | 128, n >> 7]) for n in range(128, 16384)
)
"""Tag and length of a TimeSeries by its length."""

Floats = npt.NDArray[np.float64]


def varint(number: int) -> bytes:
    """Protobuf's base-128 number, lowest group first."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag << 3 | 2]) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    """One label as a field of a TimeSeries."""
    return _field(1, _field(1, name.encode("utf-8", "replace")) + _field(2, value.encode("utf-8", "replace")))


def _series_head(length: int) -> bytes:
    return _HEADS[length] if length < len(_HEADS) else b"\x0a" + varint(length)


class Labels:
    """The label bytes of every row of one agent's layout: those that sort before `__name__`, and those after it."""

    def __init__(self, agent: AgentId, layout: Layout) -> None:
        own = {"site": agent.site.path, "agent": agent.name}
        rows = [_sorted(row | own) for row in map(dict, layout.rows)]
        self.before = [b"".join(label(key, value) for key, value in row if key < NAME) for row in rows]
        self.after = [b"".join(label(key, value) for key, value in row if key > NAME) for row in rows]
        self.lengths = [len(before) + len(after) for before, after in zip(self.before, self.after, strict=True)]
        self.names = [label(NAME, field) for field in layout.fields]
        self.plain = not any(self.before)
        self._heads: dict[int, list[bytes]] = {}

    def heads(self, rest: int) -> list[bytes]:
        """Each row's TimeSeries tag and length where name and samples take `rest` bytes."""
        heads = self._heads.get(rest)
        if heads is None:
            if len(self._heads) > 64:
                self._heads.clear()
            heads = self._heads[rest] = [_series_head(length + rest) for length in self.lengths]
        return heads


def _sorted(row: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((key, value) for key, value in row.items() if value and key != NAME)


class LabelCache:
    """`Labels` by agent and layout, for as long as the layout is in use elsewhere."""

    def __init__(self) -> None:
        self._labels: WeakKeyDictionary[Layout, dict[AgentId, Labels]] = WeakKeyDictionary()

    def of(self, agent: AgentId, layout: Layout) -> Labels:
        per_agent = self._labels.get(layout)
        if per_agent is None:
            per_agent = self._labels[layout] = {}
        labels = per_agent.get(agent)
        if labels is None:
            labels = per_agent[agent] = Labels(agent, layout)
        return labels

    def __len__(self) -> int:
        return len(self._labels)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """All tables of one agent and layout in a write, by time; `indices` are their places among the write's items."""

    labels: Labels
    layout: Layout
    tables: Sequence[Table]
    indices: Sequence[int]


@dataclass(frozen=True, eq=False)
class Block:
    """A rectangle of a group: some of its tables, fields and rows, each range half open."""

    group: Group
    tables: tuple[int, int]
    fields: tuple[int, int]
    rows: tuple[int, int]

    @cached_property
    def size(self) -> int:
        """Samples, absent ones included."""
        return _width(self.tables) * _width(self.fields) * _width(self.rows)

    def halves(self, *, below_table: bool) -> tuple[Block, Block] | None:
        """Cut in two: by time first, then (where allowed) by field, then by row; None where it cannot be cut."""
        for name in ("tables", "fields", "rows") if below_table else ("tables",):
            start, end = getattr(self, name)
            if end - start > 1:
                middle = (start + end) // 2
                return self._with(name, (start, middle)), self._with(name, (middle, end))
        return None

    def _with(self, name: str, span: tuple[int, int]) -> Block:
        ranges = {"tables": self.tables, "fields": self.fields, "rows": self.rows, name: span}
        return Block(self.group, ranges["tables"], ranges["fields"], ranges["rows"])


def _width(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def whole(group: Group) -> Block:
    return Block(group, (0, len(group.tables)), (0, len(group.layout.fields)), (0, group.layout.height))


def encode_block(block: Block) -> tuple[list[bytes], int]:
    """The block's TimeSeries as pieces to join, and how many samples they hold."""
    tables = block.group.tables[slice(*block.tables)]
    values, absent = _values(block, tables)
    samples = np.empty(values.shape, _SAMPLE)
    samples["head"] = np.void(_HEAD)
    samples["value"] = values
    times = b"".join(b"\x10" + varint(table.time) for table in tables)
    samples["time"] = np.frombuffer(times, "V7")
    pieces: list[bytes] = []
    for index, name in enumerate(block.group.labels.names[slice(*block.fields)]):
        if absent is None or not absent[index].any():
            pieces += _full_rows(block, name, samples[index], None)
        else:
            gaps = absent[index]
            pieces += _full_rows(block, name, samples[index], ~gaps.any(axis=1))
            pieces += _partial_rows(block, name, samples[index], gaps)
    return pieces, values.size - (int(absent.sum()) if absent is not None else 0)


def _full_rows(
    block: Block, name: bytes, samples: npt.NDArray[np.void], chosen: npt.NDArray[np.bool_] | None
) -> Iterable[bytes]:
    """The series of those rows of one field that have a sample of every table; None: of all rows."""
    labels, span = block.group.labels, slice(*block.rows)
    width = samples.shape[1] * _SAMPLE.itemsize
    parts: list[list[bytes]] = [labels.heads(len(name) + width)[span], labels.after[span]]
    if not labels.plain:
        parts.insert(1, labels.before[span])
    if chosen is not None:
        flags = chosen.tolist()
        parts = [list(compress(part, flags)) for part in parts]
        samples = samples[chosen]
    parts.insert(len(parts) - 1, [name] * len(samples))
    if len(samples):
        parts.append(samples.reshape(-1).view(f"V{width}").tolist())
    return chain.from_iterable(zip(*parts, strict=True))


def _partial_rows(
    block: Block, name: bytes, samples: npt.NDArray[np.void], absent: npt.NDArray[np.bool_]
) -> Iterator[bytes]:
    """The series of those rows of one field that have samples of some tables and lack others."""
    labels = block.group.labels
    for row in np.flatnonzero(absent.any(axis=1) & ~absent.all(axis=1)).tolist():
        present: list[bytes] = samples[row][~absent[row]].view(f"V{_SAMPLE.itemsize}").tolist()
        place = block.rows[0] + row
        length = labels.lengths[place] + len(name) + len(present) * _SAMPLE.itemsize
        yield from (_series_head(length), labels.before[place], name, labels.after[place], *present)


def _values(block: Block, tables: Sequence[Table]) -> tuple[Floats, npt.NDArray[np.bool_] | None]:
    """The values as (field, row, table) and which of them are absent, if any."""
    values = np.empty((_width(block.fields), _width(block.rows), len(tables)), np.float64)
    bits = values.view(np.uint64)
    rows = slice(*block.rows)
    for position, table in enumerate(tables):
        if table.ended:
            bits[:, :, position] = STALE
            continue
        for index, column in enumerate(table.columns[slice(*block.fields)]):
            values[index, :, position] = np.asarray(column[rows], np.float64)
    nan = np.isnan(values)
    if not nan.any():
        return values, None
    return values, _absent(block, tables, nan, bits)


def _absent(
    block: Block, tables: Sequence[Table], nan: npt.NDArray[np.bool_], bits: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_] | None:
    """Tell values that were not read from values that are NaN; the latter get the bits that mean just that."""
    absent = np.zeros(nan.shape, np.bool_)
    for position, table in enumerate(tables):
        if table.ended:
            continue
        for index, row in np.argwhere(nan[:, :, position]).tolist():
            value: Value = table.columns[block.fields[0] + index][block.rows[0] + row]
            if value is None:
                absent[index, row, position] = True
            else:
                bits[index, row, position] = QUIET
    return absent if absent.any() else None
