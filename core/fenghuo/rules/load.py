"""Rule files → a valid set of rules, or everything that is wrong with all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from fenghuo.config import document
from fenghuo.config.document import MAX_BYTES, Tree
from fenghuo.config.mistakes import explain
from fenghuo.config.validate import validate
from fenghuo.config.words import allow, printable, suggest
from fenghuo.errors import Located, Place, Problem
from fenghuo.model import LEVELS, Level
from fenghuo.rules.expression import VARIABLES, ExpressionError, Node, parse_condition, parse_number
from fenghuo.rules.kinds import KINDS, Kind
from fenghuo.rules.kinds.base import milliseconds, parse_clear
from fenghuo.rules.observe import Observer
from fenghuo.rules.readings import Readings
from fenghuo.rules.rule import Rule, RuleSet, Unloaded
from fenghuo.rules.section import RuleSection
from fenghuo.rules.template import compile_template
from fenghuo.rules.where import Where

T = TypeVar("T")

MAX_FILES = 10_000
_SIGMA = {"detection": "Sigma detection", "correlation": "Sigma correlation", "filter": "Sigma filter"}


def load_rules(
    paths: Sequence[Path], *, require_tests: bool = False, keep_tests: bool = True, known: Iterable[str] = ()
) -> RuleSet:
    """The rules of these files and of all `*.yaml` and `*.yml` files below these folders.

    Without `keep_tests` the rules' tests are checked and let go: they are larger than all else that is kept of a rule.
    `known` are names of rules outside these files that `suppress_if` may speak of. Raises `Located` with every problem
    of every file, in reading order; then no rule is loaded.
    """
    loaded, problems = read_rules(paths, require_tests=require_tests, known=known)
    if problems:
        raise Located(problems)
    return loaded if keep_tests else replace(loaded, rules=tuple(rule.without_tests() for rule in loaded.rules))


def read_rules(
    paths: Sequence[Path], *, require_tests: bool = False, known: Iterable[str] = ()
) -> tuple[RuleSet, list[Problem]]:
    """As `load_rules`, but answers with both: the rules that are right, and what is wrong with the others."""
    read = _Read()
    files = _files(paths, read.problems)
    for file in files:
        _read_file(file, read)
    wrong = [_untested(rule) for rule in read.rules if require_tests and not rule.tests]
    wrong += _check_names(read.rules)
    wrong += _check_suppression(read.rules, set(known) | set(read.refused_names))
    reasons = {problem.place: problem.message for problem in reversed(wrong)}
    refused = [
        *read.refused,
        *(
            Unloaded(rule.id, rule.title, rule.place, reasons[rule.place])
            for rule in read.rules
            if rule.place in reasons
        ),
    ]
    rules = [rule for rule in read.rules if rule.place not in reasons]
    return RuleSet(tuple(rules), tuple(read.inapplicable), tuple(refused), tuple(files)), _in_order(
        read.problems + wrong, files
    )


def _in_order(problems: Iterable[Problem], files: Sequence[Path]) -> list[Problem]:
    order = {str(file): number for number, file in enumerate(files)}
    return sorted(problems, key=lambda each: (order.get(each.place.file, -1), each.place.line, each.place.column))


def parse_rules(content: bytes, file: str) -> tuple[list[Rule], list[Problem]]:
    """The rules of one file's content, without the checks of the set as a whole."""
    read = _Read()
    _read_documents(content, file, read)
    return read.rules, read.problems


@dataclass(slots=True)
class _Read:
    """What was found in the files so far."""

    rules: list[Rule] = field(default_factory=list[Rule])
    inapplicable: list[Unloaded] = field(default_factory=list[Unloaded])
    refused: list[Unloaded] = field(default_factory=list[Unloaded])
    refused_names: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])


def _files(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (file for file in sorted(path.rglob("*")) if file.suffix in (".yaml", ".yml") and file.is_file())
            found |= dict.fromkeys(below)
        else:
            found[path] = None
    if len(found) > MAX_FILES:
        problems.append(Problem(Place(str(paths[0])), f"{len(found)} rule files; at most {MAX_FILES} are read"))
    return list(found)[:MAX_FILES]


def _read_file(file: Path, read: _Read) -> None:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        read.problems.append(Problem(Place(str(file)), f"cannot read the file: {reason}"))
        return
    _read_documents(content, str(file), read)


def _read_documents(content: bytes, file: str, read: _Read) -> None:
    for lines_before, text in _documents(content):
        try:
            tree, found, wrong = document.read(text, file, None)
        except Located as error:
            read.problems += [_shifted(problem, lines_before) for problem in error.problems]
            continue
        if tree.children == {} or (tree.children is None and tree.text is None):
            continue
        reader = _DocumentReader(tree, file)
        item = reader.rule(wrong)
        problems = [_shifted(problem, lines_before) for problem in dict.fromkeys((*found, *reader.problems))]
        problems.sort(key=lambda problem: (problem.place.line, problem.place.column))
        read.problems += problems
        if problems or item is None:
            read.refused.append(_shifted_item(reader.unloaded(problems[0].message), lines_before))
            read.refused_names.append(reader.text("name"))
        elif isinstance(item, Rule):
            read.rules.append(replace(item, place=_shifted_place(item.place, lines_before)))
        else:
            read.inapplicable.append(_shifted_item(item, lines_before))


def _documents(content: bytes) -> list[tuple[int, bytes]]:
    """The YAML documents of a file, each with the number of lines before it."""
    if len(content) > MAX_BYTES:
        return [(0, content)]
    found: list[tuple[int, bytes]] = []
    lines = content.split(b"\n")
    start = 0
    for number, line in enumerate(lines):
        if line.startswith(b"---") and (len(line) == 3 or line[3:4].isspace()):
            found.append((start, b"\n".join(lines[start:number])))
            start = number
            lines[number] = b"   " + line[3:]
    found.append((start, b"\n".join(lines[start:])))
    return [(first, text) for first, text in found if text.strip()]


def _shifted_place(place: Place, lines: int) -> Place:
    return Place(place.file, place.line + lines, place.column) if place.line else place


def _shifted(problem: Problem, lines: int) -> Problem:
    return replace(problem, place=_shifted_place(problem.place, lines))


def _shifted_item(item: Unloaded, lines: int) -> Unloaded:
    return replace(item, place=_shifted_place(item.place, lines))


class _DocumentReader:
    """One document → a rule; `problems` is what is wrong with it."""

    def __init__(self, tree: Tree, file: str) -> None:
        self._tree = tree
        self._file = file
        self.problems: list[Problem] = []

    def rule(self, wrong: set[Tree]) -> Rule | Unloaded | None:
        kind = self._kind()
        if not isinstance(kind, Kind):
            return kind
        section = self._section(kind.section, wrong)
        if section is None:
            self._check_texts()
            return None
        read = kind.read(section, self)
        levels = self._levels(section)
        self._check_tests(section)
        message = self.read("message", section.message, compile_template)
        message_zh = self.read("message_zh", section.message_zh, compile_template)
        if read is None or message is None or message_zh is None or self.problems:
            return None
        body, holds = read
        is_of_events = isinstance(body, Observer) and body.data is None
        return Rule(
            section=section,
            kind=kind.name,
            body=body,
            place=self._place(),
            where=Where({} if is_of_events else section.where),
            exceptions=() if is_of_events else tuple(Where(matches) for matches in section.exceptions),
            levels=levels,
            holds=holds,
            message=message[0],
            message_zh=message_zh[0],
            lateness=milliseconds(section.lateness),
            wanted=_wanted(section, (*message[1], *message_zh[1])) if isinstance(body, Observer) else (),
        )

    def _place(self, *path: str) -> Place:
        """Of a key's value, or of the document."""
        node = self._tree
        for key in path:
            node = (node.children or {}).get(key, node)
        return Place(self._file, node.line, node.column)

    def _say(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(Problem(place, printable(message), printable(hint)))

    def _kind(self) -> Kind | Unloaded | None:
        children = self._tree.children
        if children is None or self._tree.is_list:
            self._say(self._place(), "expected a rule: lines of `key: value`")
            return None
        if "kind" not in children:
            for key, what in _SIGMA.items():
                if key in children:
                    return self.unloaded(f"a {what} document; this version runs no kind that reads it")
            self._say(self._place(), "'kind' is missing", f"allowed: {', '.join(KINDS)}")
            return None
        name = children["kind"].text or ""
        if name not in KINDS:
            self._say(self._place("kind"), f"unknown kind {name[:60]!r}", allow(name, KINDS))
            return None
        return KINDS[name]

    def text(self, key: str) -> str:
        """A key's value as it is written; empty where it is none."""
        node = (self._tree.children or {}).get(key)
        return (node.text or "")[:200] if node else ""

    def unloaded(self, reason: str) -> Unloaded:
        return Unloaded(self.text("id"), self.text("title"), self._place(), reason)

    def _section(self, model: type[RuleSection], wrong: set[Tree]) -> RuleSection | None:
        section, errors, seen = validate(self._tree, model)
        self.problems += explain(errors, self._tree, self._file, seen=seen, wrong=wrong, secrets={})
        return section

    def read(self, key: str, text: str, parse: Callable[[str], T]) -> T | None:
        return self._read_at((key,), text, parse)

    def _read_at(self, path: tuple[str, ...], text: str, parse: Callable[[str], T]) -> T | None:
        place = self._place(*path)
        label = ".".join(path)
        try:
            return parse(text)
        except ExpressionError as error:
            place = Place(place.file, place.line, place.column + error.offset)
            self._say(place, f"{label}: {error}", error.hint)
        except ValueError as error:
            self._say(place, f"{label}: {error}")
        return None

    def _levels(self, section: RuleSection) -> tuple[tuple[Level, Node | None], ...]:
        if isinstance(section.level, str):
            return ((section.level, None),)
        if not section.level:
            self._say(self._place("level"), "level: no level is named", f"allowed: {', '.join(LEVELS)}")
        found: list[tuple[Level, Node | None]] = []
        for level in LEVELS:
            if level in section.level:
                node = self._read_at(("level", level), section.level[level], parse_condition)
                found.append((level, node))
        return tuple(found)

    def _check_texts(self) -> None:
        """What can be said of expressions and templates although other keys are wrong."""
        every = frozenset(VARIABLES)
        parsers: dict[str, Callable[[str], object]] = {
            "data": parse_number,
            "condition": lambda text: parse_condition(text, every),
            "clear": lambda text: parse_clear(text, every),
            "message": compile_template,
            "message_zh": compile_template,
        }
        children = self._tree.children or {}
        for key, parse in parsers.items():
            if key in children and children[key].text:
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


def _untested(rule: Rule) -> Problem:
    return Problem(rule.place, f"rule {rule.name!r} has no tests", "a rule that ships shows when it fires and when not")


def _check_names(rules: Sequence[Rule]) -> list[Problem]:
    problems: list[Problem] = []
    ids: dict[str, Rule] = {}
    names: dict[str, Rule] = {}
    for rule in rules:
        for what, value, seen in (("id", rule.id, ids), ("name", rule.name, names)):
            first = seen.setdefault(value, rule)
            if first is not rule:
                problems.append(Problem(rule.place, f"{what} {value!r} is taken", f"by the rule at {first.place}"))
    return problems


def _check_suppression(rules: Sequence[Rule], known: set[str]) -> list[Problem]:
    """Every name exists, and no rule waits for itself: two that hold each other back would both stay silent."""
    problems: list[Problem] = []
    waits_for = {rule.name: rule.section.suppress_if.rules if rule.section.suppress_if else [] for rule in rules}
    names = known | set(waits_for)
    for rule in rules:
        problems += [
            Problem(rule.place, f"suppress_if: no rule is named {name!r}", suggest(name, names))
            for name in waits_for[rule.name]
            if name not in names
        ]
        if _reaches(rule.name, waits_for):
            problems.append(Problem(rule.place, f"suppress_if: {rule.name!r} waits for itself"))
    return problems


def _reaches(start: str, edges: Mapping[str, Sequence[str]]) -> bool:
    """Whether a way leads from `start` back to it."""
    seen: set[str] = set()
    open_: list[Any] = list(edges.get(start, ()))
    while open_:
        name = open_.pop()
        if name == start:
            return True
        if name not in seen:
            seen.add(name)
            open_ += edges.get(name, ())
    return False
