"""Regular expressions that people write in rules: by RE2, whose time is linear in the text, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

MAX_REGEX = 2_000
"""The longest regular expression, in characters."""
_MAX_MEMORY = 4 << 20
"""Bytes that one expression, or one set of them, may use."""
_MAX_SHARED = 400
"""Larger programs (RE2's instructions) are not put into one set with others, whose states they would multiply."""
_MAX_SET = 16_000
"""Characters of the patterns of one set; with twice as many it would not fit into its memory."""
_HINT = "RE2 knows no look-around and no back-references; what must not be there goes into a condition with `not`"

_ONE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""What stands for one character: an escape, a class."""
_ENDLESS = re.compile(
    r"\((?:\?(?:P?<\w+>|[A-Za-z-]*:))?[^()|*+?{}](?:[*+]|\{\d+,\})\??\)(?:[*+]|\{\d+,\})",
)
"""A group that is nothing but a repetition, and is repeated: `(a+)+`."""

Which = Callable[[str], Sequence[int]]


class RegexError(ValueError):
    """A regular expression that cannot be run in linear time; `offset` is where in it, -1 where unknown."""

    def __init__(self, message: str, *, offset: int = -1, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def _engine() -> Any:
    """RE2's Python module, which has no type stubs: 2.7 MB, for rules with regular expressions alone."""
    return import_module("re2")


def _options(engine: Any) -> Any:
    options = engine.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    return options


def encoded(text: str) -> bytes:
    """UTF-8 as RE2 reads it; half a surrogate pair, which JSON may hold, is no error."""
    return text.encode("utf-8", "surrogatepass")


def compile_regex(pattern: str, flags: str = "") -> Callable[[str], bool]:
    """Whether the expression is found in a text. `flags`: any of `ims`. RegexError where RE2 cannot run it."""
    search = _compiled(pattern, flags).search
    return lambda text: search(encoded(text)) is not None


def _compiled(pattern: str, flags: str) -> Any:
    if len(pattern) > MAX_REGEX:
        raise RegexError(f"a regular expression of {len(pattern)} characters; at most {MAX_REGEX}")
    if endless := _ENDLESS.search(_ONE.sub("x", pattern)):
        raise RegexError(
            f"a repetition of nothing but a repetition, as in {endless[0][:40]!r}",
            hint="one of them says the same; two let other engines search without an end",
        )
    engine = _engine()
    try:
        return engine.compile(encoded(_flagged(pattern, flags)), _options(engine))
    except engine.error as error:
        reason = _reason(error)
        raise RegexError(
            f"no regular expression that runs in linear time: {reason}", offset=_offset(pattern, reason), hint=_HINT
        ) from None


def _flagged(pattern: str, flags: str) -> str:
    return f"(?{''.join(sorted(set(flags)))}){pattern}" if flags else pattern


def _reason(error: Exception) -> str:
    reason: object = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _offset(pattern: str, reason: str) -> int:
    """RE2 names the piece that it does not take, not where it stands."""
    piece = reason.rpartition(": ")[2]
    return pattern.find(piece) if piece else -1


def regex_set(patterns: Sequence[tuple[str, str]]) -> tuple[Which, list[int]]:
    """Many expressions (each with its flags) sought at once: the positions of those that may be found in a text, in no order; and
    the positions of those that are too large to be sought with others.
    """
    chosen: list[int] = []
    left: list[int] = []
    for number, (pattern, flags) in enumerate(patterns):
        (chosen if _compiled(pattern, flags).programsize <= _MAX_SHARED else left).append(number)
    everything = range(len(chosen))
    found = _sets([_flagged(*patterns[number]) for number in chosen], lambda _: everything)
    if not left:
        return found, left
    return (lambda text: [chosen[position] for position in found(text)]), left


def text_set(texts: Sequence[tuple[str, str]], otherwise: Which) -> Which:
    """Many texts sought at once, each with its place (`starts`, `ends` or `contains`): the positions of those that are
    found in a text. `otherwise` finds them where RE2 has too little memory.
    """
    escape: Callable[[str], str] = _engine().escape
    before, after = {"starts": "^"}, {"ends": "$"}
    return _sets([before.get(place, "") + escape(text) + after.get(place, "") for place, text in texts], otherwise)


def _sets(patterns: Sequence[str], otherwise: Which) -> Which:
    """As many sets as the patterns need."""
    made: list[tuple[int, Which]] = []
    start = 0
    while start < len(patterns):
        end, size = start, 0
        while end < len(patterns) and (end == start or size + len(patterns[end]) <= _MAX_SET):
            size += len(patterns[end])
            end += 1
        made.append((start, _set(patterns[start:end])))
        start = end
    one = made[0][1] if len(made) == 1 else _one_of_several(made)

    def which(text: str) -> Sequence[int]:
        try:
            return one(text)
        except _OutOfMemoryError:
            return otherwise(text)

    return which


def _one_of_several(made: Sequence[tuple[int, Which]]) -> Which:
    return lambda text: [first + number for first, which in made for number in which(text)]


class _OutOfMemoryError(Exception):
    """RE2 gave up on a set."""


def _set(patterns: Sequence[str]) -> Which:
    engine = _engine()
    made = engine.Set.SearchSet(_options(engine))
    for pattern in patterns:
        made.Add(encoded(pattern))
    # The empty expression is found always: where it is not, RE2 was out of memory and the answer says nothing.
    last: int = made.Add(b"")
    try:
        made.Compile()
    except engine.error:
        return _give_up
    match = made.Match

    def which(text: str) -> Sequence[int]:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = encoded(text)
        found = match(data)
        if found is None:
            raise _OutOfMemoryError
        return () if len(found) == 1 else [number for number in found if number != last]

    return which


def _give_up(text: str) -> Sequence[int]:
    del text
    raise _OutOfMemoryError
