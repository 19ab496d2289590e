"""Regular expressions that people write in rules: by RE2, whose time is linear in the text, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

MAX_REGEX = 2_000
"""The longest regular expression, in characters."""
_MAX_MEMORY = 4 << 20
"""Bytes that one expression, or one set of them, may use."""
_MAX_SHARED = 400
"""Larger programs (RE2's instructions) are not put into one set with others, whose states they would multiply."""
_HINT = "RE2 knows no look-around and no back-references; what must not be there goes into a condition with `not`"

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
    """Many expressions (each with its flags) sought at once: the positions of those that are found in a text; and the
    positions of those that are too large to be sought with others.
    """
    chosen: list[int] = []
    left: list[int] = []
    for number, (pattern, flags) in enumerate(patterns):
        (chosen if _compiled(pattern, flags).programsize <= _MAX_SHARED else left).append(number)
    found = _set([_flagged(*patterns[number]) for number in chosen])
    if not left:
        return found, left
    return (lambda text: [chosen[position] for position in found(text)]), left


def literal_set(values: Sequence[str]) -> Which:
    """The positions of those texts that lie within a text."""
    escape: Callable[[str], str] = _engine().escape
    return _set([escape(value) for value in values])


def _set(patterns: Sequence[str]) -> Which:
    if not patterns:
        return lambda _: ()
    engine = _engine()
    made = engine.Set.SearchSet(_options(engine))
    for pattern in patterns:
        made.Add(encoded(pattern))
    # The empty expression is found always: where it is not, RE2 was out of memory and the answer says nothing.
    last: int = made.Add(b"")
    everything = range(last)
    try:
        made.Compile()
    except engine.error:
        return lambda _: everything
    match = made.Match

    def which(text: str) -> Sequence[int]:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = encoded(text)
        found = match(data)
        if found is None:
            return everything
        return () if len(found) == 1 else [number for number in found if number != last]

    return which
