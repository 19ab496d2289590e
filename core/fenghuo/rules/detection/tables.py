"""Look-ups by the value of one field: which of many filed things an event's value calls up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from fenghuo.rules.detection.checks import Order, number_of
from fenghuo.rules.detection.compile import as_list
from fenghuo.rules.detection.literals import Ends, Starts, which_of
from fenghuo.rules.detection.needs import Atom
from fenghuo.rules.detection.pattern import text_of

T = TypeVar("T")
_IN_PASSING = 4_000
"""Characters of starts and ends that are sought together with texts that may stand anywhere."""
Look = Callable[[str], Iterable[T]]


class Table(Generic[T]):
    """What is filed under the atoms of one field."""

    def __init__(self, filed: Mapping[Atom, T]) -> None:
        of_kind: dict[str, dict[str, T]] = {}
        for atom, thing in filed.items():
            of_kind.setdefault(atom.kind, {})[atom.value] = thing
        self._present = list(of_kind.get("has", {}).values())
        self._equal = of_kind.get("equals", {})
        self._lowered: list[Look[T]] = []
        self._as_is: list[Look[T]] = []
        self._numbers: list[_Bounds[T]] = []
        self._add_texts(of_kind)
        if regexes := of_kind.get("regex"):
            self._add_regexes(regexes)
        for kind, order in _ORDERS.items():
            if bounds := of_kind.get(kind):
                self._numbers.append(_Bounds(order, {_number(bound): thing for bound, thing in bounds.items()}))
        if networks := of_kind.get("cidr"):
            self._add_networks(networks)

    def _add_texts(self, of_kind: Mapping[str, Mapping[str, T]]) -> None:
        none: Mapping[str, T] = {}
        starts, ends, within = (of_kind.get(kind, none) for kind in ("starts", "ends", "contains"))
        if within:
            # What is sought anyway finds a few starts and ends in passing.
            shared = [("contains", within)]
            if sum(map(len, (*starts, *ends))) <= _IN_PASSING:
                shared += [("starts", starts), ("ends", ends)]
                starts = ends = none
            texts = [(place, text) for place, filed in shared for text in filed]
            self._lowered.append(_chosen([thing for _, filed in shared for thing in filed.values()], which_of(texts)))
        if starts:
            self._lowered.append(_affixes(starts, Starts(starts).candidates))
        if ends:
            self._lowered.append(_affixes(ends, Ends(ends).candidates))

    def _add_regexes(self, filed: Mapping[str, T]) -> None:
        from fenghuo.rules.detection.regex import regex_set  # noqa: PLC0415 — RE2 is loaded for such rules alone

        things = list(filed.values())
        patterns = [tuple(value.split("|", 1)) for value in filed]
        which, left = regex_set([(pattern, flags) for flags, pattern in patterns])
        self._present += [things[number] for number in left]
        if len(left) < len(things):
            self._as_is.append(_chosen(things, which))

    def _add_networks(self, filed: Mapping[str, T]) -> None:
        from fenghuo.rules.detection.addresses import NetworkMap  # noqa: PLC0415 — ipaddress is loaded for such rules alone

        self._as_is.append(NetworkMap(filed).find)

    def call_up(self, value: Any, into: list[T]) -> None:
        """Append what a value (as `View.get` gives it; not None) calls up; the same thing may come twice."""
        into += self._present
        for one in as_list(value):
            text = one if one.__class__ is str else text_of(one)
            lower = text.lower()
            thing = self._equal.get(lower)
            if thing is not None:
                into.append(thing)
            for look in self._lowered:
                into += look(lower)
            for look in self._as_is:
                into += look(text)
            if self._numbers:
                self._compare(one, into)

    def _compare(self, value: Any, into: list[T]) -> None:
        number = number_of(value)
        if number is not None:
            for bounds in self._numbers:
                into += bounds.met_by(number)


class _Bounds(Generic[T]):
    """What is filed under bounds that a number may be less or greater than."""

    def __init__(self, order: Order, filed: Mapping[float, T]) -> None:
        self._order = order
        self._bounds = sorted(filed)
        self._things = [filed[bound] for bound in self._bounds]

    def met_by(self, number: float) -> list[T]:
        """What is filed under the bounds that the number keeps; nothing for NaN."""
        if number != number:  # noqa: PLR0124 — only NaN is not itself
            return []
        if self._order == "gt":
            return self._things[: bisect_left(self._bounds, number)]
        if self._order == "gte":
            return self._things[: bisect_right(self._bounds, number)]
        if self._order == "lt":
            return self._things[bisect_right(self._bounds, number) :]
        return self._things[bisect_left(self._bounds, number) :]


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


_ORDERS: Mapping[str, Order] = {"lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte"}


def _affixes(filed: Mapping[str, T], candidates: Callable[[str], list[str]]) -> Look[T]:
    known = filed.keys()

    def look(text: str) -> Sequence[T]:
        parts = candidates(text)
        return () if known.isdisjoint(parts) else [filed[part] for part in parts if part in filed]

    return look


def _chosen(things: Sequence[T], which: Callable[[str], Sequence[int]]) -> Look[T]:
    def look(text: str) -> Sequence[T]:
        numbers = which(text)
        return [things[number] for number in numbers] if numbers else ()

    return look
