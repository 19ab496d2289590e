"""Files of indicators → entries, one after the other, whatever the size of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from fenghuo.rules.indicators.entry import Entry, Refused, Unreadable
from fenghuo.rules.indicators.readers.plain import read_plain
from fenghuo.rules.indicators.readers.separated import read_separated
from fenghuo.rules.indicators.source import Format, ListSource

_SNIFF = 4096

__all__ = ["Unreadable", "guess", "read_entries"]


def read_entries(stream: BinaryIO, source: ListSource, refused: Refused) -> Iterator[Entry]:
    """The entries of a list; what is refused is counted. Raises OSError, and `Unreadable` where the file breaks off."""
    form = source.format if source.format != "auto" else guess(stream, source)
    if form == "csv":
        return read_separated(stream, source, refused)
    if form == "plain":
        return read_plain(stream, source, refused)
    from fenghuo.rules.indicators.readers.json import read_misp, read_stix  # noqa: PLC0415 — ijson only where JSON is read

    return read_stix(stream, source, refused) if form == "stix" else read_misp(stream, source, refused)


def guess(stream: BinaryIO, source: ListSource) -> Format:
    """By the file's ending and how it begins."""
    suffix = source.path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return "csv"
    head = stream.read(_SNIFF)
    stream.seek(0)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix in (".json", ".stix", ".misp") or start.startswith((b'{"', b"{\n", b"{\r", b"{ ", b'[{"')):
        is_stix = b'"bundle"' in head or b'"spec_version"' in head or b'"objects"' in head
        return "stix" if is_stix or suffix == ".stix" else "misp"
    return "plain"
