"""Many conditions, asked at once: only those are evaluated that the event can meet at all.

The conditions are put into a tree of *plans*. Where many conditions ask the same field for one of some texts (a data
set, a category), a plan switches on that field, so that an event only ever meets the conditions of its own kind. Within
a plan, conditions are filed under what an event must have to meet them (`needs`) and called up by the event's values;
only those that need nothing in particular are evaluated for every event that comes to the plan. What a look-up has
shown already is not tested again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fenghuo.rules.detection.compile import Detection, as_list, compile_node, compile_test, cost_of
from fenghuo.rules.detection.needs import Atom, Need, likelihood, needs_of
from fenghuo.rules.detection.pattern import text_of
from fenghuo.rules.detection.tables import Table
from fenghuo.rules.detection.tree import TRUE, Every, Node, Test, simplify, tests_of
from fenghuo.rules.detection.view import View

T = TypeVar("T")
_FEW = 3
"""So many conditions are evaluated rather than filed."""
_QUICK = frozenset({"equals", "regex"})
"""Two of them are looked up in no more time than one is evaluated."""
_MANY = 8
"""So many conditions that ask for texts of one field are worth a switch."""
_DEEPEST = 4
"""Switches within switches."""


@dataclass(slots=True)
class _Plan:
    switches: list[tuple[str, dict[str, _Plan]]] = field(default_factory=list[tuple[str, "dict[str, _Plan]"]])
    tables: list[tuple[str, Table[_Plan]]] = field(default_factory=list[tuple[str, Table["_Plan"]]])
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

    ValueError for a condition that is too deep or holds what cannot be run.
    """

    def __init__(self, items: Iterable[tuple[Node, T]]) -> None:
        pairs = [(simplify(node), item) for node, item in items]
        self._items = [item for _, item in pairs]
        self._memo: dict[int, bool] = {}
        builder = _Builder([node for node, _ in pairs], self._memo)
        self._root = builder.plan([_Entry(number, _conjuncts(node)) for number, (node, _) in enumerate(pairs)], 0)

    def __len__(self) -> int:
        return len(self._items)

    def matching(self, view: View) -> list[T]:
        """What stands for the conditions that the event meets, in the order in which they were given."""
        self._memo.clear()
        found: list[int] = []
        plans = [self._root]
        for plan in plans:  # it grows while it is walked
            for name, by_text in plan.switches:
                value = view.get(name)
                if value is None:
                    continue
                if value.__class__ is list:
                    plans += [by_text[text] for text in _texts(value) if text in by_text]
                    continue
                chosen = by_text.get((value if value.__class__ is str else text_of(value)).lower())
                if chosen is not None:
                    plans.append(chosen)
            for name, table in plan.tables:
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
        self._tests: dict[Test, Detection] = {}

    def plan(self, entries: list[_Entry], depth: int) -> _Plan:
        made = _Plan()
        while depth < _DEEPEST and len(entries) > _FEW:
            switch = self._best_switch(entries)
            if switch is None:
                break
            name, chosen = switch
            taken = {entry.number for entry, _, _ in chosen}
            entries = [entry for entry in entries if entry.number not in taken]
            by_text: dict[str, list[_Entry]] = defaultdict(list)
            for entry, part, need in chosen:
                rest = entry.without(part) if need.exact else entry
                for atom in need.atoms:
                    by_text[atom.value].append(rest)
            made.switches.append((name, self._plans(by_text, depth + 1)))
        self._file(entries, made)
        return made

    def _plans(self, by_text: Mapping[str, list[_Entry]], depth: int) -> dict[str, _Plan]:
        """A plan for each text, the same for texts that the same conditions ask for."""
        known: dict[tuple[int, ...], _Plan] = {}
        found: dict[str, _Plan] = {}
        for text, group in by_text.items():
            key = tuple(map(id, group))
            plan = known.get(key)
            if plan is None:
                plan = known[key] = self.plan(group, depth)
            found[text] = plan
        return found

    def _best_switch(self, entries: list[_Entry]) -> tuple[str, list[tuple[_Entry, Node, Need]]] | None:
        """The field whose texts divide the conditions best, and those that ask for them."""
        by_field: dict[str, dict[int, tuple[_Entry, Node, Need]]] = defaultdict(dict)
        for entry in entries:
            for part, need in self._choices(entry):
                fields = {atom.field for atom in need.atoms}
                if len(fields) == 1 and all(atom.kind == "equals" for atom in need.atoms):
                    by_field[fields.pop()].setdefault(entry.number, (entry, part, need))
        best: tuple[float, str] | None = None
        for name, chosen in by_field.items():
            placed = Counter(atom.value for _, _, need in chosen.values() for atom in need.atoms)
            # Besides the texts that are asked for, events have others.
            spared = len(chosen) - sum(placed.values()) / (len(placed) + 1)
            if len(chosen) >= max(_MANY, len(entries) * 0.3) and spared >= len(chosen) / 2:
                best = max(best or (0.0, ""), (spared, name))
        return (best[1], list(by_field[best[1]].values())) if best else None

    def _file(self, entries: list[_Entry], made: _Plan) -> None:
        if len(entries) <= _FEW:
            self._ask(entries, made)
            return
        choices = [self._choices(entry) for entry in entries]
        asked_for: dict[str, set[str]] = defaultdict(set)
        for options in choices:
            for _, need in options:
                for atom in need.atoms:
                    if atom.kind == "equals":
                        asked_for[atom.field].add(atom.value)
        values = {name: len(texts) for name, texts in asked_for.items()}
        spread: set[str] = set()
        """Fields that only together hold all that a condition may need."""
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
        whole = {entry.number: entry for entry in entries}
        for name, by_atom in filed.items():
            numbers = {entry.number for group in by_atom.values() for entry in group}
            few = 1 if all(atom.kind in _QUICK for atom in by_atom) else _FEW
            if len(numbers) <= few and name not in spread:
                self._ask([whole[number] for number in sorted(numbers)], made)
                continue
            plans = self._leaves(by_atom)
            if all(atom.kind == "equals" for atom in plans):
                made.switches.append((name, {atom.value: plan for atom, plan in plans.items()}))
            else:
                made.tables.append((name, Table(plans)))

    def _leaves(self, by_atom: Mapping[Atom, list[_Entry]]) -> dict[Atom, _Plan]:
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
                made.asked.append((entry.number, compile_node(node, self._test)))

    def _choices(self, entry: _Entry) -> list[tuple[Node, Need]]:
        """Each part that must hold, with what it needs."""
        found: list[tuple[Node, Need]] = []
        for part in entry.parts:
            needs = self._needs.get(id(part))
            if needs is None:
                needs = self._needs[id(part)] = needs_of(part)
            found += [(part, need) for need in needs]
        return found

    def _test(self, test: Test) -> Detection:
        known = self._tests.get(test)
        if known is None:
            known = compile_test(test)
            if self._shared[test] > 1 and cost_of(test) > 1:
                known = _remembered(known, len(self._tests), self._memo)
            self._tests[test] = known
        return known


def _remembered(meets: Detection, number: int, memo: dict[int, bool]) -> Detection:
    """The same, run once an event; the index empties the memo before each."""

    def once(view: View) -> bool:
        answer = memo.get(number)
        if answer is None:
            answer = memo[number] = meets(view)
        return answer

    return once
