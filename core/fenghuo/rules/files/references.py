"""What holds for a set of rules as a whole: names are unique, what rules say of each other exists and goes in no circle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fenghuo.config.words import suggest
from fenghuo.errors import Place, Problem
from fenghuo.rules.rule import Rule

Find = Callable[[Rule, str, str], Place]
"""Where a rule says a word below a key; the start of the rule where it cannot be found."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A rule and what is wrong with it, for reasons outside of it."""

    rule: Rule
    problem: Problem


@dataclass(frozen=True, slots=True)
class Relation:
    """A way in which rules speak of others, by name. `key`: where; `circle`: what it means to come back to oneself."""

    key: str
    circle: str
    of: Callable[[Rule], tuple[str, ...]]


def _suppressors(rule: Rule) -> tuple[str, ...]:
    return tuple(rule.section.suppress_if.rules) if rule.section.suppress_if else ()


def observed(rule: Rule) -> tuple[str, ...]:
    """The rules whose alerts a rule looks at."""
    observer = rule.observer
    return tuple(name for selection in observer.selections for name in selection.rules) if observer else ()


RELATIONS = (
    Relation("suppress_if", "two that hold each other back would both stay silent", _suppressors),
    Relation("", "a rule cannot look at its own alerts", observed),
)


def check_names(rules: Sequence[Rule], find: Find) -> list[Wrong]:
    """Each id and name once."""
    found: list[Wrong] = []
    ids: dict[str, Rule] = {}
    names: dict[str, Rule] = {}
    for rule in rules:
        for what, value, seen in (("id", rule.id, ids), ("name", rule.name, names)):
            first = seen.setdefault(value, rule)
            if first is not rule:
                problem = Problem(
                    find(rule, what, value), f"{what} {value!r} is taken", f"by the rule at {first.place}"
                )
                found.append(Wrong(rule, problem))
    return found


def check_references(rules: Sequence[Rule], known: Iterable[str], find: Find) -> list[Wrong]:
    """Every name that a rule speaks of exists (or is among `known`), and no rule comes back to itself."""
    names = {*known, *(rule.name for rule in rules)}
    return [wrong for relation in RELATIONS for wrong in _check(relation, rules, names, find)]


def _check(relation: Relation, rules: Sequence[Rule], names: set[str], find: Find) -> list[Wrong]:
    edges = {rule.name: others for rule in rules if (others := relation.of(rule))}
    label = f"{relation.key}: " if relation.key else ""
    found: list[Wrong] = []
    for rule in rules:
        others = edges.get(rule.name, ())
        for name in dict.fromkeys(others):
            if name not in names:
                problem = Problem(
                    find(rule, relation.key, name), f"{label}no rule is named {name!r}", suggest(name, names)
                )
                found.append(Wrong(rule, problem))
        circle = _circle(rule.name, edges) if others else ()
        if circle:
            way = " → ".join(circle)
            problem = Problem(find(rule, relation.key, circle[1]), f"{label}a circle: {way}", relation.circle)
            found.append(Wrong(rule, problem))
    return found


def _circle(start: str, edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The shortest way from `start` back to it; empty where there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for other in edges.get(name, ()):
            if other == start:
                way = [start, name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            if other not in came_from:
                came_from[other] = name
                waiting.append(other)
    return ()
