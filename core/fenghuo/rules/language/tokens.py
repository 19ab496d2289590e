"""The words of the language of conditions: numbers with their units, names, symbols."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fenghuo.config import parse_duration, parse_size

MAX_LENGTH = 1_000
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[A-Za-z%][A-Za-z%\d.]*)?"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<symbol><=|>=|==|!=|[-+*/<>(),]))"
)
_UNITS_HINT = "units are ms, s, m, h, d, w, B, kB, MB, GB, TB, KiB, MiB, GiB, TiB and %"


class ExpressionError(ValueError):
    """What is wrong with an expression, and `offset`, where, in characters from its start."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `number`, `name`, `symbol` or `end`; `value`: of a number, its unit taken in."""

    kind: str
    text: str
    offset: int
    value: int | float = 0


def tokens_of(text: str) -> list[Token]:
    """The tokens of an expression, and one at its end; `ExpressionError` where there is none."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(0, f"an expression of {len(text)} characters", f"at most {MAX_LENGTH}")
    found: list[Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            offset = position + len(text[position:]) - len(text[position:].lstrip())
            hint = "use ==" if text[offset] == "=" else "use and, or, not" if text[offset] in "&|!" else ""
            raise ExpressionError(offset, f"unexpected {text[offset]!r}", hint)
        kind = match.lastgroup if match.lastgroup != "unit" else "number"
        assert kind is not None
        offset = match.start(kind)
        value = _number(match["number"], match["unit"] or "", offset) if kind == "number" else 0
        found.append(Token(kind, match[kind] + (match["unit"] or ""), offset, value))
        position = match.end()
    found.append(Token("end", "", end))
    return found


def _number(digits: str, unit: str, offset: int) -> int | float:
    if not unit:
        try:
            return int(digits)
        except ValueError:
            number = float(digits)
            if number in (float("inf"), float("-inf")):
                raise ExpressionError(offset, f"{digits} is too large") from None
            return number
    if unit == "%":
        return float(digits) / 100
    readers: tuple[Callable[[str], int | float], ...] = (parse_duration, parse_size)
    for read in readers:
        try:
            return read(digits + unit)
        except ValueError:
            continue
    raise ExpressionError(offset + len(digits), f"unknown unit {unit!r}", _UNITS_HINT)
