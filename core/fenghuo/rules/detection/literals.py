"""Many texts sought at once: whether one of them starts, ends or lies within a text, and which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller

Meets = Callable[[str], bool]
_FEW = 64
"""So many starts or ends are compared one by one, which is quicker than making the parts to look up."""
_FEW_WITHIN = 12
"""So many texts are sought one by one; more of them by RE2's set, which costs the same for any number."""


class Ends:
    """Which ends of a text may be among many: those from a dot on (domains), and those as long as one of the others."""

    def __init__(self, ends: Iterable[str]) -> None:
        ends = list(ends)
        dotted = [len(end) for end in ends if end.startswith(".")]
        self._longest = max(dotted, default=0)
        self._lengths = sorted({len(end) for end in ends if end and not end.startswith(".")})

    def candidates(self, text: str) -> list[str]:
        """Parts of the text; their number is bounded by the lengths of the ends, not by the text's."""
        size = len(text)
        found = [text[size - length :] for length in self._lengths if length <= size]
        if self._longest:
            at = text.find(".", max(0, size - self._longest))
            while at >= 0:
                found.append(text[at:])
                at = text.find(".", at + 1)
        return found


class Starts:
    """Which starts of a text may be among many."""

    def __init__(self, starts: Iterable[str]) -> None:
        self._lengths = sorted({len(start) for start in starts if start})

    def candidates(self, text: str) -> list[str]:
        size = len(text)
        return [text[:length] for length in self._lengths if length <= size]


def ends_with(values: Sequence[str]) -> Meets:
    """Whether a text ends with one of these."""
    if len(values) <= _FEW or "" in values:
        return methodcaller("endswith", tuple(values))
    return _meets_one(frozenset(values), Ends(values).candidates)


def starts_with(values: Sequence[str]) -> Meets:
    """Whether a text starts with one of these."""
    if len(values) <= _FEW or "" in values:
        return methodcaller("startswith", tuple(values))
    return _meets_one(frozenset(values), Starts(values).candidates)


def _meets_one(known: frozenset[str], candidates: Callable[[str], list[str]]) -> Meets:
    return lambda text: not known.isdisjoint(candidates(text))


def contains(values: Sequence[str]) -> Meets:
    """Whether one of these lies within a text."""
    if len(values) == 1:
        return methodcaller("__contains__", values[0])
    if len(values) > _FEW_WITHIN:
        found = which_of([("contains", value) for value in values])
        return lambda text: bool(found(text))

    def meets(text: str) -> bool:
        for value in values:  # noqa: SIM110 — `any` with a generator costs twice as much
            if value in text:
                return True
        return False

    return meets


def which_of(texts: Sequence[tuple[str, str]]) -> Callable[[str], Sequence[int]]:
    """The positions of those that are found in a text; each has its place: `starts`, `ends` or `contains`."""

    def one_by_one(text: str) -> Sequence[int]:
        return [number for number, (place, value) in enumerate(texts) if _PLACES[place](text, value)]

    if len(texts) <= _FEW_WITHIN:
        return one_by_one
    from fenghuo.rules.detection.regex import text_set  # noqa: PLC0415 — RE2 is loaded for long lists alone

    return text_set(texts, one_by_one)


_PLACES: Mapping[str, Callable[[str, str], bool]] = {
    "starts": str.startswith,
    "ends": str.endswith,
    "contains": str.__contains__,
}
