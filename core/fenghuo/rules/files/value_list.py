"""One list of values from a file: what its entries mean, and whether a value is among them (see `fenghuo.rules.files.lists`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fenghuo.config.words import allow, printable
from fenghuo.errors import Place, Problem
from fenghuo.rules.indicators.entry import Entry, Unfit, read_value
from fenghuo.rules.indicators.registry import Mark, mark_of
from fenghuo.rules.indicators.store import Bounds, IndicatorSet, IndicatorSetBuilder, ListInfo
from fenghuo.rules.indicators.values import Type
from fenghuo.rules.language.where import matcher

MAX_BYTES = 16 * 2**20
MAX_ENTRIES = 300_000
MAX_WILDCARDS = 1_000
MAX_TOTAL = 500_000
MAX_LINE = 2_000
MAX_PROBLEMS = 20
_TYPES = ("value", "domain", "ip")
_TYPE = re.compile(r"#\s*type:\s*(\S+)\s*", re.IGNORECASE)
_BOUNDS = Bounds(MAX_ENTRIES + 1, 2 * MAX_BYTES, 0)


class ListError(ValueError):
    """A list that cannot be used; `problems` says where."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")


@dataclass
class _Draft:
    """What was read of a list so far, by how it is compared."""

    texts: set[str] = field(default_factory=set[str])
    wildcards: list[str] = field(default_factory=list[str])
    builder: IndicatorSetBuilder | None = None
    types: set[Type] = field(default_factory=set[Type])
    problems: list[Problem] = field(default_factory=list[Problem])

    def __len__(self) -> int:
        return len(self.texts) + len(self.wildcards) + (self.builder.count if self.builder else 0)

    def _put(self, entry: Entry) -> None:
        if self.builder is None:
            self.builder = IndicatorSetBuilder(_BOUNDS, lambda: None)
            self.builder.begin(ListInfo(""))
        self.builder.add(entry)
        self.types.add(entry.type)

    def add(self, text: str, type_: str) -> None:
        """Take one entry; Unfit where it is none of the type."""
        if type_ == "domain":
            self._put(read_value(text.removeprefix("*"), Type.DOMAIN))
        elif type_ == "ip":
            self._put(read_value(text, Type.IP))
        elif type_ == "value" or not self._by_looks(text):
            self.texts.add(text.lower())

    def _by_looks(self, text: str) -> bool:
        bare = text.removeprefix("*")
        if bare.startswith(".") and not _is_wild(bare):
            self._put(read_value(bare, Type.DOMAIN))
        elif _is_wild(text):
            self.wildcards.append(text.lower())
        else:
            try:
                entry = read_value(text, Type.IP)
            except Unfit:
                return False
            if entry.port is not None:
                return False
            self._put(entry)
        return True


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text


class _Entries:
    """A list, ready to be asked."""

    def __init__(self, draft: _Draft) -> None:
        self.count = len(draft)
        self._texts = frozenset(draft.texts)
        self._matches: Callable[[str], bool] | None = matcher(draft.wildcards) if draft.wildcards else None
        self._set: IndicatorSet | None = draft.builder.build() if draft.builder else None
        self._types = tuple(draft.types)

    def contain(self, value: str) -> bool:
        lowered = value.lower()
        if lowered in self._texts or (self._matches is not None and self._matches(lowered)):
            return True
        if self._set is None:
            return False
        return any(self._set.find(type_, value, 0) for type_ in self._types)


_NOTHING = _Entries(_Draft())


class ValueList:
    """One list from a file. Rules keep it; what it holds is exchanged when the file changes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.mark: Mark | None = None
        self._entries = _NOTHING

    def __len__(self) -> int:
        return self._entries.count

    def contains(self, value: str) -> bool:
        """Whether an entry is, or stands for, this value."""
        return self._entries.contain(value)

    def read(self) -> None:
        """Read the file; ListError, and all stays as it was, where it is wrong."""
        self.mark = mark_of(self.file)
        self._entries = _Entries(_read_file(self.file))


def _read_file(file: Path) -> _Draft:
    draft = _Draft()
    try:
        with file.open("rb") as stream:
            _read_lines(stream, str(file), draft)
    except OSError as error:
        raise ListError([Problem(Place(str(file)), f"cannot read the list: {error.strerror or error}")]) from None
    if draft.problems:
        raise ListError(draft.problems)
    return draft


def _read_lines(stream: BinaryIO, file: str, draft: _Draft) -> None:
    type_, size = "", 0
    for number, (line, column) in enumerate(_lines(stream), 1):
        size += len(line) + 1
        place = Place(file, number, column)
        match = _TYPE.fullmatch(line)
        text = line.partition(" #")[0].strip()
        if match and not draft and not type_:
            type_ = match[1].lower()
            if type_ not in _TYPES:
                draft.problems.append(Problem(place, f"unknown type of list {type_[:60]!r}", allow(type_, _TYPES)))
                return
        elif text and not text.startswith("#"):
            _take(draft, text, type_, place)
        if size > MAX_BYTES or len(draft) > MAX_ENTRIES or len(draft.wildcards) > MAX_WILDCARDS:
            bounds = f"{MAX_ENTRIES:,} entries, {MAX_WILDCARDS:,} wildcards, {MAX_BYTES // 2**20} MiB"
            hint = "kind 'indicator' takes larger ones"
            draft.problems.append(Problem(place, f"a list too large; at most {bounds}", hint))
        if len(draft.problems) >= MAX_PROBLEMS or size > MAX_BYTES or len(draft) > MAX_ENTRIES:
            return


def _lines(stream: BinaryIO) -> Iterator[tuple[str, int]]:
    """Each line without what is around it, and the column where it begins."""
    while data := stream.readline(MAX_BYTES + 1):
        text = data.decode("utf-8-sig", "replace").rstrip()
        yield text.lstrip(), len(text) - len(text.lstrip()) + 1


def _take(draft: _Draft, text: str, type_: str, place: Place) -> None:
    try:
        if len(text) > MAX_LINE:
            raise Unfit("too long")  # noqa: TRY301 — told with the others
        if "�" in text:
            raise Unfit("no UTF-8")  # noqa: TRY301 — told with the others
        draft.add(text, type_)
    except Unfit as error:
        draft.problems.append(Problem(place, printable(f"{text[:40]!r}: {error}")))
