"""Topic patterns: `school/{room}/{device}/state`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMED = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,63})\}")
_RESERVED = ("job", "instance", "site", "agent", "channel")
MAX_LABEL = 256


@dataclass(frozen=True, slots=True)
class Pattern:
    """A topic with parts that stand for anything. `levels` are its literals; None where anything goes."""

    levels: tuple[str | None, ...]
    names: dict[str, int]
    """Named part → its level, from 0."""
    open_end: bool

    @property
    def filter(self) -> str:
        """The topic filter to subscribe to."""
        levels = ["+" if level is None else level for level in self.levels]
        return "/".join([*levels, "#"] if self.open_end else levels)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; ValueError says what is wrong with it."""
        if not text or "\0" in text or len(text) > 1024:
            raise ValueError("a topic has 1 to 1024 characters and no NUL")
        levels: list[str | None] = []
        names: dict[str, int] = {}
        parts = text.split("/")
        open_end = parts[-1] == "#"
        for number, part in enumerate(parts[:-1] if open_end else parts):
            named = _NAMED.fullmatch(part)
            if named:
                if named[1] in names:
                    raise ValueError(f"two parts of the topic are named {{{named[1]}}}")
                if named[1] in _RESERVED:
                    raise ValueError(f"{{{named[1]}}} is a label that Fenghuo gives itself: choose another name")
                names[named[1]] = number
            elif part != "+" and any(sign in part for sign in "{}+#"):
                raise ValueError(f"{part!r} in the topic: {{name}} and + stand for a whole level, # only for the end")
            levels.append(None if named or part == "+" else part)
        return cls(tuple(levels), names, open_end)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named parts of a topic; None where it does not fit or a part is too long for a label."""
        parts = topic.split("/")
        if len(parts) < len(self.levels) or (len(parts) > len(self.levels) and not self.open_end):
            return None
        for part, level in zip(parts, self.levels, strict=False):
            if level is not None and part != level:
                return None
        found = {name: parts[level] for name, level in self.names.items()}
        return found if all(len(value) <= MAX_LABEL for value in found.values()) else None
