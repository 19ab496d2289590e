"""Rule files → a valid set of rules, or everything that is wrong with all of them."""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING

from fenghuo.errors import Located, Problem
from fenghuo.rules.files.documents import Text, find_files, read_texts, split
from fenghuo.rules.files.gather import Gathered, SigmaKey, in_order
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.needed import Needed
from fenghuo.rules.files.parse import OVERLAY, Parsed, parse_document
from fenghuo.rules.files.references import Wrong
from fenghuo.rules.rule import Rule, RuleSet, Unloaded

if TYPE_CHECKING:
    from fenghuo.rules.sigma import LoadedSigma

_LISTS = re.compile(rb"\|list|lists:")
"""In a document that may name a list; one that was refused is read again each time, for the list may be there now."""


class Parses:
    """What was made of documents, by their content, so that a set that is read again parses only what changed.

    Without `keep_tests` the tests of rules are passed over: they are most of what there is to read and to keep, and a rule
    judges as well if they are wrong. They are for `fenghuo rules check` and `test`.
    `lists` are the lists from files that the rules name. `needed` says which rules are of use here; of the others only the
    names are taken, unless an overlay speaks of them.
    """

    def __init__(self, *, keep_tests: bool = True, lists: Lists | None = None, needed: Needed | None = None) -> None:
        self._keep_tests = keep_tests
        self._needed = needed
        self.lists = lists or Lists()
        self._known: dict[tuple[bytes, Path], Parsed] = {}
        self._used: dict[tuple[bytes, Path], Parsed] = {}
        self._sigma: tuple[SigmaKey, LoadedSigma] | None = None
        self._reading: list[tuple[str, int, bytes]] = []
        self.read: tuple[tuple[str, int, bytes], ...] = ()
        """File, line and digest of the documents that were read last."""

    def of(self, text: Text, overlaid: Collection[str] = ()) -> Parsed:
        """What a document is; `overlaid` are names and ids of rules that overlays speak of."""
        folder = Path(text.file).parent
        key = text.digest, folder
        parsed = self._used.get(key) or self._known.get(key)
        if parsed is None or (parsed.problems and _LISTS.search(text.content)):
            parsed = self._parse(text, folder, self._needed)
        if parsed.asleep and (parsed.name in overlaid or parsed.id in overlaid):
            parsed = self._parse(text, folder, None)
        self._used[key] = parsed
        self._reading.append((text.file, text.line, text.digest))
        return parsed

    def _parse(self, text: Text, folder: Path, needed: Needed | None) -> Parsed:
        return parse_document(text.content, self.lists.at(folder), with_tests=self._keep_tests, needed=needed)

    def overlaid(self, texts: Iterable[Text]) -> frozenset[str]:
        """The names and ids of rules that overlays among these documents speak of; only asked where some are not needed."""
        if self._needed is None:
            return frozenset()
        overlays = (self.of(text).source for text in texts if b"overlay" in text.content)
        return frozenset(source.text(OVERLAY) for source in overlays if source is not None and source.is_overlay)

    def take_sigma(self, gathered: Gathered, known: Iterable[str]) -> None:
        """Let a set take its Sigma rules: those of the last time where nothing of them changed."""
        key = gathered.sigma_key(known)
        if self._sigma is None or self._sigma[0] != key:
            loaded = gathered.load_sigma(known)
            self._sigma = None if loaded is None else (key, loaded)
        if self._sigma is not None:
            gathered.take_sigma(self._sigma[1])

    def settle(self) -> None:
        """Forget what was not asked for since the last time, and what is quickly made again."""
        self._known = {key: parsed for key, parsed in self._used.items() if parsed.source is None}
        self._used = {}
        self.read, self._reading = tuple(self._reading), []


def load_rules(
    paths: Sequence[Path],
    *,
    require_tests: bool = False,
    keep_tests: bool = True,
    base: Sequence[Path] = (),
    known: Iterable[str] = (),
    parses: Parses | None = None,
    lists: Lists | None = None,
) -> RuleSet:
    """The rules of these files and of all `*.yaml` and `*.yml` files below these folders.

    Without `keep_tests` the rules' tests are passed over, whatever they say. `base` are files of rules that overlays and rules here may
    speak of; of them only those that are changed here are among the answer, and one that stands here too is not meant. `known` are more names of rules that may be
    spoken of. `parses` remembers what was read before (and says whether tests are kept, and where lists are); `lists`
    are the lists from files.
    Raises `Located` with every problem of every file, in reading order; then no rule is loaded.
    """
    loaded, problems = read_rules(
        paths, require_tests=require_tests, keep_tests=keep_tests, base=base, known=known, parses=parses, lists=lists
    )
    if problems:
        raise Located(problems)
    return loaded


@contextmanager
def _uncollected() -> Generator[None]:
    """Nothing of what is read is garbage yet: looking for it again and again would be an eighth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_uncollected()
def read_rules(
    paths: Sequence[Path],
    *,
    require_tests: bool = False,
    keep_tests: bool = True,
    base: Sequence[Path] = (),
    known: Iterable[str] = (),
    parses: Parses | None = None,
    lists: Lists | None = None,
) -> tuple[RuleSet, list[Problem]]:
    """As `load_rules`, but answers with both: the rules that are right, and what is wrong with the others."""
    parses = parses or Parses(keep_tests=keep_tests, lists=lists)
    gathered = Gathered(parses.lists)
    files = find_files(paths, gathered.problems)
    asked = {realpath(file) for file in files}
    of_base = [file for file in find_files(base, []) if realpath(file) not in asked]
    texts = [(text, False) for file in of_base for text in read_texts(file, [])]
    texts += [(text, True) for file in files for text in read_texts(file, gathered.problems)]
    overlaid = parses.overlaid(text for text, _ in texts)
    for text, is_asked in texts:
        gathered.take(text, parses.of(text, overlaid), is_asked=is_asked)
    known = tuple(known)
    parses.take_sigma(gathered, known)
    gathered.drop_replaced()
    gathered.apply_overlays()
    gathered.bind_calendars()
    wrong = gathered.check(known, require_tests=require_tests)
    parses.settle()
    return _rule_set(gathered, wrong, files), in_order([*gathered.problems, *(each.problem for each in wrong)], files)


def _rule_set(gathered: Gathered, wrong: Sequence[Wrong], files: Sequence[Path]) -> RuleSet:
    """The rules that are right, in reading order; with the reason of those that are not."""
    reasons: dict[int, str] = {}
    for each in wrong:
        reasons.setdefault(id(each.rule), each.problem.message)
    order = {str(file): number for number, file in enumerate(files)}
    asked = [entry.rule for entry in gathered.entries if entry.is_asked]
    asked.sort(key=lambda rule: (order.get(rule.place.file, -1), rule.place.line))
    refused = [Unloaded(rule.id, rule.title, rule.place, reasons[id(rule)]) for rule in asked if id(rule) in reasons]
    return RuleSet(
        rules=tuple(rule for rule in asked if id(rule) not in reasons),
        inapplicable=tuple(gathered.inapplicable),
        refused=(*gathered.refused, *refused),
        files=tuple(files),
        lists=gathered.lists,
        overlays=tuple(gathered.overlays),
        asleep=tuple(gathered.asleep),
    )


def parse_rules(content: bytes, file: str) -> tuple[list[Rule], list[Problem]]:
    """The rules of one file's content, without the checks of the set as a whole."""
    gathered = Gathered(Lists())
    for text in split(content, file):
        gathered.take(text, parse_document(text.content, gathered.lists.at(Path(file).parent)))
    gathered.bind_calendars()
    return gathered.rules, gathered.problems
