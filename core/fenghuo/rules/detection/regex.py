"""Regular expressions that people write in rules: by RE2, whose time is linear in the text, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

MAX_REGEX = 2_000
"""The longest regular expression, in characters."""
_MAX_MEMORY = 8 << 20
_HINT = "write it without look-around and back-references; `and not` in the condition can say the rest"


class RegexError(ValueError):
    """A regular expression that cannot be run in linear time; `offset` is where it stands in it, -1 where unknown."""

    def __init__(self, message: str, *, offset: int = -1, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def _engine() -> Any:
    """RE2's Python module, which has no type stubs: a few megabytes, for rules with regular expressions alone."""
    return import_module("re2")


def compile_regex(pattern: str, flags: str = "") -> Callable[[str], bool]:
    """Whether the expression is found in a text. `flags`: any of `ims`. RegexError where RE2 cannot run it."""
    re2 = _engine()
    if len(pattern) > MAX_REGEX:
        raise RegexError(f"a regular expression of {len(pattern)} characters; at most {MAX_REGEX}")
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    text = f"(?{''.join(sorted(set(flags)))}){pattern}" if flags else pattern
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        raise RegexError(f"no regular expression of linear time: {_reason(error)}", hint=_HINT) from None
    return lambda value: compiled.search(value) is not None


def _reason(error: Exception) -> str:
    reason: object = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
