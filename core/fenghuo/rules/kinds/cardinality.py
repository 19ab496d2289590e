"""`cardinality`: how many different values of a field lie in a sliding window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.kinds.windows.counting import CountingBody, CountingCell
from fenghuo.rules.kinds.windows.distinct import Distinct
from fenghuo.rules.kinds.windows.section import Fields, WindowSection, fits, read_windowed
from fenghuo.rules.kinds.windows.texts import reader_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Seen

TOLD = 10
"""So many of the values are told of in messages and evidence, as `newest`."""


class CardinalitySection(WindowSection):
    kind: Literal["cardinality"] = Field(
        description="How many different values of a field lie in a sliding window; `value < …`: too few."
    )
    fields: Fields = Field(
        alias="field", description="The field whose values are counted, or several: their combinations are."
    )


class CardinalityCell(CountingCell["CardinalityBody"]):
    """The values of one group: at most `limits.values` of them, the newest; the count goes no further."""

    __slots__ = ("distinct",)

    def __init__(self, body: CardinalityBody) -> None:
        super().__init__(body)
        self.distinct = Distinct()

    def count(self) -> int:
        return len(self.distinct)

    def add(self, seen: Seen, selection: int) -> None:
        del selection
        for text in self.body.texts(seen):
            self.distinct.add(text, seen.time, seen.id)
        if len(self.distinct) > self.body.most:
            self.given_up += self.distinct.crop(self.body.most)

    def leave(self, now: int) -> None:
        self.distinct.leave(now - self.body.window)

    def leaving(self, staying: int) -> int:
        return self.distinct.after(len(self.distinct) - staying + 1)

    def events(self) -> Sequence[str]:
        return self.distinct.events()

    def values(self) -> Mapping[str, float | str]:
        return {"newest": ", ".join(self.distinct.some(TOLD))}

    def kept(self) -> Any:
        return self.distinct.save()


@dataclass(frozen=True)
class CardinalityBody(CountingBody):
    """Counts different values of `fields`. `most` must not be below the largest number in its conditions."""

    fields: tuple[str, ...] = ()

    @cached_property
    def texts(self) -> Callable[[Seen], Sequence[str]]:
        """The values that an observation holds."""
        return reader_of(self.fields)

    def start(self) -> Cell:
        return CardinalityCell(self)

    def load(self, saved: Any) -> Cell:
        cell = CardinalityCell(self)
        cell.distinct = Distinct.load(cell.restore(saved))
        cell.wait()
        return cell


def _read(section: CardinalitySection, reader: Reader) -> tuple[CardinalityBody, Holds] | None:
    read = read_windowed(section, reader)
    if read is None:
        return None
    body = CardinalityBody(**read.common, most=section.limits.values, fields=tuple(section.fields))
    return (body, read.holds) if fits(body.regions, section, reader, "values") else None


CARDINALITY = Kind("cardinality", CardinalitySection, _read)
