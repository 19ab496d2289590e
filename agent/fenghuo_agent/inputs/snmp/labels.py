"""The `device` label: a configured name, else the sysName if no other device has it, else the address."""

from __future__ import annotations

from collections.abc import Hashable


class Names:
    """Who says to be called what. A name that two devices have is no one's."""

    def __init__(self) -> None:
        self._claims: dict[str, set[Hashable]] = {}
        self._own: dict[Hashable, str] = {}

    def claim(self, who: Hashable, name: str) -> None:
        """`who` says that its name is `name`, whatever it was before."""
        before = self._own.pop(who, "")
        if before:
            self._claims[before].discard(who)
            if not self._claims[before]:
                del self._claims[before]
        if name:
            self._own[who] = name
            self._claims.setdefault(name, set()).add(who)

    def of(self, who: Hashable) -> str:
        """Its name if it is its alone, else an empty string."""
        name = self._own.get(who, "")
        return name if name and len(self._claims[name]) == 1 else ""
