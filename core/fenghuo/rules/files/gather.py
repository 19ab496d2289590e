"""The rules of a set, as its documents come in: native ones, Sigma's, and those that overlays change."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fenghuo.config.document import Tree
from fenghuo.errors import Place, Problem
from fenghuo.rules.files.calendars import Calendars, Named
from fenghuo.rules.files.documents import Text
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.overlay import Draft, apply_overlays, match_overlays
from fenghuo.rules.files.parse import FILE, Parsed, Source
from fenghuo.rules.files.references import Wrong, check_names, check_references, observed
from fenghuo.rules.rule import Overlay, Rule, Unloaded

if TYPE_CHECKING:
    from fenghuo.rules.sigma import LoadedSigma

_NOT_SAID_IN = frozenset({"id", "name", "title", "description", "message", "tests"})
"""Keys below which a rule does not say whose alerts it looks at."""
SigmaKey = tuple[object, ...]
"""What the outcome of a set's Sigma documents depends on."""


@dataclass(slots=True)
class Entry:
    """A rule and the document that it comes from. `is_asked`: of the files that were asked for, not of the base."""

    rule: Rule
    text: Text | None
    is_tested: bool
    is_asked: bool
    drafts: Sequence[Draft] = ()
    unknown: Sequence[tuple[str, str]] = ()
    """Names of calendars in its schedule that are none, with hints."""


@dataclass(slots=True)
class Gathered:
    """What was found in the files so far. `refused_words`: names and ids of rules that are wrong, or not needed here."""

    lists: Lists
    calendars: list[Named] = field(default_factory=list[Named])
    entries: list[Entry] = field(default_factory=list[Entry])
    overlays: list[Overlay] = field(default_factory=list[Overlay])
    inapplicable: list[Unloaded] = field(default_factory=list[Unloaded])
    refused: list[Unloaded] = field(default_factory=list[Unloaded])
    asleep: list[Unloaded] = field(default_factory=list[Unloaded])
    refused_words: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])
    _drafts: list[Draft] = field(default_factory=list[Draft])
    _sigma: list[tuple[Text, Source, bool]] = field(default_factory=list[tuple[Text, Source, bool]])

    @property
    def rules(self) -> list[Rule]:
        return [entry.rule for entry in self.entries]

    def take(self, text: Text, parsed: Parsed, *, is_asked: bool = True) -> None:
        """Take a document. Of the base (not `is_asked`) only what is right counts."""
        start = text.place(parsed.start)
        if parsed.calendar is not None:
            self.calendars.append(replace(parsed.calendar, place=start))
        elif parsed.rule is not None:
            self.entries.append(Entry(replace(parsed.rule, place=start), text, parsed.is_tested, is_asked))
        elif parsed.source is not None and parsed.source.is_overlay:
            self._drafts += [Draft(text, parsed.source)]
        elif parsed.source is not None:
            self._sigma.append((text, parsed.source, is_asked))
        elif parsed.asleep:
            self.asleep.append(parsed.unloaded(start, parsed.asleep))
            self.refused_words += [word for word in (parsed.name, parsed.id) if word]
        elif parsed.problems:
            self.refused_words += [word for word in (parsed.name, parsed.id) if word]
            if is_asked:
                problems = [text.problem(problem) for problem in parsed.problems]
                self.problems += problems
                self.refused.append(parsed.unloaded(start, problems[0].message))

    # Sigma

    def sigma_key(self, known: Iterable[str]) -> SigmaKey:
        """Two sets with the same key have the same Sigma rules."""
        documents = ((text.file, text.line, text.digest) for text, _, _ in self._sigma)
        return (*documents, *sorted({*known, *(rule.name for rule in self.rules)}))

    def load_sigma(self, known: Iterable[str]) -> LoadedSigma | None:
        """The rules of the set's Sigma documents; None where there is none."""
        if not self._sigma:
            return None
        from fenghuo.rules.sigma import SigmaDocument, load_sigma  # noqa: PLC0415 — heavy, and rarely needed

        def document(text: Text, source: Source) -> SigmaDocument:
            return SigmaDocument(source.keys, text.place(source.start), lambda path: text.place(source.place(*path)))

        documents = [document(text, source) for text, source, _ in self._sigma]
        return load_sigma(documents, known=[*known, *(rule.name for rule in self.rules)])

    def take_sigma(self, loaded: LoadedSigma) -> None:
        """Take what became of the Sigma documents."""
        by_place = {text.place(source.start): (text, is_asked) for text, source, is_asked in self._sigma}

        def is_asked(place: Place) -> bool:
            return by_place.get(place, (None, True))[1]

        self.entries += [Entry(rule, None, is_tested=True, is_asked=is_asked(rule.place)) for rule in loaded.rules]
        self.inapplicable += [item for item in loaded.inapplicable if is_asked(item.place)]
        self.refused += [item for item in loaded.refused if is_asked(item.place)]
        asked = {text.file for text, _, is_asked in self._sigma if is_asked}
        self.problems += [problem for problem in loaded.problems if problem.place.file in asked]

    def drop_replaced(self) -> None:
        """Of the base, forget the rules that stand once more in the files that were asked for: those are meant.

        Another rule of the same name does not take its place: at the agent the two would clash.
        """
        asked = {entry.rule.id for entry in self.entries if entry.is_asked}
        asked.update(word for item in (*self.refused, *self.inapplicable) for word in (item.id,) if word)
        self.entries = [entry for entry in self.entries if entry.is_asked or entry.rule.id not in asked]

    # Overlays

    def apply_overlays(self) -> None:
        """Change the rules as the overlays say; those of the base that are changed count as asked for."""
        by_rule, problems = match_overlays(self._drafts, self.rules, self.refused_words)
        self.problems += problems
        for number, drafts in by_rule.items():
            entry = self.entries[number]
            applied = apply_overlays(entry.rule, entry.text, drafts, self.lists)
            self.problems += applied.problems
            self.overlays += applied.overlays
            if applied.rule is not None:
                entry.rule, entry.is_asked, entry.drafts = applied.rule, True, drafts

    # The set as a whole

    def bind_calendars(self) -> None:
        """Give the schedules of rules the calendars that they name; a rule that names an unknown one is not bound."""
        calendars = Calendars(self.calendars)
        self.problems += calendars.check()
        for entry in self.entries:
            if entry.rule.schedule is not None:
                entry.unknown = calendars.unknown(entry.rule.schedule)
                entry.rule = calendars.bind(entry.rule)

    def check(self, known: Iterable[str], *, require_tests: bool) -> list[Wrong]:
        """What is wrong with rules that are right by themselves."""
        wrong: list[Wrong] = []
        if require_tests:
            wrong += [Wrong(entry.rule, _untested(entry.rule)) for entry in self.entries if not entry.is_tested]
        wrong += check_names(self.rules, self.find)
        wrong += check_references(self.rules, {*known, *self.refused_words}, self.find)
        for entry in self.entries:
            wrong += [
                Wrong(
                    entry.rule,
                    Problem(self.find(entry.rule, "schedule", name), f"schedule: no calendar is named {name!r}", hint),
                )
                for name, hint in entry.unknown
            ]
        asked = {id(entry.rule) for entry in self.entries if entry.is_asked}
        return [each for each in wrong if id(each.rule) in asked] + list(self._check_running(asked))

    def _check_running(self, asked: Collection[int]) -> Iterator[Wrong]:
        """A rule that stands on others runs where they do, and does not without them: it would be silently dead."""
        by_name = {entry.rule.name: entry for entry in self.entries}
        for entry in self.entries:
            rule = entry.rule
            for name in observed(rule) if rule.section.enabled else ():
                other = by_name.get(name)
                if other is None:
                    continue
                draft = next((draft for draft in other.drafts if "enabled" in draft.source.keys), None)
                if id(rule) not in asked and draft is None:
                    continue
                if not other.rule.section.enabled:
                    place = self.find(rule, "", name) if draft is None else draft.place("enabled")
                    message = f"{rule.name!r} stands on {name!r}, which is disabled"
                    yield Wrong(rule, Problem(place, message, "enable that one, or disable this one as well"))
                elif rule.section.runs == "agent" and other.rule.section.runs == "collector":
                    message = f"{rule.name!r} stands on {name!r}, which runs at the collector"
                    yield Wrong(rule, Problem(self.find(rule, "", name), message, "say `runs: collector`"))

    def find(self, rule: Rule, key: str, word: str) -> Place:
        """Where a rule, or an overlay of it, says a word below a key (anywhere if the key is empty)."""
        entry = next(entry for entry in self.entries if entry.rule is rule)
        for draft in reversed(entry.drafts):
            if found := _find(draft.source.tree, key, word):
                return draft.text.place(found)
        if entry.text is None:
            return rule.place
        return entry.text.place(_find(Source.of(entry.text.content).tree, key, word) or Place(FILE, 1, 1))


def _find(tree: Tree, key: str, word: str) -> Place | None:
    children = tree.children or {}
    within = [child for name, child in children.items() if (name == key if key else name not in _NOT_SAID_IN)]
    nodes = [node for child in within for node in child.walk() if node.text]
    in_a_condition = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
    found = next((node for node in nodes if node.text == word), None) or next(
        (node for node in nodes if in_a_condition.search(node.text or "")), within[0] if key and within else None
    )
    return Place(FILE, found.line, found.column) if found else None


def _untested(rule: Rule) -> Problem:
    return Problem(rule.place, f"rule {rule.name!r} has no tests", "a rule that ships shows when it fires and when not")


def in_order(problems: Iterable[Problem], files: Sequence[Path]) -> list[Problem]:
    """Problems in reading order."""
    order = {str(file): number for number, file in enumerate(files)}
    return sorted(problems, key=lambda each: (order.get(each.place.file, -1), each.place.line, each.place.column))
