"""Bodies: what a batch holds, as MessagePack.

Tables travel as `[layout, time, ended, columns]`; the layout's MessagePack is made once per source and copied into each
batch, and the collector looks its bytes up in a cache, so that labels cost neither side anything at each poll.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import msgspec

from fenghuo.errors import WireError
from fenghuo.model import Event, Layout, Table
from fenghuo.wire.columns import WireColumn, pack, unpack
from fenghuo.wire.unreadable import UNREADABLE

MAX_TABLES = 20_000
MAX_ROWS = 20_000
MAX_FIELDS = 500
MAX_DOCUMENTS = 50_000
MAX_VALUES = 4_000_000
"""Values of one body once unpacked: a column that all rows share is one byte on the wire."""
MAX_LABELS = 64
_MAX_KEY = 200
_MAX_VALUE = 4_096

_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_KEY, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
_LabelValue = Annotated[str, msgspec.Meta(max_length=_MAX_VALUE)]
_Labels = Annotated[dict[_Key, _LabelValue], msgspec.Meta(max_length=MAX_LABELS)]
_RowValues = Annotated[list[_LabelValue], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class _WireLayout(msgspec.Struct, array_like=True, frozen=True):
    name: _Key
    labels: _Labels
    row_labels: Annotated[dict[_Key, _RowValues], msgspec.Meta(max_length=MAX_LABELS)]
    fields: Annotated[list[_Key], msgspec.Meta(min_length=1, max_length=MAX_FIELDS)]
    counters: dict[_Key, int]


class WireTable(msgspec.Struct, array_like=True):
    """A table on the wire; `layout` is the MessagePack of a layout, a good cache key."""

    layout: msgspec.Raw
    time: int
    ended: bool
    columns: Annotated[list[WireColumn], msgspec.Meta(max_length=MAX_FIELDS)]


class WireDocument(msgspec.Struct, array_like=True):
    """An event or alert on the wire."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    time: int
    document: dict[str, Any]


Items = list[Table] | list[Event]
_encode = msgspec.msgpack.Encoder().encode
_tables = msgspec.msgpack.Decoder(Annotated[list[WireTable], msgspec.Meta(max_length=MAX_TABLES)])
_documents = msgspec.msgpack.Decoder(Annotated[list[WireDocument], msgspec.Meta(max_length=MAX_DOCUMENTS)])
_layout = msgspec.msgpack.Decoder(_WireLayout)
_packed: WeakKeyDictionary[Layout, msgspec.Raw] = WeakKeyDictionary()


def encode_layout(layout: Layout) -> msgspec.Raw:
    """The MessagePack of a layout, made once for each."""
    raw = _packed.get(layout)
    if raw is None:
        raw = msgspec.Raw(
            _encode(
                _WireLayout(
                    layout.name,
                    dict(layout.labels),
                    {key: list(values) for key, values in layout.row_labels.items()},
                    list(layout.fields),
                    dict(layout.counters),
                )
            )
        )
        _packed[layout] = raw
    return raw


def encode_tables(tables: Iterable[Table]) -> bytes:
    """The uncompressed body of a metrics batch. A table of no rows has nothing to say and is left out."""
    return _encode(
        [
            WireTable(
                encode_layout(table.layout),
                table.time,
                table.ended,
                [] if table.ended else [pack(column) for column in table.columns],
            )
            for table in tables
            if table.layout.height
        ]
    )


def encode_events(events: Iterable[Event]) -> bytes:
    """The uncompressed body of a batch of events, alerts or assets."""
    return _encode([WireDocument(event.id, event.time, event.document) for event in events])


def decode_layout(raw: bytes) -> Layout:
    """A layout from its MessagePack; `WireError` where it is none."""
    try:
        wire = _layout.decode(raw)
    except UNREADABLE as error:
        raise WireError("layout", f"a table whose layout is none: {error}") from None
    if len({len(values) for values in wire.row_labels.values()}) > 1:
        raise WireError("layout", f"table {wire.name}: row labels of unequal number")
    if len(set(wire.fields)) != len(wire.fields):
        raise WireError("layout", f"table {wire.name}: a field stands twice")
    return Layout(wire.name, wire.labels, wire.row_labels, tuple(wire.fields), wire.counters)


LayoutLookup = Callable[[bytes], Layout]


def decode_tables(body: bytes, layout_of: LayoutLookup = decode_layout) -> list[Table]:
    """The tables of a metrics batch. `layout_of` may cache; it gets the layout's own bytes."""
    try:
        wire_tables = _tables.decode(body)
    except UNREADABLE as error:
        raise WireError("body", f"a body that holds no tables: {error}") from None
    tables: list[Table] = []
    room = MAX_VALUES
    for wire in wire_tables:
        layout = layout_of(bytes(wire.layout))
        room -= layout.height * len(layout.fields)
        if room < 0:
            raise WireError("too_large", f"a body of more than {MAX_VALUES} values")
        tables.append(_table(wire, layout))
    return tables


def _table(wire: WireTable, layout: Layout) -> Table:
    if wire.ended:
        return Table(layout, wire.time, (), ended=True)
    if len(wire.columns) != len(layout.fields):
        raise WireError("column", f"table {layout.name}: {len(wire.columns)} columns for {len(layout.fields)} fields")
    height = layout.height
    return Table(layout, wire.time, [unpack(column, height) for column in wire.columns])


def decode_events(body: bytes) -> list[Event]:
    """The documents of a batch of events, alerts or assets."""
    try:
        documents = _documents.decode(body)
    except UNREADABLE as error:
        raise WireError("body", f"a body that holds no documents: {error}") from None
    return [Event(document.id, document.time, document.document) for document in documents]


def decode_items(body: bytes, *, tables: bool) -> Items:
    """What a batch holds: tables for the metrics streams, documents for the others."""
    return decode_tables(body) if tables else decode_events(body)


def count_items(items: Sequence[Table] | Sequence[Event]) -> int:
    """Values for tables, otherwise documents: what a frame's `count` says."""
    return sum(item.size if isinstance(item, Table) else 1 for item in items)
