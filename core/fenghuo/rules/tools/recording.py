"""Recordings → events and readings with their own times: NDJSON of ECS documents, search hits or readings.

What a line may be:

    {"@timestamp": "2026-03-02T08:00:00Z", "event": {"id": "a1", "dataset": "dns"}, "dns.question.name": "example.org"}
    {"_id": "a1", "_source": {"@timestamp": …}}                                     a hit of a search in Elasticsearch
    {"measurement": "interface", "time": 1772438400, "labels": {"device": "sw1"}, "values": {"ifOperStatus": 1}}

A line that is none of these is counted and told, and the reading goes on.
"""

from __future__ import annotations

import gzip
import heapq
import math
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec

from fenghuo.errors import Place, Problem
from fenghuo.model import Document, Event, Layout, Table, Value

MAX_LINE = 1 << 20
"""Bytes; a longer line is refused."""
MAX_LAYOUTS = 10_000
MAX_TOLD = 20
"""So many refused lines are told one by one, the rest is counted."""
MAX_ID = 256
RUN_LINES = 200_000
"""So many lines are sorted in memory at a time (`sort_lines`)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = 253_402_300_799_999
_LARGEST = 1e30
_GZIP = b"\x1f\x8b"
_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
_DECODER = msgspec.json.Decoder(Document)


class Refused(ValueError):  # noqa: N818 — it says what became of the line
    """A line of which nothing can be made; the text says why."""


@dataclass(slots=True)
class Line:
    """One line and where it stands."""

    file: str
    number: int
    content: bytes


@dataclass(slots=True)
class Recording:
    """Reads lines, and counts: `refused` are lines of which nothing could be made, `problems` the first of them."""

    refused: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    _layouts: dict[Any, Layout] = field(default_factory=dict[Any, Layout])

    def read(self, lines: Iterable[Line]) -> Iterator[Event | Table]:
        """What the lines hold, in their order."""
        for line in lines:
            try:
                yield self.parse(line)
            except Refused as reason:
                self.refuse(line, str(reason))

    def refuse(self, line: Line, reason: str) -> None:
        """Note a line of which nothing can be made."""
        self.refused += 1
        if len(self.problems) < MAX_TOLD:
            self.problems.append(Problem(Place(line.file, line.number), reason))

    def parse(self, line: Line) -> Event | Table:
        """What one line holds; `Refused` says why it holds nothing."""
        if len(line.content) > MAX_LINE:
            raise Refused(f"the line is longer than {MAX_LINE >> 20} MiB")
        try:
            document = _DECODER.decode(line.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"no JSON object: {_short(str(error))}") from None
        if "measurement" in document and "values" in document:
            return self._table(document)
        outer = document
        source = document.get("_source")
        if isinstance(source, dict):
            document = cast("Document", source)
        return Event(_id(document, outer) or f"line-{line.number}", _time_of(document, "@timestamp"), document)

    def _table(self, document: Document) -> Table:
        time = _time_of(document, "time" if "time" in document else "@timestamp")
        name: Any = document["measurement"]
        values: Any = document["values"]
        labels: Any = document.get("labels") or {}
        counters: Any = document.get("counters") or {}
        if not isinstance(name, str) or not name:
            raise Refused("'measurement' is no text")
        if not isinstance(labels, dict) or not isinstance(values, dict) or not isinstance(counters, dict):
            raise Refused("'labels', 'values' and 'counters' are objects")
        layout = self._layout(
            name, _texts(cast("Document", labels)), tuple(cast("Document", values)), _widths(cast("Document", counters))
        )
        return Table(layout, time, [(_number(name, each),) for name, each in cast("Document", values).items()])

    def _layout(self, name: str, labels: dict[str, str], fields: tuple[str, ...], counters: dict[str, int]) -> Layout:
        key = (name, tuple(labels.items()), fields, tuple(counters.items()))
        layout = self._layouts.pop(key, None)
        if layout is None:
            if len(self._layouts) >= MAX_LAYOUTS:
                del self._layouts[next(iter(self._layouts))]
            layout = Layout(name, labels, {}, fields, counters)
        self._layouts[key] = layout
        return layout


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


def _id(document: Mapping[str, Any], outer: Mapping[str, Any]) -> str:
    """`event.id`, else the `_id` of a hit, else `id`; empty where there is none."""
    inner = document.get("event")
    found = cast("Mapping[str, Any]", inner).get("id") if isinstance(inner, dict) else None
    for value in (found, document.get("event.id"), outer.get("_id"), document.get("_id"), document.get("id")):
        if isinstance(value, str | int) and value != "":
            return str(value)[:MAX_ID]
    return ""


def _time_of(document: Mapping[str, Any], key: str) -> int:
    value = document.get(key)
    if value is None:
        raise Refused(f"it has no {key!r}")
    try:
        return parse_time(value)
    except (ValueError, OverflowError):
        raise Refused(f"{key!r}: no moment: {_short(repr(value))}") from None


def parse_time(value: Any) -> int:
    """Unix milliseconds of ISO 8601 text (UTC where it names no offset) or of a number of seconds or milliseconds.

    ValueError where it is neither, or lies outside the years 1970 to 9999.
    """
    if isinstance(value, str):
        try:
            return _checked(_iso(value))
        except ValueError:
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("no moment")
    return _checked(math.floor(value if abs(value) >= 1e11 else value * 1000))


def _iso(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # What Python does not take: a small z, and a leap second, which becomes the second after it.
        moment = datetime.fromisoformat(text.strip().upper().replace(":60", ":59", 1))
        if ":60" in text:
            moment += timedelta(seconds=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def _checked(moment: int) -> int:
    if not 0 <= moment <= _LAST:
        raise ValueError("no moment of the years 1970 to 9999")
    return moment


def _texts(labels: Document) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else str(value)
        for key, value in sorted(labels.items())
        if value is not None
    }


def _widths(counters: Document) -> dict[str, int]:
    if any(width not in (32, 64) for width in counters.values()):
        raise Refused("'counters': a width is 32 or 64")
    return counters


def _number(name: str, value: Any) -> Value:
    if isinstance(value, bool) or not (value is None or isinstance(value, int | float)):
        raise Refused(f"'values': {name[:60]!r} is no number")
    if value is not None and not -_LARGEST <= value <= _LARGEST:
        raise Refused(f"'values': {name[:60]!r} is larger than any counter")
    return value


# Files


def read_lines(file: str, recording: Recording) -> Iterator[Line]:
    """The lines of a file, or of standard input for `-`, by what kind of file it is."""
    name = "<stdin>" if file == "-" else file
    with ExitStack() as stack:
        try:
            stream: BinaryIO = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
            head = _peek(stream)
            reader = next(reader for begins, reader in FORMATS if head.startswith(begins))
            yield from reader(stream, name, recording)
        except OSError as error:
            recording.refuse(Line(name, 0, b""), f"cannot read the file: {error.strerror or error}")


def _peek(stream: BinaryIO) -> bytes:
    """How the file begins, without taking it away."""
    peek: Callable[[int], bytes] | None = getattr(stream, "peek", None)
    return b"" if peek is None else peek(4)[:4]


def _text_lines(stream: IO[bytes], name: str, recording: Recording) -> Iterator[Line]:
    number = 0
    while content := stream.readline(MAX_LINE + 2):
        number += 1
        line = Line(name, number, content)
        if len(content) > MAX_LINE + 1:
            _skip_line(stream, content)
            recording.refuse(line, f"the line is longer than {MAX_LINE >> 20} MiB")
            continue
        if number == 1:
            line.content = content.removeprefix(b"\xef\xbb\xbf")
        if line.content.strip():
            yield line


def _skip_line(stream: IO[bytes], content: bytes) -> None:
    while content and not content.endswith(b"\n"):
        content = stream.readline(MAX_LINE)


def _gzip_lines(stream: IO[bytes], name: str, recording: Recording) -> Iterator[Line]:
    number = 0
    try:
        with gzip.open(stream) as unpacked:
            for line in _text_lines(cast("IO[bytes]", unpacked), name, recording):
                number = line.number
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        recording.refuse(Line(name, number + 1, b""), f"the gzip file is broken here: {error}")


def _capture(stream: IO[bytes], name: str, recording: Recording) -> Iterator[Line]:
    del stream
    recording.refuse(Line(name, 0, b""), "a packet capture; event logs are replayed so far")
    yield from ()


FORMATS: tuple[tuple[bytes, Callable[[BinaryIO, str, Recording], Iterator[Line]]], ...] = (
    (_GZIP, _gzip_lines),
    *((magic, _capture) for magic in _CAPTURES),
    (b"", _text_lines),
)
"""How a kind of file begins, and what reads it; the last one takes all others."""


# Order


def sort_lines(lines: Iterable[Line], recording: Recording) -> Iterator[Line]:
    """The lines by their times, equal ones in their order; what does not fit in memory goes to temporary files."""
    with ExitStack() as stack:
        runs: list[Iterator[tuple[int, int, Line]]] = []
        batch: list[tuple[int, int, Line]] = []
        for position, line in enumerate(lines):
            try:
                what = recording.parse(line)
            except Refused as reason:
                recording.refuse(line, str(reason))
                continue
            batch.append((what.time, position, line))
            if len(batch) >= RUN_LINES:
                file = stack.enter_context(tempfile.TemporaryFile())
                runs.append(_written(sorted(batch, key=_by_time), file))
                batch.clear()
        batch.sort(key=_by_time)
        for _, _, line in heapq.merge(*runs, batch, key=_by_time):
            yield line


def _by_time(entry: tuple[int, int, Line]) -> tuple[int, int]:
    return entry[:2]


def _written(batch: list[tuple[int, int, Line]], file: IO[bytes]) -> Iterator[tuple[int, int, Line]]:
    """Write a sorted run; read it back one line at a time."""
    for time, position, line in batch:
        head = msgspec.json.encode((time, position, line.file, line.number))
        file.write(head + b"\n" + line.content.rstrip(b"\n") + b"\n")
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[tuple[int, int, Line]]:
    while head := file.readline():
        time, position, name, number = msgspec.json.decode(head, type=tuple[int, int, str, int])
        yield time, position, Line(name, number, file.readline())
