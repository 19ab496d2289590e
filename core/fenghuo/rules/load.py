"""Rule files → a valid set of rules, or everything that is wrong with all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fenghuo.errors import Located, Place, Problem
from fenghuo.rules.documents import Text, find_files, read_texts, split
from fenghuo.rules.lists import Lists
from fenghuo.rules.parse import FILE, Parsed, Source, parse_document
from fenghuo.rules.references import Wrong, check_names, check_references
from fenghuo.rules.rule import Rule, RuleSet, Unloaded

_LISTS = re.compile(rb"\|list|lists:")
"""In a document that may name a list; one that was refused is read again each time, for the list may be there now."""


class Parses:
    """What was made of documents, by their content, so that a set that is read again parses only what changed.

    Without `keep_tests` the tests of rules are checked and let go: they are larger than all else that is kept of a rule.
    `lists` are the lists from files that the rules name.
    """

    def __init__(self, *, keep_tests: bool = True, lists: Lists | None = None) -> None:
        self._keep_tests = keep_tests
        self.lists = lists or Lists()
        self._known: dict[tuple[bytes, Path], Parsed] = {}
        self._used: dict[tuple[bytes, Path], Parsed] = {}

    def of(self, text: Text) -> Parsed:
        """What a document is."""
        folder = Path(text.file).parent
        key = text.digest, folder
        parsed = self._used.get(key) or self._known.get(key)
        if parsed is None or (parsed.problems and _LISTS.search(text.content)):
            parsed = parse_document(text.content, self.lists.at(folder))
            if not self._keep_tests:
                parsed = parsed.without_tests()
        self._used[key] = parsed
        return parsed

    def settle(self) -> None:
        """Forget what was not asked for since the last time, and what is quickly made again."""
        self._known = {key: parsed for key, parsed in self._used.items() if parsed.source is None}
        self._used = {}


def load_rules(
    paths: Sequence[Path],
    *,
    require_tests: bool = False,
    keep_tests: bool = True,
    known: Iterable[str] = (),
    parses: Parses | None = None,
    lists: Lists | None = None,
) -> RuleSet:
    """The rules of these files and of all `*.yaml` and `*.yml` files below these folders.

    Without `keep_tests` the rules' tests are checked and let go. `known` are names of rules outside these files that rules
    may speak of; `parses` remembers what was read before (and says whether tests are kept, and where lists are);
    `lists` are the lists from files.
    Raises `Located` with every problem of every file, in reading order; then no rule is loaded.
    """
    loaded, problems = read_rules(
        paths, require_tests=require_tests, keep_tests=keep_tests, known=known, parses=parses, lists=lists
    )
    if problems:
        raise Located(problems)
    return loaded


def read_rules(
    paths: Sequence[Path],
    *,
    require_tests: bool = False,
    keep_tests: bool = True,
    known: Iterable[str] = (),
    parses: Parses | None = None,
    lists: Lists | None = None,
) -> tuple[RuleSet, list[Problem]]:
    """As `load_rules`, but answers with both: the rules that are right, and what is wrong with the others."""
    parses = parses or Parses(keep_tests=keep_tests, lists=lists)
    problems: list[Problem] = []
    files = find_files(paths, problems)
    reading = _Reading(problems=problems)
    for file in files:
        for text in read_texts(file, problems):
            reading.take(text, parses.of(text))
    wrong = _check(reading, require_tests=require_tests, known=known)
    parses.settle()
    reasons: dict[int, Problem] = {}
    for each in wrong:
        reasons.setdefault(id(each.rule), each.problem)
    right = [rule for rule in reading.rules if id(rule) not in reasons]
    refused = [
        Unloaded(rule.id, rule.title, rule.place, reasons[id(rule)].message)
        for rule in reading.rules
        if id(rule) in reasons
    ]
    loaded = RuleSet(
        tuple(right), tuple(reading.inapplicable), (*reading.refused, *refused), tuple(files), parses.lists
    )
    return loaded, _in_order([*problems, *(each.problem for each in wrong)], files)


def parse_rules(content: bytes, file: str) -> tuple[list[Rule], list[Problem]]:
    """The rules of one file's content, without the checks of the set as a whole."""
    reading = _Reading()
    for text in split(content, file):
        reading.take(text, parse_document(text.content, Lists().at(Path(file).parent)))
    return reading.rules, reading.problems


@dataclass(slots=True)
class _Reading:
    """What was found in the files so far."""

    rules: list[Rule] = field(default_factory=list[Rule])
    texts: dict[int, Text] = field(default_factory=dict[int, Text])
    untested: list[Rule] = field(default_factory=list[Rule])
    inapplicable: list[Unloaded] = field(default_factory=list[Unloaded])
    refused: list[Unloaded] = field(default_factory=list[Unloaded])
    refused_names: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])

    def take(self, text: Text, parsed: Parsed) -> None:
        start = text.place(parsed.start)
        if parsed.rule is not None:
            rule = replace(parsed.rule, place=start)
            self.rules.append(rule)
            self.texts[id(rule)] = text
            if not parsed.is_tested:
                self.untested.append(rule)
        elif parsed.source is not None:
            self.inapplicable.append(
                parsed.unloaded(start, "a Sigma document; this version runs no kind that reads it")
            )
        elif parsed.problems:
            problems = [text.problem(problem) for problem in parsed.problems]
            self.problems += problems
            self.refused.append(parsed.unloaded(start, problems[0].message))
            self.refused_names.append(parsed.name)

    def find(self, rule: Rule, key: str, word: str) -> Place:
        """Where a rule says a word below a key (anywhere if the key is empty)."""
        text = self.texts.get(id(rule))
        if text is None:
            return rule.place
        tree = Source(text.content).tree
        within = (tree.children or {}).get(key, tree) if key else tree
        for node in within.walk():
            if node.text == word:
                return text.place(Place(FILE, node.line, node.column))
        return text.place(Place(FILE, within.line, within.column))


def _check(reading: _Reading, *, require_tests: bool, known: Iterable[str]) -> list[Wrong]:
    wrong = [Wrong(rule, _untested(rule)) for rule in reading.untested if require_tests]
    wrong += check_names(reading.rules, reading.find)
    wrong += check_references(reading.rules, {*known, *reading.refused_names}, reading.find)
    return wrong


def _untested(rule: Rule) -> Problem:
    return Problem(rule.place, f"rule {rule.name!r} has no tests", "a rule that ships shows when it fires and when not")


def _in_order(problems: Iterable[Problem], files: Sequence[Path]) -> list[Problem]:
    order = {str(file): number for number, file in enumerate(files)}
    return sorted(problems, key=lambda each: (order.get(each.place.file, -1), each.place.line, each.place.column))
