"""The kinds of rules: what the body of each may hold, and how it behaves.

A kind's module is imported when the first rule of that kind is read: an agent has few kinds of rules and little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from fenghuo.rules.kinds.base import Kind

_NAMES = (
    "match",
    "threshold",
    "rate",
    "change",
    "absence",
    "frequency",
    "cardinality",
    "ratio",
    "spike",
    "aggregate",
    "new_value",
    "sequence",
    "beacon",
    "composite",
    "anomaly",
    "indicator",
    "allow",
    "deny",
)
"""Each is a module of this package, and in it the constant of the same name."""


class _Kinds(Mapping[str, Kind]):
    def __getitem__(self, name: str) -> Kind:
        if name not in _NAMES:
            raise KeyError(name)
        kind: Kind = getattr(import_module(f"{__name__}.{name}"), name.upper())
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)

    def __contains__(self, name: object) -> bool:
        return name in _NAMES


KINDS: Mapping[str, Kind] = _Kinds()

__all__ = ["KINDS", "Kind"]
