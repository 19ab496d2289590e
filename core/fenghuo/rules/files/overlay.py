"""Overlays: what a site changes in a rule without forking it.

An overlay names the rule and the keys that are to be otherwise. Mappings are merged key by key, `null` takes a key away,
exceptions are added, everything else is replaced. The rule that comes of it is validated as a whole, and what is wrong
with it is told at its place in the overlay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from fenghuo.config.document import Tree
from fenghuo.config.words import allow, printable, suggest
from fenghuo.errors import Place, Problem
from fenghuo.rules.files.documents import Text
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.parse import FILE, OVERLAY, Source, parse_source
from fenghuo.rules.files.section import RuleSection
from fenghuo.rules.kinds.base import Kind, Reader, holds_of
from fenghuo.rules.kinds.observed import natural
from fenghuo.rules.rule import Body, Overlay, Rule
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Observer

REASON = "reason"
"""Why the site wants it otherwise: for people."""
IDENTITY = frozenset(
    {
        *("id", "name", "kind", "title", "title_zh", "status", "author", "date", "modified", "license", "references"),
        *("data", "measurement", "dataset", "logsource", "detection", "correlation", "group_by", "runs"),
    }
)
"""What makes a rule the rule that it is."""
ADJUSTABLE = (
    *("enabled", "level", "labels", "message", "message_zh", "message_resolved", "message_resolved_zh", "runbook"),
    *("exceptions", "limits", "flap", "throttle", "repeat", "schedule", "suppress_if", "culprit", "victim", "tests"),
)
"""What may be changed in a rule that was made of Sigma documents."""
_COMMON = ("flap_changes", "flap_window", "flap_hold", "throttle", "repeat")
"""Hold times that are said by keys that all kinds share."""
_ADDED = "exceptions"
_OWN = "tests"
_FAR = 1 << 32
"""In a merged tree, lines of the n-th overlay are counted from n times this."""
_SHOWN = 80

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An overlay as it was read."""

    text: Text
    source: Source

    @property
    def target(self) -> str:
        """The name or id of the rule."""
        return self.source.text(OVERLAY)

    def place(self, *path: str) -> Place:
        """Where a value of it stands."""
        return self.text.place(self.source.place(*path))

    def key_place(self, key: str) -> Place:
        """Where a key of it stands."""
        return self.text.place(Place(FILE, *self.source.tree.keys[key]))


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a rule: it with all overlays, or what is wrong."""

    rule: Rule | None = None
    overlays: tuple[Overlay, ...] = ()
    problems: tuple[Problem, ...] = ()


def match_overlays(
    drafts: Sequence[Draft], rules: Sequence[Rule], refused: Sequence[str]
) -> tuple[dict[int, list[Draft]], list[Problem]]:
    """The overlays of each rule, by the rule's number; and those that speak of no rule (`refused`: names and ids of
    rules that are wrong themselves, of which nothing more needs be said).
    """
    numbers = {word: number for number, rule in enumerate(rules) for word in (rule.name, rule.id)}
    found: dict[int, list[Draft]] = {}
    problems: list[Problem] = []
    for draft in drafts:
        number = numbers.get(draft.target)
        if number is not None:
            found.setdefault(number, []).append(draft)
        elif draft.target not in refused or not draft.target:
            hint = suggest(draft.target, numbers)
            problems.append(Problem(draft.place(OVERLAY), printable(f"no rule is named {draft.target[:100]!r}"), hint))
    return found, problems


def apply_overlays(rule: Rule, text: Text | None, drafts: Sequence[Draft], lists: Lists) -> Applied:
    """A rule, which stands in `text` (None: one that was made of Sigma documents), as these overlays want it."""
    problems = [problem for draft in drafts for problem in _frame_problems(draft, is_native=text is not None)]
    merge = _Merge(_made_tree(rule) if text is None else Source.of(text.content).tree)
    for draft in drafts:
        merge.take(draft)
    problems += merge.problems
    if problems:
        return Applied(problems=tuple(problems))
    folders = [*(Path(draft.place().file).parent for draft in drafts), Path(rule.place.file).parent]
    kind = _made_kind(rule) if text is None else None
    parsed = parse_source(Source.of_tree(merge.tree), lists.at(*folders), kind)
    if parsed.rule is None:
        there = text or Text(rule.place.file, rule.place.line - 1, b"")
        return Applied(problems=tuple(_placed(problem, there, drafts) for problem in parsed.problems))
    merged = replace(parsed.rule, place=rule.place) if text else _remade(rule, parsed.rule, drafts)
    overlays = tuple(
        Overlay(rule.name, draft.place(), draft.source.text(REASON), tuple(merge.changes_of(number)), rule)
        for number, draft in enumerate(drafts)
    )
    return Applied(merged, overlays)


def _made_tree(rule: Rule) -> Tree:
    """What an overlay may change in a rule that was made, not written; with a frame that stands for its own."""
    frame = {"title": "made", "id": "00000000-0000-4000-8000-000000000000", "name": "made", "level": rule.section.level}
    children = {key: Tree(1, 1, value=value, text=str(value)) for key, value in frame.items()}
    return Tree(1, 1, children=children, keys=dict.fromkeys(children, (1, 1)))


def _made_kind(rule: Rule) -> Kind:
    """A kind that reads the common keys of a rule and leaves it what it is."""
    own = {field.name: getattr(rule.holds, field.name) for field in fields(rule.holds) if field.name not in _COMMON}

    def read(section: RuleSection, reader: Reader) -> tuple[Body | Observer, Holds] | None:
        body = _without(rule.body, section, reader)
        return None if body is None else (body, holds_of(section, **own))

    return Kind(rule.kind, RuleSection, read)


def _without(body: Body | Observer, section: RuleSection, reader: Reader) -> Body | Observer | None:
    """The same body that passes over the exceptions; None where they are wrong (and noted)."""
    if not section.exceptions or not isinstance(body, Observer):
        return body
    from fenghuo.rules.detection import Every, Not, Some, read_where, simplify  # noqa: PLC0415 — rarely needed

    def parse(_: str) -> Not:
        return Not(Some(tuple(read_where(natural(each), lists=reader.lists) for each in section.exceptions)))

    excluded = reader.read(_ADDED, "", parse)
    if excluded is None:
        return None
    selections = (
        each if each.when is None else replace(each, when=simplify(Every((each.when, excluded))))
        for each in body.selections
    )
    return replace(body, selections=tuple(selections))


def _remade(rule: Rule, read: Rule, drafts: Sequence[Draft]) -> Rule:
    """The rule with what overlays say; `read` has that, and a frame that is none."""
    said = {key for draft in drafts for key in draft.source.keys if key in ADJUSTABLE}
    section = rule.section.model_copy(update={key: getattr(read.section, key) for key in said})
    return replace(
        read,
        section=section,
        place=rule.place,
        lateness=rule.lateness,
        wanted=tuple(dict.fromkeys((*rule.wanted, *read.wanted))),
        silent=rule.silent,
    )


def _frame_problems(draft: Draft, *, is_native: bool) -> Iterator[Problem]:
    keys = draft.source.keys
    for key in keys:
        if not is_native and key not in (OVERLAY, REASON, *ADJUSTABLE):
            yield Problem(
                draft.key_place(key),
                printable(f"an overlay of a Sigma rule cannot change {key!r}"),
                allow(key, ADJUSTABLE),
            )
        elif key in IDENTITY:
            yield Problem(
                draft.key_place(key),
                f"an overlay cannot change {key!r}",
                "it says how a rule judges, not what it is; disable this one and write one of your own",
            )
    if not isinstance(keys.get(REASON, ""), str):
        yield Problem(draft.place(REASON), f"{REASON}: expected text")
    if not set(keys) - {OVERLAY, REASON}:
        yield Problem(
            draft.place(), "an overlay that changes nothing", "e.g. `enabled: false`, `condition: value > 35`"
        )


def _placed(problem: Problem, text: Text, drafts: Sequence[Draft]) -> Problem:
    """A problem of a merged rule in the overlay that it comes from."""
    number, line = divmod(problem.place.line, _FAR)
    if number:
        return replace(problem, place=drafts[number - 1].text.place(Place(FILE, line, problem.place.column)))
    there = text.place(problem.place)
    return Problem(
        drafts[0].place(), f"with this overlay the rule is wrong: {problem.message}", problem.hint or f"at {there}"
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """`key` (a path) is changed by overlay `number`; `words` say how."""

    path: KeyPath
    number: int
    place: Place
    words: str


class _Merge:
    """A rule's tree, into which overlays are taken one after the other."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.problems: list[Problem] = []
        self._changes: list[_Change] = []
        self._number = 0
        without = {key: child for key, child in (tree.children or {}).items() if key != _OWN}
        self.tree = replace(tree, children=without)

    def take(self, draft: Draft) -> None:
        """Merge an overlay."""
        over = draft.source.tree
        far = _moved(over, (self._number + 1) * _FAR)
        children = {k: child for k, child in (far.children or {}).items() if k not in (OVERLAY, REASON, *IDENTITY)}
        self.tree = self._mapping(self.tree, replace(far, children=children), (), draft)
        self._number += 1

    def changes_of(self, number: int) -> Iterator[str]:
        """What an overlay changes, in words."""
        return (change.words for change in self._changes if change.number == number)

    def _mapping(self, base: Tree, over: Tree, path: KeyPath, draft: Draft) -> Tree:
        children, keys = dict(base.children or {}), dict(base.keys)
        for key, new in (over.children or {}).items():
            old, way = children.get(key), (*path, key)
            if _is_nothing(new):
                children.pop(key, None)
                self._note(way, draft, f"{'.'.join(way)}: taken away, was {_shown(old)}")
                continue
            if not path and key == _OWN:
                self._note_tests(new, draft)
                new = _joined(old, new)  # noqa: PLW2901 — what is taken
            elif not path and key == _ADDED and new.is_list:
                self._changes.append(
                    _Change(way, self._number, draft.place(key), f"{key}: {len(new.children or ())} more")
                )
                new = _joined(old, new)  # noqa: PLW2901 — what is taken
            elif _is_mapping(old) and _is_mapping(new) and old is not None:
                new = self._mapping(old, new, way, draft)  # noqa: PLW2901 — what is taken
            else:
                self._note(way, draft, f"{'.'.join(way)}: {_shown(new)}, was {_shown(old)}")
            children[key] = new
            keys[key] = over.keys[key]
        return replace(base, children=children, keys=keys)

    def _note_tests(self, new: Tree, draft: Draft) -> None:
        count = len(new.children or ())
        words = f"{_OWN}: {count} of its own"
        self._changes.append(_Change((_OWN,), self._number, draft.place(_OWN), words))

    def _note(self, path: KeyPath, draft: Draft, words: str) -> None:
        place = draft.place(*path)
        for other in self._changes:
            shorter = min(len(path), len(other.path))
            if other.number != self._number and path[:shorter] == other.path[:shorter]:
                message = f"two overlays change {'.'.join(path)!r} of rule {draft.target!r}"
                self.problems.append(Problem(place, printable(message), f"the other at {other.place}"))
                break
        self._changes.append(_Change(path, self._number, place, printable(words)))


def _is_mapping(tree: Tree | None) -> bool:
    return tree is not None and tree.children is not None and not tree.is_list


def _is_nothing(tree: Tree) -> bool:
    return tree.children is None and tree.value is None


def _joined(old: Tree | None, new: Tree) -> Tree:
    """One list after the other."""
    if old is None or not old.is_list or not new.is_list:
        return new
    every = [*(old.children or {}).values(), *(new.children or {}).values()]
    return replace(new, children={str(index): child for index, child in enumerate(every)})


def _moved(tree: Tree, lines: int) -> Tree:
    """The same so many lines below."""
    children = None if tree.children is None else {key: _moved(child, lines) for key, child in tree.children.items()}
    keys = {key: (line + lines, column) for key, (line, column) in tree.keys.items()}
    return replace(tree, line=tree.line + lines, children=children, keys=keys)


def _shown(tree: Tree | None) -> str:
    """A value in a few words."""
    if tree is None or _is_nothing(tree):
        return "nothing"
    if tree.text is not None:
        words = tree.text
    elif tree.is_list:
        words = f"[{', '.join(map(_shown, (tree.children or {}).values()))}]"
    else:
        words = f"{{{', '.join(f'{key}: {_shown(child)}' for key, child in (tree.children or {}).items())}}}"
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"
