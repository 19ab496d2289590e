"""Texts as Sigma writes them: `*` and `?` are wildcards, a backslash takes their meaning away.

Matching is linear in the text: the pieces between the stars are sought one after the other, each from where the last
one ended, and never again from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any


class Wild(Enum):
    """A wildcard: any one character, or any number of any characters."""

    ONE = "?"
    MANY = "*"


Pattern = tuple[str | Wild, ...]
"""Texts and wildcards in turn."""


def parse_pattern(text: str) -> Pattern:
    r"""Read a text with wildcards. `\*`, `\?` and `\\` are these characters; any other backslash is itself."""
    parts: list[str | Wild] = []
    literal = ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in ("*", "?", "\\"):
            literal += text[at + 1]
            at += 1
        elif char in "*?":
            parts += [literal, Wild(char)]
            literal = ""
        else:
            literal += char
        at += 1
    return tuple(part for part in (*parts, literal) if part != "")


def is_plain(pattern: Pattern) -> bool:
    """Whether it has no wildcard."""
    return not any(isinstance(part, Wild) for part in pattern)


def plain_text(pattern: Pattern) -> str:
    """The text of a pattern without wildcards."""
    return "".join(part for part in pattern if isinstance(part, str))


def written(pattern: Pattern) -> str:
    """The pattern as a person writes it."""
    shown = ""
    for part in pattern:
        if isinstance(part, Wild):
            shown += part.value
        else:
            shown += part.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?") if _needs_escape(part) else part
    return shown


def _needs_escape(text: str) -> bool:
    return "*" in text or "?" in text or "\\\\" in text or text.endswith("\\")


def lowered(pattern: Pattern) -> Pattern:
    return tuple(part.lower() if isinstance(part, str) else part for part in pattern)


def text_of(value: Any) -> str:
    """A value as text: whole numbers without a point, truth as `true` and `false`."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


class _Piece:
    """What stands between two stars: texts at their offsets, with single wildcards in between."""

    def __init__(self, parts: Sequence[str | Wild]) -> None:
        self.length = 0
        self._texts: list[tuple[int, str]] = []
        for part in parts:
            if isinstance(part, str):
                self._texts.append((self.length, part))
            self.length += len(part) if isinstance(part, str) else 1
        # The longest text is sought, the others are compared beside it.
        self._texts.sort(key=lambda item: -len(item[1]))

    def at(self, text: str, start: int) -> bool:
        return all(text.startswith(part, start + offset) for offset, part in self._texts)

    def find(self, text: str, start: int, end: int) -> int:
        """Where it first lies within [start, end); -1 where nowhere."""
        if not self._texts:
            return start if start + self.length <= end else -1
        offset, longest = self._texts[0]
        tail = self.length - offset - len(longest)
        while True:
            found = text.find(longest, start + offset, end - tail)
            if found < 0:
                return -1
            start = found - offset
            if self.at(text, start):
                return start
            start += 1


def compile_pattern(pattern: Pattern) -> Callable[[str], bool]:
    """Whether the whole of a text meets the pattern."""
    pieces = [_Piece(parts) for parts in _split(pattern)]
    first, last, middle = pieces[0], pieces[-1], pieces[1:-1]
    if len(pieces) == 1:
        return lambda text: len(text) == first.length and first.at(text, 0)
    least = sum(piece.length for piece in pieces)

    def matches(text: str) -> bool:
        end = len(text) - last.length
        if len(text) < least or not first.at(text, 0) or not last.at(text, end):
            return False
        at = first.length
        for piece in middle:
            at = piece.find(text, at, end)
            if at < 0:
                return False
            at += piece.length
        return True

    return matches


def _split(pattern: Iterable[str | Wild]) -> list[list[str | Wild]]:
    pieces: list[list[str | Wild]] = [[]]
    for part in pattern:
        if part is Wild.MANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    return pieces[:1] + [piece for piece in pieces[1:-1] if piece] + pieces[1:][-1:]
