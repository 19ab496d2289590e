"""Message templates: `{device} at {value:.1f} °C for {for}`.

Only plain names and number formats: no attribute, no index, no conversion, no nested field, and no width beyond two
digits, so that a template can neither reach into objects nor fill the memory.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any

MAX_LENGTH = 2_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")
_PLAIN = ("value", "previous", "elapsed", "level", "for")
"""Names of single values, below which no field is."""
_FORMAT = re.compile(r"[<>^]?[+ ]?0?\d{0,2},?(?:\.\d{1,2})?[bdeEfFgGnoxX%s]?")

Template = Callable[[Mapping[str, Any]], str]


def compile_template(text: str) -> tuple[Template, tuple[str, ...]]:
    """A function from values to the message, and the names that the template uses; ValueError says what is wrong.

    A name without a value becomes an empty text; a format that does not fit the value is left out.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a template of {len(text)} characters; at most {MAX_LENGTH}")
    parts: list[tuple[str, str, str]] = []
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}; write {{{{ for a brace") from None
    for literal, name, spec, conversion in parsed:
        if name is not None:
            _check(name, spec or "", conversion)
        parts.append((literal, name or "", spec or ""))

    def fill(values: Mapping[str, Any]) -> str:
        return "".join(literal + (_show(values.get(name), spec) if name else "") for literal, name, spec in parts)

    return fill, tuple(dict.fromkeys(name for _, name, _ in parts if name))


def _check(name: str, spec: str, conversion: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{{{name}}} is no plain name; a template takes the names of labels and values only")
    if (head := name.partition(".")[0]) != name and head in _PLAIN:
        raise ValueError(f"{{{name}}}: {head!r} is a single value, there is nothing within it")
    if conversion:
        raise ValueError(f"{{{name}!{conversion}}}: conversions are not allowed")
    if not _FORMAT.fullmatch(spec):
        raise ValueError(f"{{{name}:{spec}}}: no number format; write e.g. {{{name}:.1f}}")


def _show(value: Any, spec: str) -> str:
    if value is None:
        return ""
    try:
        return format(value, spec)
    except (ValueError, TypeError, OverflowError):
        return str(value)
