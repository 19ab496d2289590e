"""Names made of a row's objects: `{entPhysicalName|entPhysicalDescr} temperature`, `{ifName@0}`, `{index@1::text}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fenghuo_agent.profiles.rows import Column, Reference, Rows, mac_of, text_of
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Oid

_BRACES = re.compile(r"\{([^{}]*)\}")
_PART = re.compile(
    r"(?P<name>[A-Za-z][\w-]*)(?:@(?P<by>-?\d+(?::-?\d*)?|:-?\d+|[A-Za-z][\w-]*))?(?::(?P<form>text|mac|hex|number))?"
)
_REFERENCE = re.compile(r"(?P<name>[A-Za-z][\w-]*)(?:@(?P<by>-?\d+(?::-?\d*)?|:-?\d+|[A-Za-z][\w-]*))?")

Resolve = Callable[[str], Column]
"""Object name → column; ValueError where the profile has none of that name."""


@dataclass(frozen=True, slots=True)
class _Plain:
    text: str

    def render(self, rows: Rows, index: Oid) -> str:
        del rows, index
        return self.text


@dataclass(frozen=True, slots=True)
class _Index:
    by: slice | None
    form: str

    def render(self, rows: Rows, index: Oid) -> str:
        del rows
        arcs = index if self.by is None else index[self.by]
        if self.form == "text":
            return _characters(arcs)
        if self.form in ("mac", "hex"):
            return ":".join(f"{arc:02x}" for arc in arcs)
        return ".".join(map(str, arcs))


@dataclass(frozen=True, slots=True)
class _Object:
    reference: Reference
    form: str

    def render(self, rows: Rows, index: Oid) -> str:
        found = rows.find(self.reference, index)
        if found is None:
            return ""
        varbind = found[1]
        if self.form in ("mac", "hex"):
            return mac_of(varbind)
        if self.reference.column.enum and self.form != "number":
            number = ber.number(varbind.tag, varbind.value)
            if number is not None:
                return self.reference.column.enum.get(number, str(number))
        return text_of(varbind)


_Piece = _Plain | _Index | _Object


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places to fill; each place has alternatives of which the first that is not empty stands."""

    places: tuple[tuple[_Piece, ...], ...]

    def render(self, rows: Rows, index: Oid) -> str:
        """The text for one row."""
        return "".join(
            next((text for piece in pieces if (text := piece.render(rows, index))), "") for pieces in self.places
        ).strip()

    @property
    def references(self) -> Iterator[Reference]:
        """The objects that it looks at."""
        for pieces in self.places:
            for piece in pieces:
                if isinstance(piece, _Object):
                    yield piece.reference

    @property
    def plain(self) -> str | None:
        """Its text where it has no places."""
        if all(isinstance(piece, _Plain) for pieces in self.places for piece in pieces):
            return self.render(Rows(), ())
        return None


def parse_template(text: str, resolve: Resolve) -> Template:
    """Read a template; ValueError says what is wrong with it."""
    places: list[tuple[_Piece, ...]] = []
    at = 0
    for match in _BRACES.finditer(text):
        _plain(places, text[at : match.start()])
        places.append(tuple(_piece(part.strip(), resolve) for part in match[1].split("|")))
        at = match.end()
    _plain(places, text[at:])
    return Template(tuple(places))


def parse_reference(text: str, resolve: Resolve) -> Reference:
    """Read `object`, `object@0`, `object@1:3` or `object@otherObject`."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no object: expected a name, perhaps with @0, @1:3 or @otherObject")
    return Reference(resolve(match["name"]), _by(match["by"], resolve))


def parse_index(text: str) -> slice | None:
    """The part of the index in `index`, `index@-1` or `index@1:3`; None where the text is about an object."""
    match = _REFERENCE.fullmatch(text)
    if match is None or match["name"] != "index":
        return None
    by = match["by"]
    if by is not None and by[0].isalpha():
        raise ValueError(f"{text!r}: a part of the index is named by numbers")
    return slice(None) if by is None else _slice(by)


def _plain(places: list[tuple[_Piece, ...]], text: str) -> None:
    if "{" in text or "}" in text:
        raise ValueError(f"a brace stands alone in {text!r}")
    if text:
        places.append((_Plain(text),))


def _piece(part: str, resolve: Resolve) -> _Piece:
    if len(part) > 1 and part[0] == part[-1] == "'":
        return _Plain(part[1:-1])
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{{{part}}} is no place: expected {{object}}, {{object@0}}, {{index@0:2}} or {{'plain'}}")
    by, form = _by(match["by"], resolve), match["form"] or ""
    if match["name"] == "index":
        if isinstance(by, Column):
            raise ValueError(f"{{{part}}}: a part of the index is named by numbers")
        return _Index(by, form)
    return _Object(Reference(resolve(match["name"]), by), form)


def _by(text: str | None, resolve: Resolve) -> slice | Column | None:
    if text is None:
        return None
    if text[0].isalpha():
        return resolve(text)
    return _slice(text)


def _slice(text: str) -> slice:
    first, colon, last = text.partition(":")
    start = int(first) if first else None
    if not colon:
        assert start is not None
        return slice(start, start + 1 or None)
    return slice(start, int(last) if last else None)


def _characters(arcs: Oid) -> str:
    """Arcs as characters; a leading arc that is the length of the rest is left out (RFC 2578, 7.7)."""
    if arcs and arcs[0] == len(arcs) - 1:
        arcs = arcs[1:]
    try:
        return ber.text(bytes(arcs))
    except ValueError:
        return ".".join(map(str, arcs))
