"""Correlations find the rules that they refer to, in whatever file and order these stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fenghuo.config.words import suggest
from fenghuo.rules.sigma.correlations import Section, rules_in, with_ids
from fenghuo.rules.sigma.documents import CannotApply, Correlated, Detected, Path, Said, Wrong
from fenghuo.rules.sigma.members import Member, references

_HERE: Path = ("correlation",)
_MAX_CHAIN = 8
"""So many correlations may stand on one another; the engine follows alerts of alerts no further."""


class Correlator:
    """Resolves the correlations of a set. `known`: names of rules that are no Sigma documents."""

    def __init__(self, members: Sequence[Member], known: Iterable[str]) -> None:
        self._by_reference = references(each for each in members if "filter" not in each.data)
        self._known = frozenset(known)
        self._referred: dict[Member, list[Member | str]] = {}
        self._height: dict[Member, int] = {}

    def run(self, correlations: Sequence[Member]) -> None:
        """Make all of them, those first that others stand on."""
        for member in correlations:
            member.attempt(self._find)
        well = {member for member in correlations if member.is_well}
        below = {
            member: [each for each in self._referred[member] if isinstance(each, Member) and each in well]
            for member in well
        }
        order, left = _in_order(correlations, below)
        circle = dict.fromkeys(_circle(left, below))
        for member in circle:
            frame = below[member][0].frame
            what = f"it refers to itself, by way of {frame.written or frame.title!r}"
            member.wrong.append(Wrong(what, (*_HERE, "rules")))
        rest = {
            member: [each for each in below[member] if each not in circle] for member in left if member not in circle
        }
        for member in (*order, *_in_order(left, rest)[0]):
            member.attempt(self._correlate)
        for member in correlations:
            if member.section is not None and not member.wrong and not member.section.generate:
                self._silence(member.section)

    def _find(self, member: Member) -> None:
        section = member.section
        assert section is not None
        self._referred[member] = [self._reference(section, number) for number in range(len(section.rules))]

    def _correlate(self, member: Member) -> None:
        section = member.section
        assert section is not None
        found = self._referred[member]
        height = 1 + max((self._height.get(each, 0) for each in found if isinstance(each, Member)), default=0)
        if height > _MAX_CHAIN:
            raise Wrong(f"more than {_MAX_CHAIN} correlations stand on one another", (*_HERE, "rules"))
        self._height[member] = height
        for reference, each in zip(section.rules, found, strict=True):
            if isinstance(each, Member) and each.made is None:
                why = "is refused" if each.wrong else f"cannot apply: {each.reason}"
                raise CannotApply(f"the rule {reference!r} that it refers to {why}")
        made = [each.made if isinstance(each, Member) else each for each in found]
        member.made = _Joined(member, section, made).correlated()

    def _reference(self, section: Section, number: int) -> Member | str:
        reference = section.rules[number]
        found = self._by_reference.get(reference.lower())
        if found is not None:
            return found
        if reference in self._known:
            return reference
        path = (*_HERE, "condition") if isinstance(section.condition, Said) else (*_HERE, "rules", str(number))
        hint = suggest(reference.lower(), {*self._by_reference, *self._known})
        raise Wrong(f"no rule has the id or name {reference[:60]!r}", path, hint)

    def _silence(self, section: Section) -> None:
        """Rules that a correlation without `generate` looks at tell nothing of their own."""
        for reference in section.rules:
            referred = self._by_reference.get(reference.lower())
            if referred is None or referred.made is None:
                continue
            referred.made = replace(referred.made, tells=False)


def _in_order(members: Iterable[Member], below: Mapping[Member, Sequence[Member]]) -> tuple[list[Member], list[Member]]:
    """Each after those below it; and those that stand, at last, on themselves."""
    known = [member for member in members if member in below]
    above: dict[Member, list[Member]] = {}
    for member in known:
        for each in below[member]:
            above.setdefault(each, []).append(member)
    missing = {member: len(below[member]) for member in known}
    order = [member for member in known if not missing[member]]
    for done in order:
        for each in above.get(done, ()):
            missing[each] -= 1
            if not missing[each]:
                order.append(each)
    placed = set(order)
    return order, [member for member in known if member not in placed]


def _circle(left: Sequence[Member], below: Mapping[Member, Sequence[Member]]) -> list[Member]:
    """Of those that stand on a circle, those in it (or between two)."""
    among = set(left)
    inner = {member: [each for each in below[member] if each in among] for member in left}
    above: dict[Member, list[Member]] = {member: [] for member in left}
    for member, others in inner.items():
        for each in others:
            above[each].append(member)
    return _in_order(left, above)[1]


class _Joined:
    """A correlation and the rules that it refers to: which field of which of them is meant by a name."""

    def __init__(self, member: Member, section: Section, found: Sequence[Detected | Correlated | str | None]) -> None:
        self._member = member
        self._section = section
        self._found = [each for each in found if each is not None]

    def correlated(self) -> Correlated:
        section = self._section
        ids = dict(zip(section.rules, map(_id_of, self._found), strict=True))
        names = {each: self._label(each) for each in section.group_by}
        condition = section.condition
        if isinstance(condition, Said):
            condition = with_ids(condition, ids)
            assert set(rules_in(condition)) <= set(ids.values())
        return Correlated(
            frame=self._member.frame,
            place=self._member.source.place,
            type=section.type,
            rules=tuple(ids[each] for each in section.rules),
            group_by=tuple(names.values()),
            fields=tuple(
                {names[each]: self._fields(number, each) for each in section.group_by}
                for number in range(len(self._found))
            ),
            timespan=section.timespan,
            condition=condition,
            values=tuple(
                tuple(self._fields(number, each) for each in section.fields) for number in range(len(self._found))
            ),
            percentile=section.percentile,
        )

    def _fields(self, number: int, name: str) -> tuple[str, ...]:
        """Where a name is found in what a rule matches (or in the alerts of a correlation)."""
        rule, reference = self._found[number], self._section.rules[number]
        name = self._aliases(number).get(name, name)
        if isinstance(rule, Detected):
            return rule.names(name)
        if isinstance(rule, str):
            return (name,)
        for label, fields in zip(rule.group_by, _written(rule), strict=True):
            if name == label or name in fields:
                return (label,)
        raise CannotApply(
            f"it asks for {name!r}, which the alerts of {reference!r} do not tell: that one does not group by it"
        )

    def _aliases(self, number: int) -> Mapping[str, str]:
        """Alias → field, for one of the rules, which may be named by its id or its name."""
        reference, rule = self._section.rules[number].lower(), self._found[number]
        known = {reference} if isinstance(rule, str) else {reference, rule.frame.id, rule.frame.written.lower()}
        return {
            alias: field
            for alias, fields in self._section.aliases.items()
            for of, field in fields.items()
            if of.lower() in known
        }

    def _label(self, name: str) -> str:
        """What the alert calls a field: its ECS name where all rules agree on one, its own name otherwise."""
        if name in self._section.aliases:
            return name
        first = {self._fields(number, name)[0] for number in range(len(self._found))}
        return first.pop() if len(first) == 1 else name


def _written(rule: Correlated) -> list[set[str]]:
    """For each label of a correlation, all names by which it was asked for."""
    return [{name for fields in rule.fields for name in fields[label]} for label in rule.group_by]


def _id_of(rule: Detected | Correlated | str) -> str:
    return rule if isinstance(rule, str) else rule.frame.id
