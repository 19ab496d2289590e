"""Cells that keep nothing: for kinds where each event speaks for itself."""

from __future__ import annotations

from typing import Any


class Fleeting:
    """The base of such a cell; it adds `see`."""

    due = None
    is_empty = True

    def lapse(self, now: int) -> None:
        del now

    def save(self) -> Any:
        return None
