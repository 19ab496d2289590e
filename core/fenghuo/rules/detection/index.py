"""Many conditions, asked at once: only those are evaluated that the event can meet at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from fenghuo.rules.detection.compile import compile_detection
from fenghuo.rules.detection.tree import Node
from fenghuo.rules.detection.view import View

T = TypeVar("T")


class EventIndex(Generic[T]):
    """Conditions and what each stands for."""

    def __init__(self, items: Iterable[tuple[Node, T]]) -> None:
        self._items = [(compile_detection(node), item) for node, item in items]

    def matching(self, view: View) -> list[T]:
        """What stands for the conditions that the event meets, in the order in which they were given."""
        return [item for meets, item in self._items if meets(view)]
