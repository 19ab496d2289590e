"""`correlation` sections → what is counted, over which rules, in what span."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.exceptions import SigmaError

from fenghuo.config.words import allow
from fenghuo.rules.sigma.documents import Bound, CannotApply, CorrelationType, Operator, Path, Said, Wrong

_OPERATORS = frozenset(SigmaCorrelationConditionOperator.operators())
_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
_PATH_OF = {"CorrelationType": "type", "Timespan": "timespan", "CorrelationCondition": "condition"}
_OF_VALUES = ("value_count", "value_sum", "value_avg", "value_percentile")
_MAX_RULES = 100
_MAX_GROUP_BY = 16
_MAX_SPAN = 400 * 86_400
_MAX_DEPTH = 30
_MEDIAN = 50
_HERE: Path = ("correlation",)


@dataclass(frozen=True, slots=True)
class Section:
    """A `correlation` section as it is written; `rules` and the keys of `aliases` are ids or names.

    `timespan` in milliseconds; `aliases`: alias → rule → field.
    """

    type: CorrelationType
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: int
    condition: tuple[Bound, ...] | Said
    fields: tuple[str, ...]
    percentile: float | None
    aliases: Mapping[str, Mapping[str, str]]
    generate: bool


def read_section(data: Mapping[str, Any]) -> Section:
    """Wrong where it is none."""
    section = data["correlation"]
    if not isinstance(section, Mapping):
        raise Wrong("expected a mapping", _HERE)
    said = cast("Mapping[str, Any]", section)
    _check_shape(said)
    bounds = _bounds(said.get("condition"))
    parsed = _parsed(said)
    if isinstance(parsed.condition, SigmaExtendedCorrelationCondition):
        _check_depth(parsed.condition.parsed)
        condition: tuple[Bound, ...] | Said = _said(parsed.condition.parsed)
        rules = tuple(parsed.condition.get_referenced_rules())
        fields, percentile = (), None
    else:
        rules = tuple(rule.reference for rule in parsed.rules or [])
        if parsed.type is not SigmaCorrelationType.TEMPORAL_ORDERED:
            rules = tuple(dict.fromkeys(rules))
        condition = bounds or (Bound("gte", len(rules)),)
        fields, percentile = _fields(parsed.condition.fieldref), _percentile(said)
    if not rules:
        raise Wrong("it refers to no rule", (*_HERE, "rules"))
    type_ = parsed.type.name.lower()
    if parsed.type is SigmaCorrelationType.VALUE_MEDIAN:
        type_, percentile = "value_percentile", float(_MEDIAN)
    if type_ in ("value_sum", "value_avg", "value_percentile") and len(fields) > 1:
        raise Wrong(f"{type_} looks at one field", (*_HERE, "condition", "field"))
    if parsed.timespan.seconds > _MAX_SPAN:
        raise Wrong("a timespan of more than 400 days", (*_HERE, "timespan"))
    return Section(
        type=cast("CorrelationType", type_),
        rules=rules,
        group_by=tuple(dict.fromkeys(parsed.group_by or ())),
        timespan=parsed.timespan.seconds * 1000,
        condition=condition,
        fields=fields,
        percentile=percentile,
        aliases=_aliases(parsed),
        generate=parsed.generate or data.get("generate") is True,
    )


def _check_shape(section: Mapping[str, Any]) -> None:
    """What pySigma takes for granted, and bounds."""
    for key in section:
        if key not in _KEYS:
            raise Wrong(f"unknown key {key[:60]!r}", (*_HERE, key), allow(key, _KEYS))
    if not isinstance(section.get("type", ""), str):
        raise Wrong("expected a text", (*_HERE, "type"))
    for key, most in (("rules", _MAX_RULES), ("group-by", _MAX_GROUP_BY)):
        value = section.get(key)
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        if len(items) > most:
            raise Wrong(f"{len(items)} entries; at most {most}", (*_HERE, key))
        for number, item in enumerate(items):
            if not isinstance(item, str | None) or (item is None and isinstance(value, list)):
                raise Wrong("expected a text", (*_HERE, key, str(number)) if isinstance(value, list) else (*_HERE, key))
    condition = section.get("condition")
    if isinstance(condition, str) and (condition.count("(") > _MAX_DEPTH or len(condition) > 10_000):
        raise Wrong(f"a condition nested more than {_MAX_DEPTH} deep, or too long", (*_HERE, "condition"))


def _parsed(section: Mapping[str, Any]) -> SigmaCorrelationRule:
    """The section through pySigma, which takes one bound of a range and no fraction of a percentile."""
    given = dict(section)
    condition = given.get("condition")
    if isinstance(condition, Mapping):
        mapping = cast("Mapping[str, Any]", condition)
        operators = [key for key in mapping if key in _OPERATORS]
        given["condition"] = {
            key: value for key, value in mapping.items() if key not in operators[1:] and key != "percentile"
        }
    try:
        rule = SigmaCorrelationRule.from_dict({"title": "-", "correlation": given}, collect_errors=True)
    except (SigmaError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(error) from None
    if rule.errors:
        raise _wrong(rule.errors[0])
    return rule


def _wrong(error: Exception) -> Wrong:
    name = type(error).__name__.removeprefix("Sigma").removesuffix("Error")
    key = _PATH_OF.get(name)
    hint = ""
    if name == "CorrelationType":
        hint = "allowed: " + ", ".join(sorted(each.name.lower() for each in SigmaCorrelationType))
    elif name == "Timespan":
        hint = "a number and s, m, h, d, w, M or y: 90m"
    message = str(error.args[0] if error.args else error).splitlines()[0][:300]
    return Wrong(message, (*_HERE, key) if key else _HERE, hint)


def _bounds(condition: Any) -> tuple[Bound, ...]:
    if not isinstance(condition, Mapping):
        return ()
    mapping = cast("Mapping[str, Any]", condition)
    found: list[Bound] = []
    for key, value in mapping.items():
        if key in _OPERATORS:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Wrong(f"expected a number, not {str(value)[:60]!r}", (*_HERE, "condition", key))
            found.append(Bound(cast("Operator", key), value))
    if len(found) > 2:
        raise Wrong("at most two bounds make a range", (*_HERE, "condition"))
    return tuple(found)


def _percentile(section: Mapping[str, Any]) -> float | None:
    condition = section.get("condition")
    value = cast("Mapping[str, Any]", condition).get("percentile") if isinstance(condition, Mapping) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise Wrong("expected a number from 0 to 100", (*_HERE, "condition", "percentile"))
    return float(value)


def _fields(value: Any) -> tuple[str, ...]:
    items = cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) and item for item in items) or len(items) > _MAX_GROUP_BY:
        raise Wrong("expected the name of a field or a list of names", (*_HERE, "condition", "field"))
    return tuple(dict.fromkeys(items))


def _aliases(rule: SigmaCorrelationRule) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for alias in rule.aliases:
        fields = {str(reference.reference): field for reference, field in alias.mapping.items()}
        if not all(isinstance(cast("Any", field), str) for field in fields.values()):
            raise Wrong("expected the name of a field for each rule", (*_HERE, "aliases", alias.alias))
        found[alias.alias] = fields
    return found


def _check_depth(root: CorrelationConditionItem | SigmaRuleReference) -> None:
    level: list[CorrelationConditionItem | SigmaRuleReference] = [root]
    for _ in range(_MAX_DEPTH):
        level = [part for item in level if isinstance(item, CorrelationConditionItem) for part in item.args]
    if level:
        raise Wrong(f"a condition nested more than {_MAX_DEPTH} deep", (*_HERE, "condition"))


def _said(item: CorrelationConditionItem | SigmaRuleReference) -> Said:
    if isinstance(item, SigmaRuleReference):
        return Said("rule", item.reference)
    parts = tuple(_said(part) for part in item.args)
    if isinstance(item, CorrelationConditionNOT):
        return Said("not", parts=parts)
    if isinstance(item, CorrelationConditionAND):
        return Said("and", parts=parts)
    if isinstance(item, CorrelationConditionOR):
        return Said("or", parts=parts)
    raise CannotApply(f"conditions with {type(item).__name__} cannot be checked")


def rules_in(said: Said) -> Iterator[str]:
    """The rules that a condition names."""
    if said.what == "rule":
        yield said.rule
    for part in said.parts:
        yield from rules_in(part)


def with_ids(said: Said, ids: Mapping[str, str]) -> Said:
    """The same condition, of other names for its rules."""
    return Said(said.what, ids.get(said.rule, said.rule), tuple(with_ids(part, ids) for part in said.parts))
