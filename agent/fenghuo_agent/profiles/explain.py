"""A profile in words: what it is for, what it inherits, what it reads, and how each value is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from fenghuo.config import format_duration
from fenghuo_agent.profiles.library import Library
from fenghuo_agent.profiles.profile import SECTIONS, Chosen, Reading
from fenghuo_agent.profiles.rows import Column


def explained(library: Library, name: str) -> dict[str, Any]:
    """A profile as a document. KeyError where there is none of that name; raises `Located` where its file is wrong."""
    file = library.file(name)
    profile = library.profile(name)
    return {
        "name": name,
        "title": file.head.title,
        "file": str(file.path),
        "extends": file.head.extends,
        "standard": file.head.standard,
        "match": [match.model_dump(exclude_defaults=True) for match in file.head.match],
        "references": file.whole().references,
        "facts": {fact: len(sources) for fact, sources in profile.facts.items() if sources},
        **{section: [_reading(each) for each in profile.readings if each.section == section] for section in SECTIONS},
        "metrics": [
            {
                "name": each.name,
                "objects": [column.name for column in each.columns],
                "interval": _interval(each.interval),
            }
            for each in profile.metrics
        ],
        "traps": [trap.name for trap in profile.traps.values()],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "object": reading.value.name,
        "oid": _oid(reading.value),
        "quantity": _quantity(reading),
        "unit": "" if reading.quantity is None or isinstance(reading.quantity, Chosen) else reading.quantity.unit,
        "made": ", ".join(_steps(reading)),
        "interval": _interval(reading.interval),
    }


def _quantity(reading: Reading) -> str:
    if isinstance(reading.quantity, Chosen):
        kinds = sorted({str(kind) for kind in reading.quantity.map.values()})
        return f"{', '.join(kinds)} (by {reading.quantity.reference.column.name})"
    return reading.quantity.name if reading.quantity else "percent" if reading.section == "supplies" else "clients"


def _steps(reading: Reading) -> Iterator[str]:
    """How the value is made of what the device sends."""
    if reading.of:
        yield f"{'100 - ' if reading.inverted else ''}percent of {' + '.join(each.column.name for each in reading.of)}"
    if isinstance(reading.scale, Chosen):
        yield f"scaled by {reading.scale.reference.column.name}"
    elif reading.scale != 1:
        yield f"x {reading.scale:g}"
    if reading.precision:
        yield f"decimal places by {reading.precision.column.name}"
    if reading.offset:
        yield f"{reading.offset:+g}"
    if reading.convert:
        yield f"from {reading.convert}"
    if reading.aggregate:
        yield f"{reading.aggregate} over rows of one name"
    if reading.absent or reading.absent_texts:
        yield f"absent where {', '.join(map(str, (*sorted(reading.absent), *sorted(reading.absent_texts))))}"
    if reading.range:
        yield f"absent outside {reading.range[0]:g} to {reading.range[1]:g}"
    for word, conditions in (("where", reading.when), ("not where", reading.unless)):
        if conditions:
            yield f"{word} {' and '.join(sorted({each.name for each in conditions}))} say so"
    if reading.states:
        yield f"states {', '.join(f'{value} {state}' for value, (state, _) in reading.states.items())}"


def _oid(column: Column) -> str:
    return ".".join(map(str, column.oid)) + (".0" if column.scalar else "")


def _interval(seconds: float | None) -> str:
    return "each poll" if seconds is None else format_duration(seconds)


def lines(document: dict[str, Any]) -> Iterator[str]:
    """The document as text for people."""
    yield f"{document['name']}: {document['title']}"
    yield f"  file      {document['file']}"
    if document["extends"]:
        yield f"  extends   {', '.join(document['extends'])}"
    yield f"  for       {_told(document)}"
    if document["references"]:
        yield f"  from      {', '.join(document['references'])}"
    yield f"  facts     {', '.join(f'{fact} ({count})' for fact, count in document['facts'].items()) or '-'}"
    for section in SECTIONS:
        yield from _section(section, document[section])
    for metric in document["metrics"]:
        yield f"\nmetrics {metric['name']} ({metric['interval']}): {', '.join(metric['objects'])}"
    if document["traps"]:
        yield f"\ntraps ({len(document['traps'])}): {', '.join(document['traps'])}"


def _told(document: dict[str, Any]) -> str:
    if document["standard"]:
        return "every device; what it has is found by asking"
    told = [" and ".join(f"{key} {_any_of(value)}" for key, value in match.items()) for match in document["match"]]
    return "; or ".join(told) or "being extended only"


def _any_of(value: object) -> str:
    return " or ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _section(section: str, readings: Iterable[dict[str, Any]]) -> Iterator[str]:
    found = list(readings)
    if found:
        yield f"\n{section} ({len(found)})"
    for each in found:
        made = f"  ({each['made']})" if each["made"] else ""
        yield f"  {each['quantity']:14} {each['object']}  {each['oid']}  {each['interval']}{made}"
