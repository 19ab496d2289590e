"""Cells that count what lies in a sliding window: observations or different values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from fenghuo.rules.kinds.windows.cell import WindowBody, WindowCell
from fenghuo.rules.kinds.windows.regions import Regions, regions_of
from fenghuo.rules.runtime.observe import Measure


@dataclass(frozen=True)
class CountingBody(WindowBody):
    """`most` must not be below the largest number in its conditions."""

    @cached_property
    def regions(self) -> Regions:
        """The counts between which the answer does not change."""
        assert self.condition is not None
        return regions_of(self.condition, self.clear, self.levels, self.most)

    @cached_property
    def asks_for_few(self) -> bool:
        return self.regions.on[0]


C = TypeVar("C", bound=CountingBody)


class CountingCell(WindowCell[C], Generic[C]):
    """What is common to counts of one group; what is counted is added by its subclasses."""

    __slots__ = ()

    def say(self) -> Measure | None:
        body = self.body
        regions, count = body.regions, self.count()
        region = regions.of(count)
        self.due = due = self.next_moment(self.leaving(regions.starts[region - 1]) + body.window if count else None)
        if regions.on[0]:
            if self.now < self.since + body.window and not regions.sure[region]:
                return None
            if not count and due is None:
                return None
        was_quiet, self.is_quiet = self.is_quiet, regions.quiet[region]
        if was_quiet and self.is_quiet:
            return None
        if not regions.on[region]:
            return Measure(count)
        return Measure(count, None, self.values(), self.events())

    def wait(self) -> None:
        count, regions = self.count(), self.body.regions
        leaving = self.leaving(regions.starts[regions.of(count) - 1]) + self.body.window if count else None
        self.due = self.next_moment(leaving)

    # What is counted

    def leaving(self, staying: int) -> int:
        """A moment: so many are counted until it is a window ago, and what leaves before does not make them fewer."""
        raise NotImplementedError

    def events(self) -> Sequence[str]:
        """The ids of the events that made the count."""
        raise NotImplementedError

    def values(self) -> Mapping[str, float | str]:
        """What else may be told of what was counted."""
        return {}
