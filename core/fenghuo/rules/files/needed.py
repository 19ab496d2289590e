"""Which rules a process needs: those that run on its side and whose data can come to it.

An agent on a small gateway passes over the others before they are validated and compiled, which would cost it most of
the memory that rules take. They are counted and named, never silently dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_READINGS = ("data", "measurement")


@dataclass(frozen=True, slots=True)
class Needed:
    """`side`: `agent` or `collector`; `datasets`: of the events that come here, None for any."""

    side: str
    datasets: frozenset[str] | None = None

    def reason_against(self, keys: Mapping[str, Any]) -> str:
        """Why the rule with these keys is not needed here; empty where it is, or where that cannot be told."""
        if keys.get("enabled", True) is False:
            return "they are disabled"
        runs = keys.get("runs", "agent")
        if runs != self.side and runs in ("agent", "collector"):
            return f"they are for the {runs}"
        if self.datasets is None or keys.get("kind") == "composite" or any(key in keys for key in _READINGS):
            return ""
        return self._missing(keys.get("dataset"))

    def _missing(self, dataset: Any) -> str:
        assert self.datasets is not None
        wanted = [dataset] if isinstance(dataset, str) else dataset
        if not isinstance(wanted, list) or not wanted:
            return "" if self.datasets else "no input here produces events"
        names = [str(name) for name in cast("list[Any]", wanted)]
        return "" if self.datasets.intersection(names) else f"no input here produces {' or '.join(names)} events"
