"""Words of error messages: guesses at what was meant, lists of what is allowed, text made safe for terminals."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 30


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known word nearest to `word`; empty where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 — needed for mistakes alone

    names = list(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        lowered = {name.lower().replace("-", "_"): name for name in names}
        near = [lowered[match] for match in get_close_matches(word.lower().replace("-", "_"), lowered, n=1, cutoff=0.6)]
    return f"did you mean {near[0]!r}?" if near else ""


def allow(word: str, known: Iterable[str]) -> str:
    """What was probably meant, then all that is allowed."""
    names = sorted(known)
    if not names:
        return ""
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return " ".join(part for part in (suggest(word, names), f"allowed: {shown}") if part)


def printable(text: str) -> str:
    """`text` on one line, with control characters written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
