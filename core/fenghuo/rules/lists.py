"""Lists of values from files, for `where` (`source.ip|list: servers.txt`), and the lists of indicators, for kind `indicator`.

A list of values has one entry a line; `#` begins a comment. What entries mean is said by a first comment `# type: …`:

- `value`: the text itself, whatever its case
- `domain`: a host name and all names below it
- `ip`: an address or a network
- without it, each by its looks: an address or network is one, `.example.org` and `*.example.org` stand for the names
  below, other texts with `*` or `?` are wildcards, everything else is the text itself
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from fenghuo.clock import Clock
from fenghuo.config.words import allow, printable
from fenghuo.errors import Place, Problem
from fenghuo.rules.indicators.entry import Entry, Unfit, read_value
from fenghuo.rules.indicators.registry import Indicators, ListHandle, Mark, mark_of
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.store import Bounds, IndicatorSet, IndicatorSetBuilder, ListInfo
from fenghuo.rules.indicators.values import Type
from fenghuo.rules.where import matcher

log = logging.getLogger(__name__)

MAX_BYTES = 16 * 2**20
MAX_ENTRIES = 300_000
MAX_WILDCARDS = 1_000
MAX_TOTAL = 500_000
MAX_LINE = 2_000
MAX_PROBLEMS = 20
_TYPES = ("value", "domain", "ip")
_TYPE = re.compile(r"#\s*type:\s*(\S+)\s*", re.IGNORECASE)
_SUFFIXES = ("", ".txt", ".list")
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


class Lists:
    """All lists of a process, each read once for all rules that name it.

    `folder`: where lists are looked for that do not lie beside the rule; `named`: lists of indicators that the
    configuration names; `indicators`: where the lists of indicators are kept (see there for reading in the background).
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        named: Mapping[str, ListSource] | None = None,
        indicators: Indicators | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._folder = folder
        self._named = dict(named or {})
        self.indicators = indicators or Indicators(clock=clock)
        self._lists: WeakValueDictionary[Path, ValueList] = WeakValueDictionary()
        self._told: dict[Path, Mark | None] = {}

    def at(self, folder: Path) -> RuleLists:
        """The lists as a rule file in this folder names them."""
        return RuleLists(self, folder)

    def find(self, name: str, folder: Path) -> Path | None:
        """The file of a list: beside the rule, or in the common folder; its ending may be left out."""
        places = [folder, folder / "lists"] + ([self._folder] if self._folder else [])
        for place in places:
            for suffix in _SUFFIXES:
                file = place / (name + suffix)
                if file.is_file():
                    return file.resolve()
        return None

    def get(self, name: str, folder: Path) -> ValueList | None:
        """A list of values; None where there is no such file, ListError where it is wrong."""
        file = self.find(name, folder)
        if file is None:
            return None
        found = self._lists.get(file)
        if found is None:
            found = ValueList(file)
            found.read()
            if len(found) + sum(map(len, self._lists.values())) > MAX_TOTAL:
                hint = "kind 'indicator' takes larger ones"
                raise ListError([Problem(Place(str(file)), f"more than {MAX_TOTAL:,} entries in all lists", hint)])
            self._lists[file] = found
        return found

    def source(self, wanted: str | ListSource, folder: Path) -> ListSource:
        """A list of indicators by its name in the configuration, by its file, or with all its options; ValueError where there is none."""
        if isinstance(wanted, str):
            named = self._named.get(wanted)
            if named is not None:
                return named
            wanted = ListSource(file=wanted)
        file = self.find(wanted.file, folder)
        if file is None:
            hint = f" ({allow(wanted.file, self._named)})" if self._named else ""
            raise ValueError(f"there is no list {wanted.file[:100]!r}{hint}")
        return wanted.model_copy(update={"file": str(file)})

    def refresh(self) -> list[Problem]:
        """Take what has changed: lists of values at once, lists of indicators as `Indicators.refresh` does.

        What is wrong with a changed file is answered once; its former content stays in use. A large list of values takes
        up to a second, so call it from a thread where that is too long; what rules ask meanwhile is answered as before.
        """
        problems: list[Problem] = []
        for file, each in list(self._lists.items()):
            mark = mark_of(file)
            if mark == each.mark or self._told.get(file, each.mark) == mark:
                continue
            former = each.mark
            try:
                each.read()
            except ListError as error:
                each.mark, self._told[file] = former, mark
                problems += error.problems
                log.warning("list %s: %s; its former content stays in use", file, error)
            else:
                self._told.pop(file, None)
        self.indicators.refresh()
        return problems


@dataclass(frozen=True, slots=True)
class RuleLists:
    """The lists as one rule file names them."""

    lists: Lists
    folder: Path

    def get(self, name: str) -> ValueList | None:
        """A list of values, for `where`; None where there is none, ListError where it is wrong."""
        return self.lists.get(name, self.folder)

    def indicators(self, wanted: str | ListSource) -> ListHandle:
        """A hold on a list of indicators; ValueError where there is none."""
        return self.lists.indicators.use(self.lists.source(wanted, self.folder))

    @property
    def current(self) -> IndicatorSet:
        """The indicators in use now."""
        return self.lists.indicators.current
