"""`ratio`: a part of a whole in a sliding window."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fenghuo.config import Section
from fenghuo.rules.files.section import Expression, Matches
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.kinds.observed import LogSource, Name, selection_of
from fenghuo.rules.kinds.windows.measuring import MeasuringBody, MeasuringCell
from fenghuo.rules.kinds.windows.section import WindowSection, needs_one_of, read_windowed
from fenghuo.rules.kinds.windows.sums import ExactSum
from fenghuo.rules.kinds.windows.texts import number_of
from fenghuo.rules.kinds.windows.times import Times, unpacked
from fenghuo.rules.language.expression import parse_number
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Seen, Selection

PART = 1
"""The number of the selection that is the part; the other, 0, is the rest of the whole."""


class PartSection(Section):
    """Which of the rule's events are the part."""

    dataset: Annotated[list[Name], BeforeValidator(as_list), Field(max_length=32), OneOrMany()] = Field(
        default=[], description="Those of these datasets (`event.dataset`)."
    )
    logsource: LogSource | None = Field(default=None, description="Those of this source, as Sigma names it.")
    where: Matches = Field(default={}, description="Those that match, as in the rule's own `where`.")
    detection: dict[Name, Any] | None = Field(default=None, description="Sigma's detection.")
    exceptions: list[Matches] = Field(
        default=[], description="But nothing that matches one of these.", max_length=1_000
    )


class RatioSection(WindowSection):
    kind: Literal["ratio"] = Field(
        description="The part, from 0 to 1, that some events are of all in a sliding window."
    )
    part: PartSection | None = Field(default=None, description="Which of the rule's events are the part.")
    of: Expression | None = Field(
        default=None, description="Over readings: `value` is the sum of `data` over the sum of this expression."
    )
    min_count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1, description="The fewest events, or readings, of the whole in the window before it speaks."
    )


class Pairs(Times):
    """Moments, each with what was of the part and of the whole, and the two sums."""

    __slots__ = ("parts", "sums", "wholes")

    def __init__(self) -> None:
        super().__init__()
        self.parts = array("d")
        self.wholes = array("d")
        self.sums = (ExactSum(), ExactSum())

    def put(self, time: int, part: float, whole: float) -> None:
        """Add a pair at a moment."""
        index = self.add(time, "")
        self.parts.insert(index, part)
        self.wholes.insert(index, whole)
        self._sum(part, whole)

    def _sum(self, part: float, whole: float) -> None:
        self.sums[0].add(part)
        self.sums[1].add(whole)

    def gone(self, first: int, end: int) -> None:
        for index in range(first, end):
            self._sum(-self.parts[index], -self.wholes[index])

    def compact(self, start: int) -> None:
        super().compact(start)
        del self.parts[:start]
        del self.wholes[:start]

    def save(self) -> list[Any]:
        return [*super().save(), self.parts[self.start :].tobytes(), self.wholes[self.start :].tobytes()]

    def take(self, saved: Any) -> None:
        """Be what `save` gave; ValueError or TypeError where it is none of it."""
        times, ids, parts, wholes = saved
        self.times = Times.load((times, ids)).times
        self.parts, self.wholes = unpacked("d", parts), unpacked("d", wholes)
        for part, whole in zip(self.parts, self.wholes, strict=True):
            if number_of(part) is None or number_of(whole) is None:
                raise ValueError("these are no numbers")
            self._sum(part, whole)
        if len(self.times) != len(self.parts):
            raise ValueError("numbers are missing")


class PartCell(MeasuringCell["RatioBody"]):
    """Events: the moments of all and, with their ids, those of the part."""

    __slots__ = ("part", "whole")

    def __init__(self, body: RatioBody) -> None:
        super().__init__(body)
        self.whole = Times()
        self.part = Times()

    def count(self) -> int:
        return len(self.whole)

    def add(self, seen: Seen, selection: int) -> None:
        self.whole.add(seen.time, "")
        if selection == PART:
            self.part.add(seen.time, seen.id)
        if len(self.whole) > self.body.most:
            self.given_up += self.whole.crop(self.body.most)
            self.part.leave(self.whole.oldest - 1)

    def leave(self, now: int) -> None:
        edge = now - self.body.window
        self.whole.leave(edge)
        self.part.leave(edge)

    def wait(self) -> None:
        self.due = self.next_moment(self.whole.oldest + self.body.window if len(self.whole) else None)

    def values(self) -> Mapping[str, float] | None:
        part, whole = len(self.part), len(self.whole)
        if whole < self.body.min_count:
            return None
        return {"value": part / whole, "part": part, "whole": whole}

    def events(self) -> Sequence[str]:
        return tuple(self.part.ids)

    def kept(self) -> Any:
        return [self.whole.save(), self.part.save()]


class SumsCell(MeasuringCell["RatioBody"]):
    """Readings: what each says of the part and of the whole."""

    __slots__ = ("pairs",)

    def __init__(self, body: RatioBody) -> None:
        super().__init__(body)
        self.pairs = Pairs()

    def count(self) -> int:
        return len(self.pairs)

    def add(self, seen: Seen, selection: int) -> None:
        del selection
        part, whole = number_of(seen.number), number_of(seen.of)
        if part is not None and whole is not None:
            self.pairs.put(seen.time, float(part), float(whole))
            if len(self.pairs) > self.body.most:
                self.given_up += self.pairs.crop(self.body.most)

    def leave(self, now: int) -> None:
        self.pairs.leave(now - self.body.window)

    def wait(self) -> None:
        self.due = self.next_moment(self.pairs.oldest + self.body.window if len(self.pairs) else None)

    def values(self) -> Mapping[str, float] | None:
        part, whole = (each.value for each in self.pairs.sums)
        if len(self.pairs) < self.body.min_count or not whole:
            return None
        return {"value": part / whole, "part": part, "whole": whole}

    def events(self) -> Sequence[str]:
        return ()

    def kept(self) -> Any:
        return self.pairs.save()


@dataclass(frozen=True)
class RatioBody(MeasuringBody):
    """Selections are the rest of the whole and the part, in this order."""

    min_count: int = 1

    def start(self) -> Cell:
        return PartCell(self) if self.data is None else SumsCell(self)

    def load(self, saved: Any) -> Cell:
        if self.data is not None:
            sums = SumsCell(self)
            sums.pairs.take(sums.restore(saved))
            sums.wait()
            return sums
        cell = PartCell(self)
        whole, part = cell.restore(saved)
        cell.whole, cell.part = Times.load(whole), Times.load(part)
        cell.wait()
        return cell


def _selections(section: RatioSection, whole: Selection, reader: Reader) -> tuple[Selection, ...] | None:
    """The rest and the part: no event is of both, so that each is seen once."""
    from fenghuo.rules.detection import Every, Not, simplify  # noqa: PLC0415 — only rules over events need it

    if section.part is None:
        return ()
    chosen = section.part
    part = reader.read("part", "", lambda _: selection_of(chosen, reader.lists))
    if part is None or whole.when is None:
        return None
    return tuple(replace(whole, when=simplify(Every((whole.when, each)))) for each in (Not(part), part))


def _read(section: RatioSection, reader: Reader) -> tuple[RatioBody, Holds] | None:
    read = read_windowed(section, reader, names=("part", "whole"))
    if read is None or not needs_one_of(section, reader, "part", "part"):
        return None
    common, of = read.common, None
    if section.data is None:
        selections = _selections(section, read.observed.selections[0], reader)
        if selections is None:
            return None
        common["selections"] = selections
    else:
        of = reader.read("of", section.of or "", parse_number)
        if of is None:
            return None
    return RatioBody(**common, of=of, most=section.limits.events, min_count=section.min_count), read.holds


RATIO = Kind("ratio", RatioSection, _read)
