"""`beacon`: contacts that come as regularly as only a machine makes them."""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from fenghuo.config import Duration, Section
from fenghuo.config.words import allow
from fenghuo.rules.files.section import Expression, FieldName
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.observed import FOREVER, EventSection, read_selection
from fenghuo.rules.kinds.regularity import MAX_MISSED, Regularity, regularity, spread
from fenghuo.rules.language.expression import ExpressionError, Node, fields_of, parse_condition
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen

MAX_IDS = 16
"""So many events of a group are named: the newest."""
STOPPED_PERIODS = 4
"""Contacts that stay away for so many periods have stopped."""
_NAMES = ("period", "jitter", "presence", "count", "size_jitter")


class Period(Section):
    """Between which bounds contacts are looked at."""

    min: Annotated[Duration, Field(gt=0)] = Field(
        default=10, description="The shortest period; what comes faster is one contact."
    )
    max: Annotated[Duration, Field(gt=0, le=604_800)] = Field(default=3_600, description="The longest period.")


class BeaconSection(EventSection):
    """`group_by` says whose contacts with whom, e.g. `[source.ip, destination.ip]`."""

    kind: Literal["beacon"] = Field(description="Contacts that come regularly.")
    period: Period = Field(default=Period(), description="The periods that count.")
    jitter: float = Field(
        default=0.15,
        gt=0,
        le=0.2,
        description="How far half of the intervals may stray from the period, as a part of it; six in seven not more than twice as far.",
    )
    count: int = Field(default=12, ge=5, le=120, description="The fewest contacts.")
    presence: float = Field(
        default=0.5, ge=0.2, le=1, description="How many of the contacts that were due must have come."
    )
    size: FieldName | None = Field(
        default=None, description="A number in the events, e.g. `source.bytes`, that must be regular too."
    )
    size_jitter: float = Field(
        default=0.1, ge=0, le=1, description="How far half of the sizes may be from the middle one, as a part of it."
    )
    condition: Expression | None = Field(
        default=None,
        description="Instead of `jitter` and `presence`: over `value` (the score, 0 to 1), `period` (seconds), `jitter`, `presence`, `count`.",
    )
    forget: Annotated[Duration, Field(gt=0)] = Field(
        default=86_400, description="What fires and was not heard of for so long is resolved."
    )


@dataclass(frozen=True)
class BeaconBody(Observer):
    """On while the newest contacts are regular; off when they no longer are, or stay away. Times in milliseconds."""

    shortest: int = field(kw_only=True)
    longest: int = field(kw_only=True)
    jitter: float = field(kw_only=True)
    presence: float = field(kw_only=True)
    count: int = field(kw_only=True)
    size: str | None = field(kw_only=True)
    size_jitter: float = field(kw_only=True)

    @property
    def kept(self) -> int:
        """How many contacts of a group are kept."""
        return 2 * self.count

    @property
    def step(self) -> int:
        """After so many more contacts a group is looked at again; seldom, for chance gets a try each time."""
        return max(1, self.count // 4)

    def start(self) -> Cell:
        return BeaconCell(self)

    def load(self, saved: Any) -> Cell:
        cell = BeaconCell(self)
        cell.restore(saved)
        return cell


class BeaconCell:
    """The newest contacts of a group: their times, their sizes, the last of their events."""

    __slots__ = ("_body", "_ids", "_new", "_sizes", "_stops", "_times")

    def __init__(self, body: BeaconBody) -> None:
        self._body = body
        self._times = array("q")
        self._sizes = array("d")
        self._ids: list[str] = []
        self._new = 0
        self._stops: int | None = None

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        if not self._take(seen):
            return None
        body, count = self._body, len(self._times)
        if self._stops is not None:
            self._stops = max(self._stops, self._stops + seen.time - self._times[-2])
        self._new += 1
        if count < body.count or (self._new < body.step and count > body.count):
            return None
        self._new = 0
        return self._measure()

    def _take(self, seen: Seen) -> bool:
        """Whether it is another contact, and not more of the one before. One that is late goes where it belongs."""
        times, shortest = self._times, self._body.shortest
        place = bisect(times, seen.time)
        if place and seen.time - times[place - 1] < shortest:
            return False
        if place < len(times) and (times[place] - seen.time < shortest or not place):
            return False
        times.insert(place, seen.time)
        if self._body.size is not None:
            value = seen.get(self._body.size)
            self._sizes.append(float(value) if isinstance(value, int | float) else -1.0)
        if seen.id:
            self._ids.append(seen.id)
        del times[: -self._body.kept], self._sizes[: -self._body.kept], self._ids[:-MAX_IDS]
        return place == len(times) - 1

    def _measure(self) -> Measure:
        body = self._body
        found = regularity(self._times)
        if found is None or found.intervals < body.count - 1 or not self._is_in_range(found):
            self._stops = None
            return Measure(on=False)
        size = spread([size for size in self._sizes if size >= 0])
        values = _values(found, len(self._times), size)
        on = None if body.condition is not None else self._is_regular(found, size)
        self._stops = None if on is False else self._times[-1] + round(STOPPED_PERIODS * found.period)
        return Measure(found.score, on, values, tuple(self._ids), self._times[0])

    def _is_in_range(self, found: Regularity) -> bool:
        return self._body.shortest <= found.period <= self._body.longest

    def _is_regular(self, found: Regularity, size: float | None) -> bool:
        body = self._body
        is_regular = found.jitter <= body.jitter and found.tail <= 2 * body.jitter and found.presence >= body.presence
        return is_regular and (body.size is None or (size is not None and size <= body.size_jitter))

    @property
    def due(self) -> int | None:
        if self._stops is not None:
            return self._stops
        return self._times[-1] + MAX_MISSED * self._body.longest if self._times else None

    def lapse(self, now: int) -> Measure | None:
        if self._stops is not None and now >= self._stops:
            self._stops = None
            return Measure(on=False)
        if self._times and now >= self._times[-1] + MAX_MISSED * self._body.longest:
            del self._times[:], self._sizes[:], self._ids[:]
        return None

    @property
    def is_empty(self) -> bool:
        return not self._times

    def save(self) -> Any:
        return {
            "times": list(self._times),
            "sizes": list(self._sizes),
            "ids": self._ids,
            "new": self._new,
            "stops": self._stops,
        }

    def restore(self, saved: Any) -> None:
        """Go on from what `save` gave."""
        self._times.extend(sorted(map(int, saved["times"])))
        self._sizes.extend(map(float, saved["sizes"]))
        self._ids = list(map(str, saved["ids"]))
        self._new = int(saved["new"])
        self._stops = None if saved["stops"] is None else int(saved["stops"])


def _values(found: Regularity, count: int, size: float | None) -> Mapping[str, float | str]:
    values: dict[str, float | str] = {
        "period": round(found.period / 1000, 3),
        "jitter": round(found.jitter, 4),
        "presence": round(found.presence, 4),
        "count": count,
    }
    return values if size is None else {**values, "size_jitter": round(size, 4)}


def _read(section: BeaconSection, reader: Reader) -> tuple[BeaconBody, Holds] | None:
    condition = None
    if section.condition is not None:
        condition = reader.read("condition", section.condition, _condition)
        if condition is None:
            return None
    if not section.group_by:
        reader.read("group_by", "", _refuse("whose contacts with whom? say e.g. [source.ip, destination.ip]"))
        return None
    if section.period.max < section.period.min:
        reader.read("period", "", _refuse("'max' lies below 'min'"))
        return None
    selection = read_selection(section, reader)
    if selection is None:
        return None
    body = BeaconBody(
        (selection,),
        condition=condition,
        shortest=milliseconds(section.period.min),
        longest=milliseconds(section.period.max),
        jitter=section.jitter,
        presence=section.presence,
        count=section.count,
        size=section.size,
        size_jitter=section.size_jitter,
    )
    return body, holds_of(section, stale=FOREVER, forget=milliseconds(section.forget), settle=0)


def _condition(text: str) -> Node:
    node = parse_condition(text, frozenset({"value"}))
    unknown = [name for name in fields_of(node) if name not in _NAMES]
    if unknown:
        raise ExpressionError(0, f"{unknown[0]!r} is not known here", allow(unknown[0], ("value", *_NAMES)))
    return node


def _refuse(message: str) -> Callable[[str], None]:
    def refuse(text: str) -> None:
        del text
        raise ValueError(message)

    return refuse


BEACON = Kind("beacon", BeaconSection, _read)
