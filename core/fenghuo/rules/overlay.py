"""Overlays: what a site changes in a rule without forking it.

An overlay names the rule and the keys that are to be otherwise. Mappings are merged key by key, `null` takes a key away,
exceptions are added, everything else is replaced. The rule that comes of it is validated as a whole, and what is wrong
with it is told at its place in the overlay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fenghuo.config.document import Tree
from fenghuo.config.words import printable, suggest
from fenghuo.errors import Place, Problem
from fenghuo.rules.documents import Text
from fenghuo.rules.lists import Lists
from fenghuo.rules.parse import FILE, OVERLAY, Source, parse_source
from fenghuo.rules.rule import Overlay, Rule

REASON = "reason"
"""Why the site wants it otherwise: for people."""
IDENTITY = frozenset(
    {
        *("id", "name", "kind", "title", "title_zh", "status", "author", "date", "modified", "license", "references"),
        *("data", "measurement", "dataset", "logsource", "detection", "correlation", "group_by", "runs"),
    }
)
"""What makes a rule the rule that it is."""
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
    """A rule, which stands in `text`, as these overlays want it."""
    if text is None:
        hint = "make a copy of it and change that"
        return Applied(
            problems=tuple(
                Problem(draft.place(OVERLAY), "overlays of Sigma rules are not known here", hint) for draft in drafts
            )
        )
    problems = [problem for draft in drafts for problem in _frame_problems(draft)]
    merge = _Merge(Source.of(text.content).tree)
    for draft in drafts:
        merge.take(draft)
    problems += merge.problems
    if problems:
        return Applied(problems=tuple(problems))
    parsed = parse_source(Source.of_tree(merge.tree), lists.at(Path(text.file).parent))
    if parsed.rule is None:
        return Applied(problems=tuple(_placed(problem, text, drafts) for problem in parsed.problems))
    merged = replace(parsed.rule, place=rule.place)
    overlays = tuple(
        Overlay(rule.name, draft.place(), draft.source.text(REASON), tuple(merge.changes_of(number)), rule)
        for number, draft in enumerate(drafts)
    )
    return Applied(merged, overlays)


def _frame_problems(draft: Draft) -> Iterator[Problem]:
    keys = draft.source.keys
    for key in keys:
        if key in IDENTITY:
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
