"""Sigma's values, as pySigma's modifiers left them → conditions over the fields of an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from sigma.conditions import ConditionAND
from sigma.exceptions import SigmaError
from sigma.rule.detection import SigmaDetectionItem  # pyright: ignore[reportMissingTypeStubs] — its types are inline, only this package lacks the mark
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from fenghuo.rules.detection import Node, Not, Test
from fenghuo.rules.detection.checks import (
    Check,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    How,
    Null,
    Part,
    Regex,
    TimePart,
)
from fenghuo.rules.detection.pattern import Pattern, Wild, is_plain, parse_pattern, plain_text, text_of
from fenghuo.rules.detection.regex import MAX_REGEX, RegexError
from fenghuo.rules.detection.tree import every, some
from fenghuo.rules.detection.where import text_tests
from fenghuo.rules.sigma.documents import CannotApply, Wrong
from fenghuo.rules.sigma.items import PERCENT, POLICY, values_of
from fenghuo.rules.sigma.pipeline import Target

Targets = Callable[[str], tuple[Target, ...]]
_KEYWORD = (Target(""),)


class ItemReader:
    """One `field|modifiers: values` after the other. `targets`: where a field is found; `placeholders`: their values."""

    def __init__(self, targets: Targets, placeholders: Mapping[str, Sequence[str]]) -> None:
        self._targets = targets
        self.placeholders = placeholders

    def read(self, item: SigmaDetectionItem) -> Node:
        """Wrong and CannotApply say what stands against it."""
        values = [value for each in item.value for value in self._expanded(each)]
        one = _Item(self._targets, item)
        if not values:
            values = [None]
        if item.value_linking is ConditionAND:
            node = every(one.any_of([value]) for value in values)
        else:
            node = one.any_of(values)
        return Not(node) if item.negated else node

    def _expanded(self, value: SigmaType) -> list[Any]:
        """The value with its placeholders filled in."""
        if isinstance(value, SigmaExpansion):
            return [SigmaExpansion([each for one in value.values for each in self._expanded(one)])]
        if not isinstance(value, SigmaString | SigmaRegularExpression) or not value.contains_placeholder():
            return [value]
        try:
            if isinstance(value, SigmaRegularExpression):
                texts = value.regexp.replace_placeholders(self._texts_of)
                return [SigmaExpansion([SigmaRegularExpression(text, value.flags, POLICY) for text in texts])]
            return [SigmaExpansion(cast("list[SigmaType]", value.replace_placeholders(self._patterns_of)))]
        except SigmaError as error:
            raise CannotApply(str(error)) from None

    def _patterns_of(self, placeholder: Placeholder) -> Iterator[Any]:
        yield from (SigmaString(value) for value in self._texts_of(placeholder))

    def _texts_of(self, placeholder: Placeholder) -> Iterator[Any]:
        yield from values_of(placeholder.name, self.placeholders)


class _Item:
    """The values of one item → a condition."""

    def __init__(self, targets: Targets, item: SigmaDetectionItem) -> None:
        self._of = targets
        self._field = item.field
        self._targets = _KEYWORD if item.field is None else targets(item.field)
        self._modifiers = [modifier.__name__ for modifier in item.modifiers]
        # Keywords are sought within the whole message, unless the author says where.
        anchored = {"SigmaStartswithModifier", "SigmaEndswithModifier"} & set(self._modifiers)
        self._how: How = "contains" if item.field is None and not anchored else "equals"

    def any_of(self, values: Sequence[Any]) -> Node:
        """One of the values; texts are joined, so that a long list is one check."""
        texts: list[Pattern] = []
        cased: list[Pattern] = []
        nodes: list[Node] = []
        for value in values:
            if isinstance(value, SigmaExpansion):
                nodes.append(self.any_of(value.values))
            elif isinstance(value, SigmaString):
                (cased if isinstance(value, SigmaCasedString) else texts).append(pattern_of(value))
            elif isinstance(value, SigmaNumber) and not isinstance(value, SigmaTimestampPart):
                texts.append((text_of(value.number),))
            elif isinstance(value, SigmaBool):
                texts.append((text_of(value.boolean),))
            else:
                nodes.append(self._other(value))
        nodes += [self._texts(found, cased=is_cased) for found, is_cased in ((texts, False), (cased, True)) if found]
        return some(nodes)

    def _texts(self, patterns: Sequence[Pattern], *, cased: bool) -> Node:
        nodes: list[Node] = []
        for target in self._targets:
            found = patterns if target.values is None else _translated(patterns, target.values)
            if found:
                nodes.append(text_tests(target.field or None, found, self._how, cased=cased))
        return some(nodes)

    def _other(self, value: Any) -> Node:

        if value is None or isinstance(value, SigmaNull):
            return every(self._tests(Null()))
        if isinstance(value, SigmaExists):
            return some(self._tests(Exists())) if value.exists else every(self._tests(Exists(wanted=False)))
        if isinstance(value, SigmaFieldReference):
            how: How = "equals"
            if value.starts_with or value.ends_with:
                how = (
                    "contains"
                    if value.starts_with and value.ends_with
                    else "startswith"
                    if value.starts_with
                    else "endswith"
                )
            is_cased = "SigmaCaseSensitiveModifier" in self._modifiers
            others = [target.field for target in self._of(value.field) if target.values is None]
            return some(node for other in others for node in self._tests(FieldRef(other, how, is_cased)))
        return some(self._tests(_check_of(value)))

    def _tests(self, check: Check) -> list[Node]:
        if self._field is None and isinstance(check, Null | Exists | FieldRef):
            raise Wrong("only a field can be absent, or be compared with another; a keyword cannot")
        return [Test(target.field or None, check) for target in self._targets if target.values is None]


def pattern_of(text: SigmaString) -> Pattern:
    """Texts and wildcards as our own checks have them."""
    wild = {SpecialChars.WILDCARD_MULTI: Wild.MANY, SpecialChars.WILDCARD_SINGLE: Wild.ONE}
    parts: list[str | Wild] = []
    for part in text.s:
        if isinstance(part, str):
            part = part.replace(PERCENT, "%")  # noqa: PLW2901 — the same text
            if parts and isinstance(parts[-1], str):
                parts[-1] += part
            elif part:
                parts.append(part)
        elif isinstance(part, SpecialChars):
            parts.append(wild[part])
    return tuple(parts)


def _translated(patterns: Sequence[Pattern], values: Mapping[str, str]) -> list[Pattern]:
    """The patterns in the target's own words, as far as it has words for them."""
    words = [values.get(plain_text(pattern).lower()) for pattern in patterns if is_plain(pattern)]
    return [parse_pattern(word) for word in words if word is not None]


def _check_of(value: Any) -> Check:

    if isinstance(value, SigmaRegularExpression):
        return _regex(value)
    if isinstance(value, SigmaCIDRExpression):
        return Cidr((str(value.network),))
    if isinstance(value, SigmaTimestampPart):
        return TimePart(_part(value), frozenset((int(value.number),)))
    if isinstance(value, SigmaCompareExpression):
        order = value.op.name.lower()
        if order in ("lt", "lte", "gt", "gte"):
            number = value.number
            if isinstance(number, SigmaTimestampPart):
                return TimePart(_part(number), frozenset((int(number.number),)), order)
            return Compare(order, number.number)
    raise CannotApply(f"values of the type {type(value).__name__.removeprefix('Sigma')} cannot be checked")


def _part(value: Any) -> Part:
    return cast("Part", value.timestamp_part.name.lower())


def _regex(value: SigmaRegularExpression) -> Regex:
    letters = value.sigma_to_re_flag
    check = Regex(
        value.regexp.to_plain(regex=True).replace(PERCENT, "%"), "".join(sorted(letters[flag] for flag in value.flags))
    )
    try:
        check.bind()
    except RegexError as error:
        mistake = _mistake_in(check.pattern) if len(check.pattern) <= MAX_REGEX else ""
        if mistake:
            raise Wrong(f"the regular expression {check.pattern[:80]!r} is invalid: {mistake}") from None
        raise CannotApply(f"its regular expression {check.pattern[:80]!r}: {error}") from None
    return check


def _mistake_in(pattern: str) -> str:
    """What is wrong with it even for an engine that knows more than ours; empty where nothing is."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return ""
