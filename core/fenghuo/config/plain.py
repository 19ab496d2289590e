"""Plain data of a YAML text that is as YAML usually is: what `fenghuo.config.document` reads, ten times as fast.

Only libyaml's events are looked at, no tree is made. Whatever only a tree tells well (mistakes, aliases, merges, tags)
or libyaml may read in a way of its own is not read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from fenghuo.config.compose import MAX_DEPTH, MAX_NODES, fast_events
from fenghuo.config.document import FORBIDDEN, decode, resolve
from fenghuo.errors import Located

_NO_TEXT = frozenset("~nNtTfF+-.0123456789")
"""How a plain scalar begins that is no text; an empty one is none either."""
_COLLECTIONS = (MappingStartEvent, SequenceStartEvent)


class Unusual(Exception):  # noqa: N818 — nothing is wrong as yet
    """Something that only a tree can tell well."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The data of a document, and line and column of its first value."""

    data: Any
    start: tuple[int, int]


def read_plain(content: bytes) -> Plain:
    """The data of a file's content; raises `Unusual` where one must look closer."""
    try:
        text = decode(content, "")
    except Located:
        raise Unusual from None
    get_event = fast_events(text)
    if get_event is None:
        raise Unusual
    try:
        return _Reading(get_event, asks="?" in text).document()
    except (yaml.YAMLError, ValueError, OverflowError, IndexError):
        raise Unusual from None


class _Reading:
    """Events → data. `asks`: there are question marks, which PyYAML's own parser refuses in unquoted flow scalars."""

    def __init__(self, get_event: Callable[[], Any], *, asks: bool) -> None:
        self._get = get_event
        self._asks = asks
        self._count = 0

    def document(self) -> Plain:
        self._get()  # the stream starts
        self._get()  # the document starts
        event = self._get()
        data = self._value(event, 0)
        mark = event.start_mark
        self._get()
        if self._get().__class__ is not StreamEndEvent:
            raise Unusual
        return Plain(data, (mark.line + 1, mark.column + 1))

    def _value(self, event: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unusual
        kind = event.__class__
        if kind is ScalarEvent:
            return _scalar(event, asks=False)
        if kind not in _COLLECTIONS or event.tag is not None:
            raise Unusual
        asks = self._asks and event.flow_style
        found = self._mapping(depth, asks=asks) if kind is MappingStartEvent else self._list(depth, asks=asks)
        self._count += len(found)
        if self._count > MAX_NODES >> 1:
            raise Unusual
        return found

    def _mapping(self, depth: int, *, asks: bool) -> dict[str, Any]:
        get = self._get
        found: dict[str, Any] = {}
        while (event := get()).__class__ is ScalarEvent:
            key: str = event.value
            if key in found or key == "<<" or not key.isprintable() or (asks and "?" in key):
                raise Unusual
            event = get()
            found[key] = _scalar(event, asks=asks) if event.__class__ is ScalarEvent else self._value(event, depth + 1)
        if event.__class__ is not MappingEndEvent:
            raise Unusual
        return found

    def _list(self, depth: int, *, asks: bool) -> list[Any]:
        get = self._get
        found: list[Any] = []
        while (event := get()).__class__ is not SequenceEndEvent:
            found.append(_scalar(event, asks=asks) if event.__class__ is ScalarEvent else self._value(event, depth + 1))
        return found


def _scalar(event: Any, *, asks: bool) -> Any:
    text: str = event.value
    if not text.isprintable() and FORBIDDEN.search(text):
        raise Unusual
    if event.implicit[0]:
        if asks and "?" in text:
            raise Unusual
        if not text or text[0] in _NO_TEXT:
            return resolve(text)
    elif event.tag is not None:
        raise Unusual
    return text
