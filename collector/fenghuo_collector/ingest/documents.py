"""Bodies of documents: each one decoded and judged by itself, so that a bad one costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any

import msgspec

from fenghuo.errors import WireError
from fenghuo.model import Event
from fenghuo.wire.body import MAX_DOCUMENTS

MAX_DEPTH = 16
"""Levels of a document; Elasticsearch takes 20 and sinks may wrap it."""
MAX_KEYS = 16_384
"""Characters of all keys of one object."""
MAX_TIME = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that ISO 8601 writes with four digits."""
_KEEP = 4096
_PLAIN = frozenset({str, int, bool, type(None)})
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


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item not taken: its index in the body, the reason, and how it began on the wire."""

    index: int
    reason: str
    raw: bytes = b""


@dataclass(slots=True)
class Documents:
    """What a body held: the good events, what was rejected, and bytes in memory, about."""

    events: list[Event]
    rejected: list[Rejected]
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
            found.rejected.append(Rejected(index, str(error), bytes(memoryview(raw)[:_KEEP])))
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


def _measure(container: Any, depth: int) -> int:
    """Keys and list elements of an object or array, at all levels; raises `_UnfitError` for what has no place in JSON or
    lies too deep. Each event comes through here, so it makes no calls that it can spare.
    """
    if not depth:
        raise _UnfitError(f"document of more than {MAX_DEPTH} levels")
    elements = container
    if container.__class__ is dict:
        if len("".join(container)) > MAX_KEYS:  # TypeError where a key is no text
            raise _UnfitError(f"document with an object whose keys have more than {MAX_KEYS} characters")
        elements = container.values()
    count = len(container)
    for element in elements:
        kind = element.__class__
        if kind in _PLAIN:
            continue
        if kind is dict or kind is list:
            count += _measure(element, depth - 1)
        elif kind is not float:
            raise _UnfitError(f"document with a value that JSON lacks ({kind.__name__})")
        elif not isfinite(element):
            raise _UnfitError("document with a number that is not finite")
    return count
