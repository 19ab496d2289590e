"""What an event must have for a condition to hold: the necessary parts of it that can be looked up.

A *need* is a set of atoms of which at least one is true of every event that meets the condition. The index files the
condition under the atoms of the need that the fewest events are expected to have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fenghuo.rules.detection.checks import Affix, Check, Cidr, Compare, Equals, Exists, Glob, Null, Regex, Textual
from fenghuo.rules.detection.pattern import Pattern, Wild, lowered
from fenghuo.rules.detection.tree import Every, Node, Not, Some, Test

MAX_ATOMS = 2_000
"""A need of more atoms is not filed under each; that its fields are there must do."""
ANYWHERE = ""
"""Stands for the field where a text may stand in any (`View.text`)."""
_TELLING = 3
"""Shorter texts are found in too many values."""

Kind = Literal["equals", "starts", "ends", "contains", "regex", "cidr", "lt", "lte", "gt", "gte", "has"]


class Atom(NamedTuple):
    """A field's value, as text in lower case, equals, starts with, … `value` (of `regex`: flags, a bar, the expression;
    of `lt`, `lte`, `gt`, `gte`: the bound; of `has`: empty).
    """

    kind: Kind
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Need:
    """`exact`: each of the atoms also suffices for the condition."""

    atoms: frozenset[Atom]
    exact: bool = False


NEVER = Need(frozenset(), exact=True)


def needs_of(node: Node) -> list[Need]:
    """The needs of a condition; none where any event may meet it."""
    if isinstance(node, Test):
        need = _of_test(node)
        return [need] if need else []
    if isinstance(node, Not):
        return []
    if isinstance(node, Every):
        return [Need(need.atoms) for part in node.parts for need in needs_of(part)]
    return _of_some(node)


def _of_some(node: Some) -> list[Need]:
    """One need of each part together, the best ones; and where all parts have one of the same field, that too."""
    if not node.parts:
        return [NEVER]
    choices = [needs_of(part) for part in node.parts]
    if not all(choices):
        return []
    found = [_together(min(needs, key=likelihood) for needs in choices)]
    by_field = [
        {next(iter(fields)): need for need in needs if len(fields := fields_of(need)) == 1} for needs in choices
    ]
    shared = [field for field in by_field[0] if all(field in needs for needs in by_field)]
    found += [_together(needs[field] for needs in by_field) for field in shared]
    return list(dict.fromkeys(found))


def _together(needs: Iterable[Need]) -> Need:
    chosen = list(needs)
    atoms = frozenset(atom for need in chosen for atom in need.atoms)
    if len(atoms) > MAX_ATOMS:
        # (of any field at all, this says little; but then it costs little, too)
        return Need(frozenset(Atom("has", field, "") for field in {atom.field for atom in atoms}))
    return Need(atoms, all(need.exact for need in chosen))


def fields_of(need: Need) -> set[str]:
    return {atom.field for atom in need.atoms}


def _of_test(test: Test) -> Need | None:
    field, check = test.field, test.check
    if isinstance(check, Exists | Null):
        return None
    if field is None:
        return _of_keywords(check)
    atoms, exact = _atoms(field, check)
    return _together([Need(frozenset(atoms), exact)])


def _of_keywords(check: Check) -> Need | None:
    """Texts that must stand somewhere in the event."""
    if not isinstance(check, Equals | Affix | Glob) or (check.cased and not _texts(check).isascii()):
        return None
    texts = [_longest(pattern) for pattern in check.patterns] if isinstance(check, Glob) else check.values
    if "" in texts:
        return None
    return _together([Need(frozenset(Atom("contains", ANYWHERE, text.lower()) for text in texts))])


_KINDS: Mapping[str, Kind] = {"startswith": "starts", "endswith": "ends", "contains": "contains"}


def _atoms(field: str, check: Check) -> tuple[Iterable[Atom], bool]:
    """What the check needs; and whether each of that suffices."""
    if isinstance(check, Affix | Glob) and check.cased and not _texts(check).isascii():
        # A letter's lower case may depend on what stands beside it (Σ), and a part may lack that.
        return [Atom("has", field, "")], False
    if isinstance(check, Equals):
        return (Atom("equals", field, value.lower()) for value in check.values), not check.cased
    if isinstance(check, Affix) and "" not in check.values:
        kind = _KINDS[check.how]
        return (Atom(kind, field, value.lower()) for value in check.values), not check.cased
    if isinstance(check, Glob):
        return (_of_pattern(field, lowered(pattern)) for pattern in check.patterns), False
    if isinstance(check, Regex):
        return [Atom("regex", field, f"{check.flags}|{check.pattern}")], False
    if isinstance(check, Cidr):
        return (Atom("cidr", field, network) for network in check.networks), False
    if isinstance(check, Compare):
        return [Atom(check.order, field, repr(check.bound))], True
    return [Atom("has", field, "")], False


def _longest(pattern: Pattern) -> str:
    return max((part for part in pattern if not isinstance(part, Wild)), key=len, default="")


def _of_pattern(field: str, pattern: Pattern) -> Atom:
    """The most telling text that a value must hold to meet the pattern."""
    longest = _longest(pattern)
    if not longest:
        return Atom("has", field, "")
    if pattern[0] == longest or (isinstance(pattern[0], str) and len(pattern[0]) >= _TELLING):
        return Atom("starts", field, str(pattern[0]))
    if pattern[-1] == longest or (isinstance(pattern[-1], str) and len(pattern[-1]) >= _TELLING):
        return Atom("ends", field, str(pattern[-1]))
    return Atom("contains", field, longest)


def likelihood(need: Need, values: Mapping[str, int] | None = None) -> float:
    """A guess at the part of the events that have one of the atoms (above 1: has several). `values`: how many values
    of a field are known to be asked for; the more, the rarer each.
    """
    return sum(_guess(atom, values or {}) for atom in need.atoms)


def _guess(atom: Atom, values: Mapping[str, int]) -> float:
    if atom.kind == "equals":
        return 1 / (1 + values.get(atom.field, 4))
    if atom.kind == "has":
        return 0.7
    if atom.kind == "regex":
        return 0.1
    if atom.kind in ("lt", "lte", "gt", "gte"):
        return 0.4
    if atom.kind == "cidr":
        prefix = atom.value.rpartition("/")[2]
        return 0.5 if prefix.isdigit() and int(prefix) <= 12 else 0.01
    return 0.01 if len(atom.value) >= _TELLING else 0.2


def _texts(check: Textual) -> str:
    """All the texts of a check."""
    if not isinstance(check, Glob):
        return "".join(check.values)
    return "".join(part for pattern in check.patterns for part in pattern if isinstance(part, str))
