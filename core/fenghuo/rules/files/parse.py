"""One YAML document → a rule, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from fenghuo.config import Section, document
from fenghuo.config.document import Tree
from fenghuo.config.mistakes import explain
from fenghuo.config.plain import Plain, Unusual, read_plain
from fenghuo.config.validate import validate
from fenghuo.config.words import allow, printable
from fenghuo.errors import Located, Place, Problem
from fenghuo.model import LEVELS, Level
from fenghuo.rules.files.calendars import Named, parse_calendar
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.needed import Needed
from fenghuo.rules.files.section import RuleSection
from fenghuo.rules.kinds import KINDS, Kind
from fenghuo.rules.kinds.base import milliseconds, parse_clear
from fenghuo.rules.language.expression import VARIABLES, ExpressionError, Node, parse_condition, parse_number
from fenghuo.rules.language.template import Template, compile_template
from fenghuo.rules.language.where import Where
from fenghuo.rules.rule import Body, Rule, Unloaded
from fenghuo.rules.runtime.observe import Observer
from fenghuo.rules.runtime.schedule import Schedule, ScheduleSection, read_schedule
from fenghuo.rules.runtime.telling import underscored
from fenghuo.rules.tools.readings import Readings

T = TypeVar("T")
S = TypeVar("S", bound=Section)

FILE = ""
"""Stands for the file in places, until it is known where the document is."""
SIGMA = ("detection", "correlation", "filter", "pipeline", "action")
"""A document without `kind` that has one of these keys is Sigma's."""
OVERLAY = "overlay"
"""A document with this key changes a rule."""
TESTS = "tests"
CALENDAR = "calendar"
"""A document with this key is a named calendar, for schedules of rules."""


START = Place(FILE, 1, 1)


Looked = tuple[Tree, list[Problem], set[Tree]]
"""A tree, what is wrong with it, and the values that are already known to be wrong."""


class Source:
    """A document's data, and its tree where someone asks where a value stands. `plain`: the data, where they are known.

    Without `with_tests` its tests are passed over; `is_tested` says whether it has some.
    """

    def __init__(self, look: Callable[[], Looked], plain: Plain | None = None, *, with_tests: bool = True) -> None:
        self._look = look
        self._with_tests = with_tests
        self.is_usual = plain is not None
        self.data: Any = plain.data if plain else self.tree.data()
        self.start = Place(FILE, *plain.start) if plain else Place(FILE, self.tree.line, self.tree.column)
        self.is_tested = bool(self.keys.get(TESTS)) if plain else TESTS in (self.looked_at[0].children or {})
        if not with_tests and TESTS in self.keys:
            self.data = {key: value for key, value in self.keys.items() if key != TESTS}

    @classmethod
    def of(cls, content: bytes, *, with_tests: bool = True) -> Source:
        """Of a document's content. Raises `Located` where nothing can be made of it."""

        def look() -> Looked:
            return document.read(content, FILE, None)

        try:
            return cls(look, read_plain(content), with_tests=with_tests)
        except Unusual:
            return cls(look, with_tests=with_tests)

    @classmethod
    def of_tree(cls, tree: Tree) -> Source:
        """Of what was merged."""
        return cls(lambda: (tree, [], set()))

    @cached_property
    def looked_at(self) -> Looked:
        """The tree and what is wrong with it."""
        return self._look()

    @cached_property
    def tree(self) -> Tree:
        """The tree, with the tests only where they count."""
        tree = self.looked_at[0]
        if self._with_tests or not tree.children or tree.is_list:
            return tree
        return replace(tree, children={key: child for key, child in tree.children.items() if key != TESTS})

    @property
    def keys(self) -> Mapping[str, Any]:
        """The data as a mapping; an empty one where they are none."""
        data: Any = self.data
        return cast("Mapping[str, Any]", data) if isinstance(data, dict) else {}

    @property
    def is_empty(self) -> bool:
        return self.data is None or self.data == {}

    @property
    def is_sigma(self) -> bool:
        return "kind" not in self.keys and any(key in self.keys for key in SIGMA)

    @property
    def is_overlay(self) -> bool:
        return OVERLAY in self.keys

    @property
    def is_calendar(self) -> bool:
        return CALENDAR in self.keys and "kind" not in self.keys

    def validated(self, model: type[S]) -> tuple[S | None, list[Problem]]:
        """The document as a section of this model; None, and what is wrong, where it is none."""
        if self.is_usual:
            try:
                return model.model_validate(self.data), []
            except ValidationError:
                pass  # the tree knows how scalars were written, and where
        section, errors, seen = validate(self.tree, model)
        return section, explain(errors, self.tree, FILE, seen=seen, wrong=self.looked_at[2], secrets={})

    def text(self, key: str) -> str:
        """A key's value as it is written; empty where it is none."""
        value = self.keys.get(key)
        if isinstance(value, str):
            return value[:200]
        node = (self.tree.children or {}).get(key) if value is not None else None
        return (node.text or "")[:200] if node else ""

    def place(self, *path: str) -> Place:
        """Of a key's value, or of the document."""
        if not path:
            return self.start
        node = self.tree
        for key in path:
            node = (node.children or {}).get(key, node)
        return Place(FILE, node.line, node.column)


@dataclass(frozen=True)
class Parsed:
    """What a document is: a rule, the source of an overlay or of Sigma's, nothing, or wrong.

    `id`, `title` and `name` are as written, for what cannot be loaded.
    """

    rule: Rule | None = None
    source: Source | None = None
    problems: tuple[Problem, ...] = ()
    id: str = ""
    title: str = ""
    name: str = ""
    start: Place = START
    is_tested: bool = False
    calendar: Named | None = None
    asleep: str = ""
    """Why it is not needed here; then nothing else was made of it."""

    @property
    def is_empty(self) -> bool:
        made = (self.rule, self.source, self.calendar)
        return not (self.problems or self.asleep or any(each is not None for each in made))

    def unloaded(self, place: Place, reason: str) -> Unloaded:
        return Unloaded(self.id, self.title, place, reason)


def parse_document(
    content: bytes, lists: RuleLists, *, with_tests: bool = True, needed: Needed | None = None
) -> Parsed:
    """A document, with places that count from its own first line.

    `with_tests`: its tests are read too. `needed`: what is not needed is only named.
    """
    try:
        source = Source.of(content, with_tests=with_tests)
        found = [] if source.is_usual else source.looked_at[1]
    except Located as error:
        return Parsed(problems=error.problems)
    if source.is_empty and not found:
        return Parsed()
    if needed is not None and source.is_usual and not (source.is_overlay or source.is_calendar):
        asleep = needed.reason_against(source.keys)
        if asleep:
            return _named(Parsed(asleep=asleep), source)
    if not found and (source.is_overlay or source.is_sigma):
        return _named(Parsed(source=source), source)
    if source.is_calendar:
        calendar = parse_calendar(source)
        if isinstance(calendar, Named) and not found:
            return Parsed(calendar=calendar)
        problems = (*found, *(calendar if isinstance(calendar, list) else ()))
        return _named(Parsed(problems=tuple(problems)), source)
    return parse_source(source, lists)


def parse_source(source: Source, lists: RuleLists, kind: Kind | None = None) -> Parsed:
    """A rule from its source; `kind`: which it is, where the source does not say it."""
    reader = RuleReader(source, lists)
    rule = reader.rule(kind)
    found = [] if source.is_usual else source.looked_at[1]
    problems = sorted(dict.fromkeys((*found, *reader.problems)), key=lambda each: (each.place.line, each.place.column))
    if rule is not None and not problems:
        return Parsed(
            rule, id=rule.id, title=rule.title, name=rule.name, start=source.start, is_tested=source.is_tested
        )
    return _named(Parsed(problems=tuple(problems)), source)


def _named(parsed: Parsed, source: Source) -> Parsed:
    return replace(
        parsed, id=source.text("id"), title=source.text("title"), name=source.text("name"), start=source.start
    )


class RuleReader:
    """A source → a rule; `problems` is what is wrong with it."""

    def __init__(self, source: Source, lists: RuleLists) -> None:
        self._source = source
        self.lists = lists
        self.problems: list[Problem] = []

    def rule(self, kind: Kind | None = None) -> Rule | None:
        """The rule; None where something is wrong."""
        kind = kind or self._kind()
        section = self._section(kind.section) if kind else None
        if kind is None or section is None:
            if kind is not None:
                self._check_texts(kind.in_names)
            return None
        read = kind.read(section, self)
        if read is not None:
            self._check_suppression(section, read[0])
        levels = self._levels(section)
        self._check_tests(section)
        message = self.read("message", section.message, compile_template)
        message_zh = self.read("message_zh", section.message_zh, compile_template)
        message_resolved = self._over("message_resolved", section.message_resolved)
        message_resolved_zh = self._over("message_resolved_zh", section.message_resolved_zh)
        schedule = self._schedule(section.schedule)
        if read is None or message is None or message_zh is None or self.problems:
            return None
        body, holds = read
        over = (*compile_template(section.message_resolved)[1], *compile_template(section.message_resolved_zh)[1])
        is_of_events = isinstance(body, Observer) and body.data is None
        where = self._where(("where",), {} if is_of_events else section.where)
        exceptions = [
            self._where(("exceptions", str(number)), matches)
            for number, matches in enumerate(() if is_of_events else section.exceptions)
        ]
        if where is None or self.problems:
            return None
        return Rule(
            section=section,
            kind=kind.name,
            body=body,
            place=self._source.start,
            where=where,
            exceptions=tuple(exception for exception in exceptions if exception is not None),
            levels=levels,
            holds=holds,
            message=message[0],
            message_zh=message_zh[0],
            message_resolved=message_resolved,
            message_resolved_zh=message_resolved_zh,
            schedule=schedule,
            lateness=milliseconds(section.lateness),
            wanted=_wanted(section, (*message[1], *message_zh[1], *over)) if isinstance(body, Observer) else (),
        )

    def _where(self, path: tuple[str, ...], matches: Mapping[str, Sequence[str]]) -> Where | None:
        return self._read_at(path, "", lambda _: Where(matches, lists=self.lists))

    def _check_suppression(self, section: RuleSection, body: Body | Observer) -> None:
        """The alerts of a rule over events have the labels of `group_by` only: others would never be the same as another's."""
        if section.suppress_if is None or not isinstance(body, Observer):
            return
        if body.data is not None and section.group_by is None:
            return
        labels = {*(section.group_by or ()), *section.labels}
        for name in section.suppress_if.by:
            if underscored(name) not in map(underscored, labels):
                message = f"suppress_if.by: alerts of this rule have no label {name!r}"
                self._say(self._source.place("suppress_if"), message, "name it in 'group_by'")

    def _over(self, key: str, text: str) -> Template | None:
        """What is said when it is over, where the rule says it itself."""
        found = self.read(key, text, compile_template) if text else None
        return None if found is None else found[0]

    def _schedule(self, section: ScheduleSection | None) -> Schedule | None:
        return None if section is None else self.read("schedule", "", lambda _: read_schedule(section))

    def _say(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(Problem(place, printable(message), printable(hint)))

    def _kind(self) -> Kind | None:
        source = self._source
        if not isinstance(source.data, dict):
            self._say(source.start, "expected a rule: lines of `key: value`")
            return None
        if "kind" not in source.keys:
            self._say(source.start, "'kind' is missing", f"allowed: {', '.join(KINDS)}")
            return None
        name = source.text("kind")
        if name not in KINDS:
            self._say(source.place("kind"), f"unknown kind {name[:60]!r}", allow(name, KINDS))
            return None
        return KINDS[name]

    def _section(self, model: type[RuleSection]) -> RuleSection | None:
        section, problems = self._source.validated(model)
        self.problems += problems
        return section

    def read(self, key: str, text: str, parse: Callable[[str], T]) -> T | None:
        """As `Reader.read`."""
        return self._read_at(tuple(key.split(".")), text, parse)

    def _read_at(self, path: tuple[str, ...], text: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(text)
        except ExpressionError as error:
            place = self._source.place(*path)
            place = Place(place.file, place.line, place.column + error.offset)
            self._say(place, f"{'.'.join(path)}: {error}", error.hint)
        except ValueError as error:
            key: str = getattr(error, "key", "")  # a wrong `where` names the key that is wrong
            place = self._source.place(*path, key) if key else self._source.place(*path)
            self._say(place, f"{'.'.join((*path, key) if key else path)}: {error}", getattr(error, "hint", ""))
        return None

    def _levels(self, section: RuleSection) -> tuple[tuple[Level, Node | None], ...]:
        if isinstance(section.level, str):
            return ((section.level, None),)
        if not section.level:
            self._say(self._source.place("level"), "level: no level is named", f"allowed: {', '.join(LEVELS)}")
        found: list[tuple[Level, Node | None]] = []
        for level in LEVELS:
            if level in section.level:
                node = self._read_at(("level", level), section.level[level], parse_condition)
                found.append((level, node))
        return tuple(found)

    def _check_texts(self, in_names: tuple[str, ...]) -> None:
        """What can be said of expressions and templates although other keys are wrong."""
        every = frozenset(VARIABLES)
        parsers: dict[str, Callable[[str], object]] = {
            "data": parse_number,
            "condition": lambda text: parse_condition(text, every),
            "clear": lambda text: parse_clear(text, every),
            "message": compile_template,
            "message_zh": compile_template,
        }
        children = self._source.tree.children or {}
        for key, parse in parsers.items():
            if key in children and children[key].text and key not in in_names:
                self.read(key, children[key].text or "", parse)
        levels = children["level"].children if "level" in children else None
        for level, node in (levels or {}).items():
            if level in LEVELS and node.text:
                self._read_at(("level", level), node.text, parse_condition)

    def _check_tests(self, section: RuleSection) -> None:
        readings = Readings(section.measurement)
        for number, case in enumerate(section.tests):
            for index, entry in enumerate(case.input):
                path = ("tests", str(number), "input", str(index))
                self._read_at(path, "", lambda _, entry=entry: readings.check(entry))


def _wanted(section: RuleSection, names: Iterable[str]) -> tuple[str, ...]:
    """The fields of an event that messages and parties name."""
    parties = (section.culprit, section.victim)
    fields = (field for party in parties for field in (party.ip, party.mac, party.name) if field)
    made = ("value", "level", "for", "rule")
    return tuple(name for name in dict.fromkeys((*names, *fields)) if name not in made)
