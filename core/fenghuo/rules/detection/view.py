"""An event as rules see it: fields by their dotted names, whatever way the document writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

MAX_VALUES = 2_000
"""So many values of an event are looked at by a search for keywords; the rest of a larger document is not."""
_MAX_DEPTH = 32
_MISSING = object()


class View:
    """One event. `source.ip` is found as `{"source": {"ip": …}}`, as `{"source.ip": …}` and in any mixture of the two.

    A list stands for any of its values; a list of objects (`dns.answers`) gives the list of their values. Nothing of
    the document is copied but such lists, and it must not change while a view of it is used.
    """

    __slots__ = ("_found", "document")

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._found: dict[str, Any] = {}

    def get(self, field: str) -> Any | None:
        """A field's value; None where it is absent, null, an object or an empty list. Lists hold no null and no list."""
        found = self._found.get(field, _MISSING)
        if found is _MISSING:
            found = self._found[field] = _value(self._raw(field))
        return found

    def exists(self, field: str) -> bool:
        """Whether the event has the field, be it null or empty."""
        return next(_find(self.document, field.split(".")), _MISSING) is not _MISSING

    def values(self) -> list[Any]:
        """Every scalar value of the event but null, at most `MAX_VALUES`."""
        found: list[Any] = []
        _collect(self.document, found, 0)
        return found

    def _raw(self, field: str) -> list[Any]:
        return list(_find(self.document, field.split(".")))


def _value(raw: list[Any]) -> Any | None:
    flat: list[Any] = []
    for value in raw:
        _flatten(value, flat, 0)
    if not flat:
        return None
    return flat[0] if len(flat) == 1 else flat


def _flatten(value: Any, into: list[Any], depth: int) -> None:
    if isinstance(value, list | tuple):
        if depth < _MAX_DEPTH:
            for item in cast("Sequence[Any]", value):
                _flatten(item, into, depth + 1)
    elif value is not None and not isinstance(value, Mapping):
        into.append(value)


def _find(node: Any, segments: list[str], depth: int = 0) -> Iterator[Any]:
    """Every value that lies at this path."""
    if not segments:
        yield node
    elif isinstance(node, Mapping):
        for end in range(1, len(segments) + 1):
            value = cast("Mapping[str, Any]", node).get(".".join(segments[:end]), _MISSING)
            if value is not _MISSING:
                yield from _find(value, segments[end:], depth)
    elif isinstance(node, list | tuple) and depth < _MAX_DEPTH:
        for item in cast("Sequence[Any]", node):
            yield from _find(item, segments, depth + 1)


def _collect(node: Any, into: list[Any], depth: int) -> None:
    if depth > _MAX_DEPTH or len(into) >= MAX_VALUES:
        return
    if isinstance(node, Mapping):
        for value in cast("Mapping[str, Any]", node).values():
            _collect(value, into, depth + 1)
    elif isinstance(node, list | tuple):
        for value in cast("Sequence[Any]", node):
            _collect(value, into, depth + 1)
    elif node is not None:
        into.append(node)
