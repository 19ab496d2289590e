"""`aggregate`: a sum, mean, extreme, deviation or percentile over a sliding window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from fenghuo.rules.files.section import FieldName, like
from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.kinds.windows.measuring import MeasuringBody, MeasuringCell
from fenghuo.rules.kinds.windows.numbers import Numbers
from fenghuo.rules.kinds.windows.section import WindowSection, needs_one_of, read_windowed
from fenghuo.rules.kinds.windows.texts import number_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Seen

_FUNCTIONS = r"sum|avg|min|max|count|stddev|median|p(100|[0-9]{1,2}(\.[0-9]{1,3})?)"
Function = Annotated[
    str,
    StringConstraints(pattern=rf"^({_FUNCTIONS})$"),
    like(_FUNCTIONS, "'sum', 'avg', 'min', 'max', 'count', 'stddev', 'median' or a percentile such as 'p95'"),
]


class AggregateSection(WindowSection):
    kind: Literal["aggregate"] = Field(
        description="A number over all the numbers in a sliding window: their sum, mean, extreme, spread or percentile."
    )
    function: Function = Field(
        description="`sum`, `avg`, `min`, `max`, `count`, `stddev` (of all, not of a sample), `median`, or a percentile such as "
        "`p95`: between the two numbers nearest to the rank, in proportion."
    )
    numbers: FieldName | None = Field(
        default=None,
        alias="field",
        description="The field of the events; a text that looks like a number is one, others are passed over.",
    )
    min_count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1,
        description="The fewest numbers in the window before it speaks. With 1, `sum` and `count` are 0 where there is none.",
    )


class AggregateCell(MeasuringCell["AggregateBody"]):
    """The numbers of one group: at most `limits.events` of them, the newest."""

    __slots__ = ("numbers",)

    def __init__(self, body: AggregateBody) -> None:
        super().__init__(body)
        self.numbers = Numbers(ordered=body.percent is not None, squares=body.function == "stddev")

    def count(self) -> int:
        return len(self.numbers)

    def add(self, seen: Seen, selection: int) -> None:
        del selection
        number = number_of(seen.number if self.body.field is None else seen.get(self.body.field))
        if number is not None:
            self.numbers.put(seen.time, seen.id, float(number))
            if len(self.numbers) > self.body.most:
                self.given_up += self.numbers.crop(self.body.most)

    def leave(self, now: int) -> None:
        self.numbers.leave(now - self.body.window)

    def wait(self) -> None:
        self.due = self.next_moment(self.numbers.oldest + self.body.window if len(self.numbers) else None)

    def values(self) -> Mapping[str, float] | None:
        body, numbers = self.body, self.numbers
        count = len(numbers)
        if count < body.min_count:
            return None if body.empty is None else {"value": numbers.total.value if body.function == "sum" else count}
        match body.function:
            case "sum":
                return {"value": numbers.total.value, "count": count}
            case "count":
                return {"value": count, "count": count}
            case "avg":
                return {"value": numbers.mean, "count": count}
            case "stddev":
                return {"value": numbers.deviation(), "count": count}
            case _:
                assert body.percent is not None
                return {"value": numbers.percentile(body.percent), "count": count}

    def events(self) -> Sequence[str]:
        return tuple(self.numbers.ids)

    def kept(self) -> Any:
        return self.numbers.save()


@dataclass(frozen=True)
class AggregateBody(MeasuringBody):
    """`percent` is 0 for the minimum, 100 for the maximum; None where the function needs no order."""

    function: str = "sum"
    field: str | None = None
    min_count: int = 1
    percent: float | None = None

    def start(self) -> Cell:
        return AggregateCell(self)

    def load(self, saved: Any) -> Cell:
        cell = AggregateCell(self)
        cell.numbers.take(cell.restore(saved))
        cell.wait()
        return cell


_PERCENT = {"min": 0.0, "median": 50.0, "max": 100.0}


def percent_of(function: str) -> float | None:
    """The percentile that a function asks for; None where it asks for none."""
    return float(function[1:]) if function[:1] == "p" else _PERCENT.get(function)


def _read(section: AggregateSection, reader: Reader) -> tuple[AggregateBody, Holds] | None:
    read = read_windowed(section, reader, names=("count",))
    if read is None or not needs_one_of(section, reader, "numbers", "field"):
        return None
    body = AggregateBody(
        **read.common,
        most=section.limits.events,
        function=section.function,
        field=section.numbers,
        min_count=section.min_count,
        percent=percent_of(section.function),
        empty=0.0 if section.function in ("sum", "count") and section.min_count == 1 else None,
    )
    return body, read.holds


AGGREGATE = Kind("aggregate", AggregateSection, _read)
