"""Bodies of documents: each one decoded and judged by itself, so that a bad one costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, cast

import msgspec

from fenghuo.errors import Rejection, WireError
from fenghuo.model import Document, Event
from fenghuo.wire.body import MAX_DOCUMENTS

MAX_DEPTH = 16
"""Levels of a document; Elasticsearch takes 20 and sinks may wrap it."""
MAX_KEY = 256
MAX_TIME = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that ISO 8601 writes with four digits."""
_NODE_BYTES = 90
"""What a value inside a document takes in memory, about."""


class _Document(msgspec.Struct, array_like=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    time: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME)]
    document: dict[str, Any]


_split = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_DOCUMENTS)])
_decoder = msgspec.msgpack.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one document may take: bytes on the wire, and keys and list elements in all."""

    size: int
    keys: int


@dataclass(slots=True)
class Documents:
    """What a body held: the good events, the rejected items by their index, and bytes in memory, about."""

    events: list[Event]
    rejected: list[Rejection]
    size: int


class _UnfitError(ValueError):
    """A document that is well-formed and yet not taken; its text is the reason."""


def decode_documents(body: bytes, bounds: Bounds) -> Documents:
    """The events of a body. `WireError` where the body as a whole is none."""
    try:
        raws = _split.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError("body", f"a body that holds no documents: {error}") from None
    found = Documents([], [], 0)
    for index, raw in enumerate(raws):
        try:
            event, nodes = _decode(raw, bounds)
        except (_UnfitError, msgspec.DecodeError, RecursionError, TypeError) as error:
            found.rejected.append(Rejection(index, str(error)))
            continue
        found.events.append(event)
        found.size += len(memoryview(raw)) + nodes * _NODE_BYTES
    return found


def _decode(raw: msgspec.Raw, bounds: Bounds) -> tuple[Event, int]:
    """One event, and how many keys and list elements its document has."""
    length = len(memoryview(raw))
    if length > bounds.size:
        raise _UnfitError(f"document of {length} bytes; at most {bounds.size} are taken")
    item = _decoder.decode(raw)
    nodes = _measure(item.document, MAX_DEPTH)
    if nodes > bounds.keys:
        raise _UnfitError(f"document of {nodes} keys and elements; at most {bounds.keys} are taken")
    return Event(item.id, item.time, item.document), nodes


def _measure(document: Document, depth: int) -> int:
    """Keys and list elements at all levels; raises `_UnfitError` for what has no place in JSON or lies too deep."""
    if not depth:
        raise _UnfitError(f"document of more than {MAX_DEPTH} levels")
    count = len(document)
    for key, value in document.items():
        if type(key) is not str or len(key) > MAX_KEY:
            raise _UnfitError("document with a key that is no text, or too long")
        kind = cast("type[object]", type(value))
        if kind is dict:
            count += _measure(cast("Document", value), depth - 1)
        elif kind is not str:
            count += _measure_value(value, depth)
    return count


def _measure_value(value: Any, depth: int) -> int:
    kind = cast("type[object]", type(value))
    if kind is int or kind is bool or value is None:
        return 0
    if kind is float:
        if not isfinite(value):
            raise _UnfitError("document with a number that is not finite")
        return 0
    if kind is dict:
        return _measure(cast("Document", value), depth - 1)
    if kind is list:
        if not depth:
            raise _UnfitError(f"document of more than {MAX_DEPTH} levels")
        elements = cast("list[Any]", value)
        return len(elements) + sum(
            _measure_value(element, depth - 1) for element in elements if type(element) is not str
        )
    if kind is str:
        return 0
    raise _UnfitError(f"document with a value that JSON lacks ({kind.__name__})")
