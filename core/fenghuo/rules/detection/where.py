"""Native `where`: a mapping of field names, each with Sigma's modifiers behind bars, to values.

where:
  event.dataset: [zeek.dns, dns]          # one of these; * and ? are wildcards
  dns.question.name|endswith: .top
  source.ip|cidr|neq: 10.0.0.0/8          # lies elsewhere
  destination.port|gte: 1024
  user.name|list: retired-accounts        # a list from a file
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, cast, get_args

from fenghuo.config.words import allow
from fenghuo.rules.detection.checks import (
    Affix,
    Check,
    Cidr,
    Compare,
    Equals,
    Exists,
    FieldRef,
    Glob,
    How,
    Listed,
    ListLike,
    Null,
    Order,
    Part,
    Regex,
    TimePart,
    number_of,
)
from fenghuo.rules.detection.pattern import Pattern, Wild, is_plain, parse_pattern, plain_text, text_of
from fenghuo.rules.detection.tree import Node, Not, Test, every, simplify, some

_HOW = ("startswith", "endswith", "contains")
_ORDERS = get_args(Order)
_PARTS = get_args(Part)
_FLAGS = ("i", "m", "s")
_TYPES = ("re", "cidr", "exists", "list", "fieldref")
_LARGEST = 1e300
MODIFIERS: Mapping[str, str] = {
    "startswith": "The value starts with the text.",
    "endswith": "The value ends with the text.",
    "contains": "The text stands somewhere in the value.",
    "all": "All of the listed values hold, not only one.",
    "cased": "Upper and lower case differ.",
    "neq": "None of the listed values holds; true where the field is absent.",
    "exists": "`true`: the event has the field, be it null; `false`: it has not.",
    "re": "The regular expression (RE2: no look-around, no back-references) is found in the value; case counts.",
    "i": "After `re`: case does not count.",
    "m": "After `re`: `^` and `$` stand for the start and end of each line.",
    "s": "After `re`: a dot stands for the end of a line, too.",
    "cidr": "The address lies in the network, or in one of them (IPv4, IPv6).",
    "lt": "The number is less.",
    "lte": "The number is less or the same.",
    "gt": "The number is greater.",
    "gte": "The number is greater or the same.",
    "list": "A list from a file contains the value; the list's name is given.",
    "fieldref": "The value is that of another field; with `startswith`, `endswith`, `contains`: starts with that, …",
    "minute": "The minute of the time, as it is written, is this number; with `gte`, …: is at least that.",
    "hour": "The hour of the time, 0 to 23, likewise.",
    "day": "The day of the month.",
    "week": "The week of the year (ISO 8601).",
    "month": "The month, 1 to 12.",
    "year": "The year.",
}
"""What may stand behind a field's name, each after a bar, and what it means."""


class WhereError(ValueError):
    """A `where` that says nothing sensible; `key` is the key it is about, `hint` what was probably meant."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.hint = hint


class ListsLike(Protocol):
    """The lists from files, by name."""

    def get(self, name: str) -> ListLike | None: ...


def read_where(mapping: Mapping[str, Any], *, lists: ListsLike | None = None, cased: bool = False) -> Node:
    """A `where` as a condition: all keys hold; of a key's values one (all with `|all`). WhereError where it is wrong.

    `cased`: texts are compared case-sensitively, as if each key had that modifier.
    """
    nodes: list[Node] = []
    for key, value in mapping.items():
        try:
            nodes.append(_read_key(str(key), value, lists, cased=cased))
        except WhereError:
            raise
        except ValueError as error:
            raise WhereError(str(key), str(error), getattr(error, "hint", "")) from error
    return simplify(every(nodes))


def text_tests(field: str | None, patterns: Sequence[Pattern], how: How = "equals", *, cased: bool = False) -> Node:
    """One of these texts, with or without wildcards; at most two checks, however many they are."""
    patterns = [_widened(pattern, how) for pattern in patterns]
    plain = tuple(dict.fromkeys(plain_text(pattern) for pattern in patterns if is_plain(pattern)))
    affixes: dict[str, list[str]] = {}
    wild: list[Pattern] = []
    for pattern in patterns:
        if is_plain(pattern):
            continue
        inner = [part for part in pattern if part is not Wild.MANY]
        kind = _affix(pattern)
        if kind and len(inner) == 1 and isinstance(inner[0], str):
            affixes.setdefault(kind, []).append(inner[0])
        else:
            wild.append(pattern)
    checks: list[Check] = [Equals(frozenset(plain), cased)] if plain else []
    checks += [Affix(cast("Any", kind), tuple(dict.fromkeys(texts)), cased) for kind, texts in affixes.items()]
    checks += [Glob(tuple(dict.fromkeys(wild)), cased)] if wild else []
    return some(Test(field, check) for check in checks)


def _widened(pattern: Pattern, how: How) -> Pattern:
    before = (Wild.MANY,) if how in ("contains", "endswith") and pattern[:1] != (Wild.MANY,) else ()
    after = (Wild.MANY,) if how in ("contains", "startswith") and pattern[-1:] != (Wild.MANY,) else ()
    return (*before, *pattern, *after)


def _affix(pattern: Pattern) -> str:
    open_start, open_end = pattern[0] is Wild.MANY, pattern[-1] is Wild.MANY
    if len(pattern) == 1 + open_start + open_end:
        return {(True, True): "contains", (True, False): "endswith", (False, True): "startswith"}.get(
            (open_start, open_end), ""
        )
    return ""


@dataclass(slots=True)
class _Key:
    """One key of a `where`, taken apart."""

    key: str
    field: str
    modifiers: list[str]
    cased: bool

    def one_of(self, allowed: Sequence[str]) -> str:
        """The modifier of these that the key has; empty for none; WhereError for two."""
        found = [name for name in self.modifiers if name in allowed]
        if len(found) > 1:
            raise WhereError(self.key, f"'{found[0]}' and '{found[1]}' exclude each other")
        return found[0] if found else ""

    def only_with(self, used: str, allowed: Sequence[str]) -> None:
        """WhereError where the key has a modifier that does not go with `used`."""
        for name in self.modifiers:
            if name not in (used, "all", "neq", *allowed):
                raise WhereError(self.key, f"'{name}' does not go with '{used}'")


def _read_key(key: str, value: Any, lists: ListsLike | None, *, cased: bool) -> Node:
    field, *modifiers = (part.strip() for part in key.split("|"))
    if not field:
        raise WhereError(key, "a field's name is missing before '|'")
    for name in modifiers:
        if name not in MODIFIERS:
            raise WhereError(key, f"unknown modifier {name[:60]!r}", allow(name, MODIFIERS))
    parsed = _Key(key, field, modifiers, cased or "cased" in modifiers)
    values = list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]
    if not values:
        raise WhereError(key, "an empty list: nothing could match")
    if any(isinstance(one, Mapping | list) for one in values):
        raise WhereError(key, "expected a text, a number, true, false, null or a list of these")
    if "all" in modifiers and len(values) < 2:
        raise WhereError(key, "'all' needs a list of at least two values")
    groups = [[one] for one in values] if "all" in modifiers else [values]
    node = every(_read_values(parsed, group, lists) for group in groups)
    return Not(node) if "neq" in modifiers else node


def _read_values(key: _Key, values: list[Any], lists: ListsLike | None) -> Node:
    kind = key.one_of((*_TYPES, *_ORDERS))
    part = key.one_of(_PARTS)
    if part:
        return _time_part(key, part, kind, values)
    if kind in _ORDERS:
        key.only_with(kind, ())
        return some(Test(key.field, Compare(cast("Order", kind), _number(key, value))) for value in values)
    if kind:
        return _READERS[kind](key, values, lists)
    for name in _FLAGS:
        if name in key.modifiers:
            raise WhereError(key.key, f"'{name}' belongs behind 're'", f"write {key.field}|re|{name}")
    return _texts(key, values)


def _texts(key: _Key, values: list[Any]) -> Node:
    how = key.one_of(_HOW) or "equals"
    texts = [value for value in values if value is not None]
    if len(texts) < len(values) and how != "equals":
        raise WhereError(key.key, f"null has no place with '{how}'")
    nodes: list[Node] = [Test(key.field, Null())] if len(texts) < len(values) else []
    patterns = [_pattern(value) for value in texts]
    if patterns:
        nodes.append(text_tests(key.field, patterns, cast("How", how), cased=key.cased))
    return some(nodes)


def _pattern(value: Any) -> Pattern:
    if isinstance(value, str):
        return parse_pattern(value)
    return (value.isoformat() if isinstance(value, date | datetime) else text_of(value),)


def _number(key: _Key, value: Any) -> float:
    number = number_of(value)
    if number is None:
        raise WhereError(key.key, f"expected a number, not {str(value)[:60]!r}")
    if abs(number) > _LARGEST:
        raise WhereError(key.key, "a number that is too large")
    return number


def _time_part(key: _Key, part: str, kind: str, values: list[Any]) -> Node:
    key.only_with(part, _ORDERS)
    numbers = [_number(key, value) for value in values]
    if any(not number.is_integer() for number in map(float, numbers)):
        raise WhereError(key.key, f"expected whole numbers for '{part}'")
    whole = [int(number) for number in numbers]
    if not kind:
        return Test(key.field, TimePart(cast("Part", part), frozenset(whole)))
    return some(Test(key.field, TimePart(cast("Part", part), frozenset((one,)), cast("Order", kind))) for one in whole)


def _regex(key: _Key, values: list[Any], _: ListsLike | None) -> Node:
    key.only_with("re", _FLAGS)
    flags = "".join(name for name in _FLAGS if name in key.modifiers)
    checks = [Regex(text_of(value), flags) for value in values]
    return some(Test(key.field, _tried(check)) for check in checks)


def _cidr(key: _Key, values: list[Any], _: ListsLike | None) -> Node:
    key.only_with("cidr", ())
    return Test(key.field, _tried(Cidr(tuple(text_of(value) for value in values))))


def _tried(check: Regex | Cidr) -> Check:
    """The check, after it was tried whether it can be run."""
    check.bind()
    return check


def _exists(key: _Key, values: list[Any], _: ListsLike | None) -> Node:
    key.only_with("exists", ())
    if len(values) != 1 or text_of(values[0]) not in ("true", "false"):
        raise WhereError(key.key, "'exists' needs true or false")
    return Test(key.field, Exists(text_of(values[0]) == "true"))


def _fieldref(key: _Key, values: list[Any], _: ListsLike | None) -> Node:
    key.only_with("fieldref", (*_HOW, "cased"))
    if not all(isinstance(value, str) and value for value in values):
        raise WhereError(key.key, "'fieldref' needs the name of another field")
    how = cast("How", key.one_of(_HOW) or "equals")
    return some(Test(key.field, FieldRef(value, how, key.cased)) for value in values)


def _listed(key: _Key, values: list[Any], lists: ListsLike | None) -> Node:
    key.only_with("list", ())
    nodes: list[Node] = []
    for value in values:
        name = text_of(value)
        entries = lists.get(name) if lists is not None else None
        if entries is None:
            raise WhereError(key.key, f"there is no list {name[:60]!r}")
        nodes.append(Test(key.field, Listed(name, entries)))
    return some(nodes)


_READERS: Mapping[str, Callable[[_Key, list[Any], ListsLike | None], Node]] = {
    "re": _regex,
    "cidr": _cidr,
    "exists": _exists,
    "fieldref": _fieldref,
    "list": _listed,
}
