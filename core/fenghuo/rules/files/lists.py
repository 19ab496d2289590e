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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from fenghuo.clock import Clock
from fenghuo.config.words import allow
from fenghuo.errors import Place, Problem

if TYPE_CHECKING:
    from fenghuo.rules.files.value_list import ValueList
    from fenghuo.rules.indicators import Indicators, IndicatorSet, ListHandle, ListSource
    from fenghuo.rules.indicators.registry import Mark

log = logging.getLogger(__name__)

_SUFFIXES = ("", ".txt", ".list")


class Lists:
    """All lists of a process, each read once for all rules that name it. What reads them is imported with the first of them.

    `folder`: where lists are looked for that do not lie beside the rule; `named`: lists of indicators that the
    configuration names; `indicators`: where the lists of indicators are kept; `background`: made where none is given, these
    are read in the background (see `Indicators`).
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        named: Mapping[str, ListSource] | None = None,
        indicators: Indicators | None = None,
        clock: Clock | None = None,
        background: bool = False,
    ) -> None:
        self._folder = folder
        self._named = dict(named or {})
        self._indicators = indicators
        self._clock = clock
        self._background = background
        self._lists: WeakValueDictionary[Path, ValueList] = WeakValueDictionary()
        self._told: dict[Path, Mark | None] = {}

    @property
    def indicators(self) -> Indicators:
        """Where the lists of indicators are kept."""
        if self._indicators is None:
            from fenghuo.rules.indicators import Indicators  # noqa: PLC0415 — few processes have such lists

            self._indicators = Indicators(clock=self._clock, background=self._background)
        return self._indicators

    def at(self, *folders: Path) -> RuleLists:
        """The lists as a rule file in the last of these folders names them; those of overlays in the others go before."""
        return RuleLists(self, folders)

    def find(self, name: str, folders: Sequence[Path]) -> Path | None:
        """The file of a list: beside an overlay or the rule, or in the common folder; its ending may be left out."""
        places = [place for folder in folders for place in (folder, folder / "lists")] + (
            [self._folder] if self._folder else []
        )
        for place in places:
            for suffix in _SUFFIXES:
                file = place / (name + suffix)
                if file.is_file():
                    return file.resolve()
        return None

    def get(self, name: str, folders: Sequence[Path]) -> ValueList | None:
        """A list of values; None where there is no such file, ListError where it is wrong."""
        from fenghuo.rules.files.value_list import MAX_TOTAL, ListError, ValueList  # noqa: PLC0415 — as above

        file = self.find(name, folders)
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

    def source(self, wanted: str | ListSource, folders: Sequence[Path]) -> ListSource:
        """A list of indicators by its name in the configuration, by its file, or with all its options; ValueError where there is none."""
        from fenghuo.rules.indicators import ListSource  # noqa: PLC0415 — as above

        if isinstance(wanted, str):
            named = self._named.get(wanted)
            if named is not None:
                return named
            wanted = ListSource(file=wanted)
        file = self.find(wanted.file, folders)
        if file is None:
            hint = f" ({allow(wanted.file, self._named)})" if self._named else ""
            raise ValueError(f"there is no list {wanted.file[:100]!r}{hint}")
        return wanted.model_copy(update={"file": str(file)})

    def refresh(self) -> list[Problem]:
        """Take what has changed: lists of values at once, lists of indicators as `Indicators.refresh` does.

        What is wrong with a changed file is answered once; its former content stays in use. A large list of values takes
        up to a second, so call it from a thread where that is too long; what rules ask meanwhile is answered as before.
        """
        problems = self._refresh_values() if self._lists else []
        if self._indicators is not None:
            self._indicators.refresh()
        return problems

    def _refresh_values(self) -> list[Problem]:
        from fenghuo.rules.files.value_list import ListError  # noqa: PLC0415 — as above
        from fenghuo.rules.indicators.registry import mark_of  # noqa: PLC0415 — as above

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
        return problems


@dataclass(frozen=True, slots=True)
class RuleLists:
    """The lists as one rule file names them."""

    lists: Lists
    folders: Sequence[Path]

    def get(self, name: str) -> ValueList | None:
        """A list of values, for `where`; None where there is none, ListError where it is wrong."""
        return self.lists.get(name, self.folders)

    def indicators(self, wanted: str | ListSource) -> ListHandle:
        """A hold on a list of indicators; ValueError where there is none."""
        return self.lists.indicators.use(self.lists.source(wanted, self.folders))

    @property
    def current(self) -> IndicatorSet:
        """The indicators in use now."""
        return self.lists.indicators.current
