"""Rules with one thing changed, to see whether their tests notice.

What a rule says is known only as far as its tests can tell it from a rule that says a little else. So its document is
changed in one place and read anew, and its own tests are run with what came of it (`fenghuo.rules.tools.coverage`).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from fenghuo.config import format_duration, parse_duration, parse_size
from fenghuo.errors import Located, Place, Problem
from fenghuo.rules.files.documents import Text, read_texts
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.parse import Source, parse_document
from fenghuo.rules.files.section import RuleSection
from fenghuo.rules.language.expression import (
    Arithmetic,
    Call,
    Comparison,
    ExpressionError,
    Field,
    Logic,
    Membership,
    Node,
    Not,
    Number,
    Rate,
    Variable,
    children,
    parse_condition,
    walk,
)
from fenghuo.rules.rule import Rule
from fenghuo.rules.runtime.lifecycle import SETTLE_MS

Key = str | int
Path_ = tuple[Key, ...]

SHARE = 0.1
"""By how much of itself a number is moved, and at least by 1 where it is whole.

A span is also made shorter by so much and the time that timers wait for readings on their way, for only then do they ring.
"""
_TOO_FAR = 1e15
_OTHER_TIMES = frozenset({"forget", "lasts", "hold"})
"""Spans that say when an alert ends, not whether there is one."""
_CONDITIONS = ("condition", "clear")
_PARTS = ("for", "clear", "suppress_if", "schedule", "throttle", "repeat", "until")
"""Keys without which a rule would be another."""
_MATCHES = ("where", "exceptions", "allow", "deny")
_ALWAYS: Mapping[str, Any] = {"@timestamp|exists": "true"}
"""What every event of a test meets."""
_NEVER: Mapping[str, Any] = {"@timestamp|exists": "false"}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_TOKEN = re.compile(
    r"(==|!=|<=|>=|<|>|\bnot\s+in\s*\([^)]*\)|\bin\s*\([^)]*\))|([A-Za-z_][\w.]*)|(\d[\w.%]*(?:[eE][+-]\d+)?)"
)
_CLEAR_HOLD = re.compile(r"(?:^|\s)for\s+\S+\s*$")
_VARIABLES = frozenset({"value", "previous", "elapsed"})


@dataclass(frozen=True)
class Change:
    """One thing changed: where, what it said, and what it says now."""

    path: Path_
    was: str
    now: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The place for people: `steps.2.within`."""
        return ".".join(str(part + 1) if isinstance(part, int) else part for part in self.path)


@dataclass(frozen=True)
class Written:
    """A rule as it is written."""

    text: Text
    data: dict[str, Any]

    def place(self, path: Path_) -> Place:
        """Where a key of it stands."""
        return self.text.place(Source.of(self.text.content).place(*(str(part) for part in path)))


def written(rule: Rule) -> Written | None:
    """The document that a rule was read from; None where it is not to be found, or is no document of ours."""
    for text, place, data in _documents(Path(rule.place.file)):
        if place == rule.place and "kind" in data:
            return Written(text, {key: value for key, value in data.items() if key != "tests"})
    return None


@lru_cache(maxsize=8)
def _documents(file: Path) -> list[tuple[Text, Place, dict[str, Any]]]:
    problems: list[Problem] = []
    found: list[tuple[Text, Place, dict[str, Any]]] = []
    for text in read_texts(file, problems):
        try:
            source = Source.of(text.content)
        except Located:
            continue
        data: Any = source.data
        if isinstance(data, dict):
            found.append((text, text.place(source.start), cast("dict[str, Any]", data)))
    return found


def changed(change: Change, rule: Rule, lists: RuleLists) -> Rule | None:
    """The rule with a change, its tests as they were; None where it would be none."""
    found = parse_document(json.dumps(change.data, default=str).encode(), lists).rule
    if found is None:
        return None
    section = found.section.model_copy(update={"tests": rule.section.tests})
    return replace(found, section=section, place=rule.place)


# Numbers, moved a little


def moved_numbers(data: Mapping[str, Any]) -> Iterator[Change]:
    """Each limit and each span of time that decides, a tenth (or one) less and more."""
    for path, value in _own_values(data, ()):
        if path[-1] in _OTHER_TIMES or not isinstance(value, int | float | str) or isinstance(value, bool):
            continue
        for now in _moved(value):
            yield _set(data, path, now)
    for path, text in _texts(data, ("condition",)):
        for now in _moved_in_text(text):
            yield _set(data, path, now)


def _own_values(node: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    """The values of a kind's own keys (and of `for`), with those of its steps and such below."""
    if isinstance(node, Mapping):
        for key, value in cast("Mapping[str, Any]", node).items():
            is_common = not path and key in RuleSection.model_fields
            if not is_common and key not in (*_MATCHES, *_CONDITIONS, "detection", "logsource", "kind", "data"):
                yield from _own_values(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(cast("list[Any]", node)):
            yield from _own_values(value, (*path, index))
    elif path:
        yield path, node


def _moved(value: float | str) -> Iterator[float | str]:
    if not isinstance(value, str):
        yield from _around(value)
    elif _DURATION.fullmatch(value):
        milliseconds = round(parse_duration(value) * 1000)
        tenth = max(1, round(milliseconds * SHARE))
        for moved in (milliseconds - tenth, milliseconds + tenth, milliseconds - tenth - SETTLE_MS):
            if moved > 0:
                yield format_duration(moved / 1000)


def _around(value: float) -> Iterator[float]:
    if abs(value) > _TOO_FAR:
        return
    if isinstance(value, int):
        step = max(1, round(abs(value) * SHARE))
        yield from (value - step, value + step)
    elif value:
        yield from (value * (1 - SHARE), value * (1 + SHARE))


def _moved_in_text(text: str) -> Iterator[str]:
    """A condition with each of its numbers moved, but for those that something must equal."""
    before = ""
    for token in _TOKEN.finditer(text):
        operator, _, number = token.groups()
        if number and before not in ("==", "!="):
            value = _number(number)
            for moved in () if value is None else _around(value):
                yield (
                    f"{text[: token.start()]}({moved!r}){text[token.end() :]}"
                    if moved < 0
                    else (f"{text[: token.start()]}{moved!r}{text[token.end() :]}")
                )
        before = operator or ""


def _number(text: str) -> float | None:
    if text.endswith("%"):
        return float(text[:-1]) / 100
    for parse in (int, float, parse_duration, parse_size):
        try:
            return parse(text)
        except ValueError:
            continue
    return None


# Conditions, left out or decided


def dropped_conditions(data: Mapping[str, Any]) -> Iterator[Change]:
    """Each condition on events or labels, and each exception, left out; each number that something must equal, one less
    and more.
    """
    yield from _without_matches(data)
    yield from _without_dataset(data)
    yield from _without_entries(data, "exceptions")
    yield from _without_entries(data, "allow")
    for path, text in _texts(data, ("condition",)):
        for token in re.finditer(r"([=!]=\s*)(\d+)", text):
            for moved in (int(token[2]) - 1, int(token[2]) + 1):
                if moved >= 0:
                    yield _set(data, path, text[: token.start()] + token[1] + str(moved) + text[token.end() :])


def _without_matches(data: Mapping[str, Any]) -> Iterator[Change]:
    """Each condition on a field or label always true."""
    for path, matches in _matches(data, ()):
        always: Mapping[str, Any] = (
            {} if "data" in data else {"@timestamp|exists": True} if "detection" in path else _ALWAYS
        )
        for key in matches:
            rest = {name: value for name, value in matches.items() if name != key}
            yield _set(
                data, path, rest or dict(always), was=f"{key}: {_short(matches[key])}", at=(*path, key), now="always"
            )


def _without_dataset(data: Mapping[str, Any]) -> Iterator[Change]:
    """Events of any dataset."""
    if "dataset" in data:
        rest = {key: value for key, value in data.items() if key != "dataset"}
        if not any(key in rest for key in ("where", "detection", "logsource", "steps")):
            rest["where"] = dict(_ALWAYS)
        yield Change(("dataset",), _short(data["dataset"]), "any", rest)


def _without_entries(data: Mapping[str, Any], key: str) -> Iterator[Change]:
    """Each of several conditions, of which one suffices, never true."""
    entries = _list(data.get(key))
    for index, each in enumerate(entries):
        others = [other for position, other in enumerate(entries) if position != index]
        if not others and key != "exceptions":
            others = [dict(_NEVER)]
        yield _set(data, (key,), others, was=_short(each), at=(key, index), now="never")


def _matches(node: Any, path: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """Every mapping of fields and what they must be; `exceptions` are for others."""
    if isinstance(node, list):
        for index, value in enumerate(cast("list[Any]", node)):
            yield from _matches(value, (*path, index))
    if not isinstance(node, dict):
        return
    for key, value in cast("dict[str, Any]", node).items():
        here = (*path, key)
        if key in ("where", "allow", "deny"):
            yield from _mappings(value, here)
        elif key == "detection" and isinstance(value, dict):
            for name, part in cast("dict[str, Any]", value).items():
                if name not in ("condition", "timeframe"):
                    yield from _mappings(part, (*here, name))
        elif path or key not in RuleSection.model_fields:
            yield from _matches(value, here)


def _mappings(value: Any, path: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    if isinstance(value, dict) and value:
        yield path, cast("dict[str, Any]", value)
    elif isinstance(value, list):
        for index, each in enumerate(cast("list[Any]", value)):
            yield from _mappings(each, (*path, index))


def decided(data: Mapping[str, Any]) -> Iterator[Change]:
    """Each part of a rule without which it would be another: comparisons always true or never, conditions and parts left out."""
    yield from _without_matches(data)
    for key in ("exceptions", "allow", "deny"):
        yield from _without_entries(data, key)
    for key in _PARTS:
        if key in data:
            yield _set(data, (key,), None, was=_short(data[key]), now="left out")
    for path, text in _texts(data, _CONDITIONS):
        yield from _decided_text(data, path, text)
    levels = _dict(data.get("level"))
    for level in levels if len(levels) > 1 else ():
        others = {key: value for key, value in levels.items() if key != level}
        yield _set(data, ("level",), others, was=f"{level}: {levels[level]}", at=("level", level), now="never")


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _decided_text(data: Mapping[str, Any], path: Path_, text: str) -> Iterator[Change]:
    hold = _CLEAR_HOLD.search(text) if path[-1] == "clear" else None
    suffix = hold[0] if hold else ""
    try:
        node = parse_condition(text.removesuffix(suffix), _VARIABLES)
    except ExpressionError:
        return
    relations = [part for part in walk(node) if isinstance(part, Comparison | Membership)]
    for part in dict.fromkeys(relations):
        for now, constant in (("always", "(1 == 1)"), ("never", "(1 == 0)")):
            yield _set(data, path, show(node, part, constant) + suffix, was=show(part), now=now)


def show(node: Node, other: Node | None = None, text: str = "") -> str:
    """An expression as text; `other`, where it occurs within, as `text`."""
    if node == other:
        return text
    inner = [show(child, other, text) for child in children(node)]
    match node:
        case Number(value):
            return repr(value)
        case Field(name) | Variable(name):
            return name
        case Rate(name):
            return f"rate({name})"
        case Call(function, _):
            return f"{function}({', '.join(inner)})"
        case Comparison(operator, _, _):
            return f"{inner[0]} {operator} {inner[1]}"
        case Arithmetic(operator, _, _) | Logic(operator, _, _):
            return f"({inner[0]} {operator} {inner[1]})"
        case Membership(_, members, negated):
            numbers = ", ".join(repr(member) for member in sorted(members))
            return f"{inner[0]} {'not in' if negated else 'in'} ({numbers})"
        case Not(_):
            return f"not ({inner[0]})"


def _texts(data: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[Path_, str]]:
    for key in keys:
        value = data.get(key)
        if isinstance(value, str):
            yield (key,), value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def _set(
    data: Mapping[str, Any], path: Path_, value: Any, *, was: str | None = None, at: Path_ | None = None, now: str = ""
) -> Change:
    """The data with another value at a path; None leaves the key out."""
    made: Any = copy.deepcopy(dict(data))
    node = made
    for key in path[:-1]:
        node = node[key]
    before = node[path[-1]]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return Change(at or path, _short(before) if was is None else was, now or _short(value), made)
