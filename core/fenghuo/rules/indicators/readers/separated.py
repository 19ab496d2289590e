"""CSV files with a header, in the order and with the names that their makers like."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from fenghuo.rules.indicators.entry import Entry, Refused, Unfit, read_confidence, read_time, read_value
from fenghuo.rules.indicators.readers.lines import read_lines
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.values import Type

_NAMES: Mapping[str, tuple[str, ...]] = {
    "value": ("value", "indicator", "ioc", "ioc_value", "indicator_value", "observable", "url", "domain", "host", "ip",
              "ip_address", "dst_ip", "sha256_hash", "sha256", "sha1_hash", "sha1", "md5_hash", "md5", "hash"),
    "type": ("type", "indicator_type", "ioc_type", "kind"),
    "since": ("valid_from",),
    "expires": ("expires", "valid_until", "expiration", "expiry", "expiration_date", "expires_at"),
    "confidence": ("confidence", "confidence_level", "score"),
    "description": ("description", "comment", "threat", "malware", "malware_printable", "tags", "info"),
}  # fmt: skip
TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("domain", "hostname", "fqdn", "host", "domain-name", "dns", "domain_name"), Type.DOMAIN),
    **dict.fromkeys(
        ("ip", "ipv4", "ipv6", "ip-src", "ip-dst", "ip:port", "ipv4-addr", "ipv6-addr", "cidr", "network", "address",
         "ip-dst|port", "ip-src|port", "ipv4_addr", "ipv6_addr"),
        Type.IP,
    ),
    **dict.fromkeys(
        ("hash", "md5", "sha1", "sha-1", "sha256", "sha-256", "sha512", "md5_hash", "sha1_hash", "sha256_hash",
         "filehash-md5", "filehash-sha1", "filehash-sha256", "file"),
        Type.HASH,
    ),
    **dict.fromkeys(("url", "uri", "link"), Type.URL),
}  # fmt: skip


def read_separated(stream: BinaryIO, source: ListSource, refused: Refused) -> Iterator[Entry]:
    """One entry a row; the header is the first line, or the last comment before the first row if that names the value."""
    lines = _Lines(stream, refused)
    header = lines.header(source)
    if header is None:
        return
    columns = _columns(header, source)
    if columns.get("value") is None:
        refused.add("no column of indicators", lines.number, ", ".join(header))
        return
    rows = csv.reader(lines, delimiter=lines.delimiter, skipinitialspace=True)
    forced = None if source.type == "auto" else Type[source.type.upper()]
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            refused.add("no CSV", lines.number)
            continue
        if row is None:
            return
        if not any(row):
            continue
        try:
            yield _entry(row, columns, forced)
        except Unfit as error:
            refused.add(str(error), lines.number, lines.delimiter.join(row))


class _Lines:
    """The lines after the header, without comments, and the number of the line read last."""

    def __init__(self, stream: BinaryIO, refused: Refused) -> None:
        self._lines = read_lines(stream, refused)
        self._waiting: list[str] = []
        self.number = 0
        self.delimiter = ","

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._waiting:
            return self._waiting.pop()
        for line in self._raw():
            if not line.startswith("#"):
                return line
        raise StopIteration

    def _raw(self) -> Iterator[str]:
        for number, line in self._lines:
            self.number = number
            yield line

    def header(self, source: ListSource) -> list[str] | None:
        comment = ""
        while line := next(self._raw(), ""):
            if line.startswith("#"):
                comment = line.lstrip("# \t") if line.strip("# \t\r\n") else comment
                continue
            if not line.strip():
                continue
            for candidate in (comment, line):
                self.delimiter = _delimiter(candidate) if source.delimiter == "auto" else source.delimiter
                header, row = _cells(candidate, self.delimiter), _cells(line, self.delimiter)
                if len(header) == len(row) and _columns(header, source).get("value") is not None:
                    if candidate is comment:
                        self._waiting.append(line)
                    return header
            return _cells(line, self.delimiter)
        return None


def _delimiter(line: str) -> str:
    return max((",", ";", "\t", "|"), key=line.count)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), None) or ()
    except csv.Error:
        row = ()
    return [cell.strip().strip('"').lower() for cell in row]


def _columns(header: list[str], source: ListSource) -> dict[str, int]:
    """Where each thing stands."""
    found: dict[str, int] = {}
    for what, names in _NAMES.items():
        wanted = getattr(source.columns, what)
        for name in (wanted.lower(),) if wanted else names:
            if name in header:
                found[what] = header.index(name)
                break
    return found


def _entry(row: list[str], columns: Mapping[str, int], forced: Type | None) -> Entry:
    def cell(what: str) -> str:
        place = columns.get(what)
        return row[place].strip() if place is not None and place < len(row) else ""

    word = cell("type").lower()
    if word and word not in TYPES:
        raise Unfit("a type that is not looked up")
    type_ = forced or TYPES.get(word)
    if forced is not None and word and TYPES[word] is not forced:
        raise Unfit("of another type than the list")
    entry = read_value(cell("value"), type_)
    entry.confidence = read_confidence(cell("confidence"))
    entry.since = read_time(cell("since"))
    entry.until = read_time(cell("expires"))
    entry.text = cell("description")
    return entry
