"""Many conditions, asked at once: only those are evaluated that the event can meet at all.

First it is found which conditions are about events of this source (`profile`). Those make a *plan*: each is filed under
what an event must have to meet it (`needs`) and called up by the event's values; only those that need nothing in
particular are evaluated for every event that comes to the plan. What a look-up has shown already is not tested again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fenghuo.rules.detection.compile import Detection, as_list, compile_node, compile_test, cost_of
from fenghuo.rules.detection.needs import Atom, Need, likelihood, needs_of
from fenghuo.rules.detection.pattern import text_of
from fenghuo.rules.detection.profile import Profiles, is_of_source
from fenghuo.rules.detection.tables import Table
from fenghuo.rules.detection.tree import TRUE, Every, Node, Test, simplify, tests_of
from fenghuo.rules.detection.view import View

T = TypeVar("T")
_FEW = 3
"""So many conditions are evaluated rather than filed."""
_QUICK = frozenset({"equals", "regex"})
"""Two of them are looked up in no more time than one is evaluated."""
_MOST_PLANS = 64
"""So many combinations of groups get a plan of their own; for others the plans of their groups are used, one by one."""


@dataclass(slots=True)
class _Plan:
    switches: list[tuple[str, str, dict[str, _Plan]]] = field(default_factory=list[tuple[str, str, "dict[str, _Plan]"]])
    """Tables of texts that a field may equal."""
    tables: list[tuple[str, str, Table[_Plan]]] = field(default_factory=list[tuple[str, str, Table["_Plan"]]])
    """Tables of other things; each with the field's first segment and its name."""
    met: list[int] = field(default_factory=list[int])
    """Conditions that hold for every event that comes here."""
    asked: list[tuple[int, Detection]] = field(default_factory=list[tuple[int, Detection]])
    """Conditions that are evaluated."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A condition that is not yet placed: what remains to be tested of it."""

    number: int
    parts: tuple[Node, ...]

    def without(self, part: Node) -> _Entry:
        return _Entry(self.number, tuple(one for one in self.parts if one is not part))


class EventIndex(Generic[T]):
    """Conditions and what each stands for. Not to be used by two threads at once.

    Plans are made when the first event of a source comes. ValueError for a condition that is too deep or holds what
    cannot be run.
    """

    def __init__(self, items: Iterable[tuple[Node, T]]) -> None:
        pairs = [(simplify(node), item) for node, item in items]
        self._items = [item for _, item in pairs]
        self._memo: dict[int, bool] = {}
        self._builder = _Builder([node for node, _ in pairs], self._memo)
        groups: dict[tuple[Node, ...], list[_Entry]] = defaultdict(list)
        for number, (node, _) in enumerate(pairs):
            parts = _conjuncts(node)
            of_source = tuple(part for part in parts if is_of_source(part))
            groups[of_source].append(_Entry(number, tuple(part for part in parts if part not in of_source)))
        self._groups = list(groups.values())
        self._profiles = Profiles(
            [self._builder.detection(parts) for parts in groups],
            (test for parts in groups for part in parts for test in tests_of(part)),
        )
        self._plans: dict[tuple[int, ...], list[_Plan]] = {}
        self._of_group: dict[int, _Plan] = {}

    def __len__(self) -> int:
        return len(self._items)

    def matching(self, view: View) -> list[T]:
        """What stands for the conditions that the event meets, in the order in which they were given."""
        self._memo.clear()
        groups = self._profiles.of(view)
        if not groups:
            return []
        roots = view.roots
        found: list[int] = []
        plans = list(self._plans.get(groups) or self._plans_for(groups))
        for plan in plans:  # it grows while it is walked
            for root, name, by_text in plan.switches:
                if roots is not None and root not in roots:
                    continue
                value = view.get(name)
                if value is None:
                    continue
                if value.__class__ is list:
                    plans += [by_text[text] for text in _texts(value) if text in by_text]
                    continue
                chosen = by_text.get((value if value.__class__ is str else text_of(value)).lower())
                if chosen is not None:
                    plans.append(chosen)
            for root, name, table in plan.tables:
                if roots is not None and root and root not in roots:
                    continue
                value = view.get(name) if name else view.text()
                if value is not None:
                    table.call_up(value, plans)
            found += plan.met
            for number, meets in plan.asked:
                if meets(view):
                    found.append(number)
        if not found:
            return []
        items = self._items
        return [items[number] for number in (sorted(set(found)) if len(found) > 1 else found)]

    def _plans_for(self, groups: tuple[int, ...]) -> list[_Plan]:
        if len(self._plans) < _MOST_PLANS:
            entries = [entry for group in groups for entry in self._groups[group]]
            made = self._plans[groups] = [self._builder.plan(entries)]
            return made
        for group in groups:
            if group not in self._of_group:
                self._of_group[group] = self._builder.plan(self._groups[group])
        return [self._of_group[group] for group in groups]


def _texts(value: object) -> set[str]:
    return {text_of(one).lower() for one in as_list(value)}


def _conjuncts(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, Every) else (node,)


class _Builder:
    """Makes the plans. Equal tests become one function; a dear one that several conditions share runs once an event."""

    def __init__(self, nodes: Sequence[Node], memo: dict[int, bool]) -> None:
        self._needs: dict[int, list[Need]] = {}
        self._memo = memo
        self._shared = Counter(test for node in nodes for test in set(tests_of(node)))
        self._tests = {
            test: self._function(test, number, count) for number, (test, count) in enumerate(self._shared.items())
        }

    def detection(self, parts: Iterable[Node]) -> Detection:
        """The function that asks whether all of these hold."""
        return compile_node(simplify(Every(tuple(parts))), self._tests.__getitem__)

    def plan(self, entries: list[_Entry]) -> _Plan:
        """Where each of these conditions is filed."""
        made = _Plan()
        if len(entries) <= _FEW:
            self._ask(entries, made)
            return made
        filed, spread = self._filed(entries, made)
        whole = {entry.number: entry for entry in entries}
        for name, by_atom in filed.items():
            numbers = {entry.number for group in by_atom.values() for entry in group}
            few = 1 if all(atom.kind in _QUICK for atom in by_atom) else _FEW
            if len(numbers) <= few and name not in spread:
                self._ask([whole[number] for number in sorted(numbers)], made)
                continue
            plans = self._leaves(by_atom)
            root = name.partition(".")[0]
            if all(atom.kind == "equals" for atom in plans):
                made.switches.append((root, name, {atom.value: plan for atom, plan in plans.items()}))
            else:
                made.tables.append((root, name, Table(plans)))
        return made

    def _filed(self, entries: list[_Entry], made: _Plan) -> tuple[dict[str, dict[Atom, list[_Entry]]], set[str]]:
        """The conditions by field and atom; and the fields that only together hold all that one may need."""
        choices = [self._choices(entry) for entry in entries]
        asked_for: dict[str, set[str]] = defaultdict(set)
        for options in choices:
            for _, need in options:
                for atom in need.atoms:
                    if atom.kind == "equals":
                        asked_for[atom.field].add(atom.value)
        values = {name: len(texts) for name, texts in asked_for.items()}
        spread: set[str] = set()
        filed: dict[str, dict[Atom, list[_Entry]]] = defaultdict(lambda: defaultdict(list))
        for entry, options in zip(entries, choices, strict=True):
            if not options:
                self._ask([entry], made)
                continue
            part, need = min(options, key=lambda option: likelihood(option[1], values))
            rest = entry.without(part) if need.exact else entry
            if len(fields := {atom.field for atom in need.atoms}) > 1:
                spread |= fields
            for atom in need.atoms:
                filed[atom.field][atom].append(rest)
        return filed, spread

    def _leaves(self, by_atom: Mapping[Atom, list[_Entry]]) -> dict[Atom, _Plan]:
        """A plan for each atom, the same for atoms under which the same conditions are filed."""
        known: dict[tuple[int, ...], _Plan] = {}
        found: dict[Atom, _Plan] = {}
        for atom, group in by_atom.items():
            key = tuple(map(id, group))
            plan = known.get(key)
            if plan is None:
                plan = known[key] = _Plan()
                self._ask(group, plan)
            found[atom] = plan
        return found

    def _ask(self, entries: Iterable[_Entry], made: _Plan) -> None:
        for entry in entries:
            node = simplify(Every(entry.parts))
            if node == TRUE:
                made.met.append(entry.number)
            else:
                made.asked.append((entry.number, compile_node(node, self._tests.__getitem__)))

    def _choices(self, entry: _Entry) -> list[tuple[Node, Need]]:
        """Each part that must hold, with what it needs."""
        found: list[tuple[Node, Need]] = []
        for part in entry.parts:
            needs = self._needs.get(id(part))
            if needs is None:
                needs = self._needs[id(part)] = needs_of(part)
            found += [(part, need) for need in needs]
        return found

    def _function(self, test: Test, number: int, count: int) -> Detection:
        meets = compile_test(test)
        return _remembered(meets, number, self._memo) if count > 1 and cost_of(test) > 1 else meets


def _remembered(meets: Detection, number: int, memo: dict[int, bool]) -> Detection:
    """The same, run once an event; the index empties the memo before each."""

    def once(view: View) -> bool:
        answer = memo.get(number)
        if answer is None:
            answer = memo[number] = meets(view)
        return answer

    return once
