"""`${NAME}` in values: the environment's variables; `$${` stands for the characters `${`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([^{}\n]*)\})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${…}` of a text; `name` is empty where it is no valid one."""

    text: str
    name: str


def references(text: str) -> Iterator[Reference]:
    """Each `${…}` of a text, in order; escaped ones are left out."""
    for match in _REFERENCE.finditer(text):
        if match[0] != "$${":
            name = match[1] or ""
            yield Reference(match[0], name if _NAME.fullmatch(name) else "")


def substitute(text: str, env: Mapping[str, str]) -> str:
    """`text` with every reference replaced (what is unknown stays) and every escape undone.

    Values are put in as they are: they are not read as YAML and not searched for further references.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        return env.get(match[1] or "", match[0])

    return _REFERENCE.sub(value, text)
