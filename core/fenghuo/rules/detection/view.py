"""An event as rules see it: fields by their dotted names, whatever way the document writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from fenghuo.rules.detection.pattern import text_of

MAX_VALUES = 2_000
"""So many values of a field, and of a whole event, are looked at; the rest of a longer list is not."""
_MAX_DEPTH = 32
"""Deeper lists and objects are not looked into."""
_ABOUT = frozenset({"@timestamp", "agent", "data_stream", "ecs", "observer", "organization"})
"""Sections of an event that say by what way it came."""
_ABOUT_EVENT = frozenset({"category", "created", "dataset", "id", "ingested", "kind", "module", "provider", "type"})
"""Fields of its section `event` that say so, and what it is filed under."""
_MISSING: Any = object()
_SCALARS = frozenset({str, int, float, bool})
_LISTS = (list, tuple)
_PAIR = 2
"""A name of so many segments has no spelling within an object but the plain one."""


class View:
    """One event. `source.ip` is found as `{"source": {"ip": …}}`, as `{"source.ip": …}` and in any mixture of the two;
    where a document has several of them, the most nested one that has a value counts.

    A list stands for any of its values; a list of objects (`dns.answers`) gives the list of their values. Nothing of
    the document is copied but such lists, and it must not change while a view of it is used.

    `roots`: the document, where what it lacks as a key cannot be the first segment of a field; else None.
    """

    __slots__ = ("_found", "_text", "_values", "document", "roots")

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._found: dict[str, Any] = {}
        self.roots = _roots(document)
        self._values: list[Any] | None = None
        self._text: str | None = None

    def get(self, field: str) -> Any | None:
        """A field's value; None where it is absent, null, an object or an empty list. A list has two to `MAX_VALUES`
        values, none of them null, an object or a list.
        """
        found = self._found
        value: Any = found.get(field, _MISSING)
        if value is not _MISSING:
            return value
        value = self.document
        segments, step = _path(field)
        for key in segments:
            if value.__class__ is not dict:
                value = None if self._lacks(segments) else _gathered(self.document, step)
                found[field] = value
                return value
            value = value.get(key)
        kind = value.__class__
        if kind is list and len(value) == 1:
            value = value[0]
            kind = value.__class__
        if kind not in _SCALARS and (value is not None or len(segments) > _PAIR or self.roots is None):
            value = _gathered(self.document, step)
        found[field] = value
        return value

    def _lacks(self, segments: tuple[str, ...]) -> bool:
        """Whether the document surely has nothing that begins with the first segment."""
        roots = self.roots
        return roots is not None and segments[0] not in roots

    def exists(self, field: str) -> bool:
        """Whether the event has the field, be it null or empty."""
        if self.get(field) is not None:
            return True
        segments, step = _path(field)
        return not self._lacks(segments) and _has(self.document, step, 0)

    def values(self) -> list[Any]:
        """Every scalar value of the event but null, at most `MAX_VALUES`; without what says how it came here."""
        if self._values is None:
            self._values = []
            _collect_told(self.document, self._values)
        return self._values

    def text(self) -> str:
        """All values as one text in lower case, each on a line; what is not in it is in none of them."""
        if self._text is None:
            self._text = "\n".join([text_of(value).lower() for value in self.values()])
        return self._text


def _roots(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The document where no name begins within a key of it (`source.ip`), so that what has no key is not there."""
    if not isinstance(document, dict):
        return None
    try:
        return None if "." in "".join(document) else document
    except TypeError:  # a key that is no text
        return None


class _Step:
    """A place in a dotted name: the keys that may come next, the shortest first, each with the place after it."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys: tuple[tuple[str, _Step | None], ...] = ()


@lru_cache(maxsize=8192)
def _path(field: str) -> tuple[tuple[str, ...], _Step]:
    """A dotted name's segments, and the ways in which a document may write it."""
    segments = tuple(field.split(".", _MAX_DEPTH))
    steps = [_Step() for _ in segments]
    for start, step in enumerate(steps):
        step.keys = tuple(
            (".".join(segments[start:end]), steps[end] if end < len(steps) else None)
            for end in range(start + 1, len(segments) + 1)
        )
    return segments, steps[0]


def _gathered(node: Any, step: _Step) -> Any | None:
    """The value at a place, sought in every spelling."""
    if isinstance(node, _LISTS):
        return _gathered_from(cast("Sequence[Any]", node), step)
    if not isinstance(node, dict) and not isinstance(node, Mapping):
        return None
    for key, after in step.keys:
        value: Any = cast("Mapping[str, Any]", node).get(key)
        if value is not None:
            value = _plain(value) if after is None else _gathered(value, after)
            if value is not None:
                return value
    return None


def _gathered_from(nodes: Sequence[Any], step: _Step) -> Any | None:
    if len(step.keys) == 1:
        # The last name, of plain objects: how `dns.answers` and their like are written.
        name = step.keys[0][0]
        found: list[Any] = [item.get(name) for item in nodes if item.__class__ is dict]
        if len(found) == len(nodes) and _SCALARS.issuperset(map(type, found)):
            return _one_or_list(found)
    found = []
    for item in _items(nodes, 0):
        value = _gathered(item, step)
        if value is not None:
            found += cast("list[Any]", value) if value.__class__ is list else [value]
    return _one_or_list(found)


def _plain(value: Any) -> Any | None:
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, _LISTS):
        return _one_or_list([item for item in _items(value, 0) if not isinstance(item, Mapping)])
    return None if isinstance(value, Mapping) else value


def _one_or_list(values: list[Any]) -> Any | None:
    return values[:MAX_VALUES] if len(values) > 1 else values[0] if values else None


def _items(values: Any, depth: int) -> list[Any]:
    """What is in a list and in the lists within it, but null."""
    found: list[Any] = []
    for value in cast("Sequence[Any]", values):
        if isinstance(value, _LISTS):
            if depth < _MAX_DEPTH:
                found += _items(value, depth + 1)
        elif value is not None:
            found.append(value)
    return found


def _has(node: Any, step: _Step, depth: int) -> bool:
    if isinstance(node, Mapping):
        return any(
            key in node and (after is None or _has(cast("Mapping[str, Any]", node)[key], after, depth))
            for key, after in step.keys
        )
    if isinstance(node, _LISTS) and depth < _MAX_DEPTH:
        return any(_has(item, step, depth + 1) for item in cast("Sequence[Any]", node))
    return False


def _collect_told(document: Mapping[str, Any], into: list[Any]) -> None:
    """What the event itself tells: a word sought in it shall not be found in the name of its dataset."""
    for key, value in document.items():
        head, _, rest = str(key).partition(".")
        if head in _ABOUT or (head == "event" and rest in _ABOUT_EVENT):
            continue
        if key == "event" and isinstance(value, Mapping):
            event = cast("Mapping[str, Any]", value)
            value = [event[name] for name in event if name not in _ABOUT_EVENT]  # noqa: PLW2901 — the same, less of it
        _collect(value, into, 1)


def _collect(node: Any, into: list[Any], depth: int) -> None:
    if depth > _MAX_DEPTH or len(into) >= MAX_VALUES:
        return
    if isinstance(node, Mapping):
        for value in cast("Mapping[str, Any]", node).values():
            _collect(value, into, depth + 1)
    elif isinstance(node, _LISTS):
        for value in cast("Sequence[Any]", node):
            _collect(value, into, depth + 1)
    elif node is not None:
        into.append(node)
