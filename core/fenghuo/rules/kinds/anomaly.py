"""`anomaly`: a series that does what it did not do before; what is usual is learnt from the series itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from fenghuo.config import Duration, Section
from fenghuo.rules.anomaly import SENSITIVITIES, CounterRate, Detector, Options
from fenghuo.rules.files.section import Expression
from fenghuo.rules.kinds.base import Kind, Reader, milliseconds
from fenghuo.rules.kinds.observed import ObservedSection, read_observed
from fenghuo.rules.language.expression import ExpressionError, Node, fields_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen

NAMES = ("score", "surprise", "probability", "expected", "low", "high")
"""What conditions and templates may speak of beside `value`; templates also of `reason` and `reason_zh`."""


class MinChangeSection(Section):
    """What is too small to be of interest, however unusual."""

    absolute: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="A smaller distance from the expected is no anomaly."
    )
    relative: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Nor is a distance that is a smaller part of the expected: 0.2 is a fifth."
    )


class AnomalySection(ObservedSection):
    kind: Literal["anomaly"] = Field(description="A series that is not as its own past lets expect.")
    data: Expression = Field(  # pyright: ignore[reportIncompatibleVariableOverride] — what this kind cannot do without
        description="The series: a value of readings, or an expression, e.g. `rate(ifHCInOctets)`."
    )
    condition: Expression | None = Field(
        default=None,
        description="When it is on, over `value`, `score` (0 to 1), `surprise` (-log10 of how improbable), `expected`, `low`, `high`; "
        "if not said: from an alert of the detector until the series is usual again.",
    )
    sensitivity: Literal["low", "medium", "high"] | Annotated[float, Field(gt=0, le=1_000)] = Field(
        default="medium",
        description="False alerts that may be expected per series and month: low is 0.01, medium 0.05, high 0.5.",
    )
    direction: Literal["both", "up", "down"] = Field(
        default="both", description="Whether only values above, or only below what is expected are of interest."
    )
    season: Literal["auto", "none", "day", "week"] = Field(
        default="auto", description="The season to compare with; `auto` finds out whether there is one."
    )
    learn: Duration = Field(
        default=0, description="No alerts so long after the first value; nor in the first 100 values."
    )
    min_change: MinChangeSection = Field(default=MinChangeSection(), description="What is too small to tell.")
    counter: bool = Field(
        default=False,
        description="`data` only grows: its growth per second is the series, and where it falls it was reset.",
    )


class AnomalyCell:
    """The detector of one series."""

    __slots__ = ("counter", "detector", "since")

    due: int | None = None
    is_empty = False

    def __init__(self, detector: Detector, counter: CounterRate | None, since: int | None = None) -> None:
        self.detector = detector
        self.counter = counter
        self.since = since

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        number = seen.number
        if self.counter is not None:
            number = self.counter.see(seen.time, number)
        if number is None or seen.time <= self.detector.time:
            return None
        score = self.detector.see(seen.time, float(number))
        if math.isnan(score.value):
            return None
        values: dict[str, float | str] = {
            "score": score.score,
            "surprise": score.surprise,
            "probability": score.probability,
            "expected": score.expected,
            "low": score.low,
            "high": score.high,
        }
        if score.abnormal or score.alert:
            self.since = self.since or seen.time
            if score.surprise > 0:
                values["reason"], values["reason_zh"] = score.reason, score.reason_zh
        else:
            self.since = None
        return Measure(float(number), score.abnormal, values, since=self.since)

    def lapse(self, now: int) -> Measure | None:
        del now
        return None

    def save(self) -> Any:
        return [self.detector.save(), None if self.counter is None else self.counter.save(), self.since]


class ConditionCell(AnomalyCell):
    """As above, where the rule's own condition decides."""

    __slots__ = ()

    def see(self, seen: Seen, selection: int) -> Measure | None:
        measure = super().see(seen, selection)
        if measure is not None:
            measure.on = None
        return measure


@dataclass(frozen=True)
class AnomalyBody(Observer):
    """Learns each series by itself."""

    options: Options = Options()  # noqa: RUF009 — frozen
    counter: bool = False

    def start(self) -> Cell:
        return self._cell(Detector(self.options), CounterRate() if self.counter else None)

    def load(self, saved: Any) -> Cell:
        state, counted, since = saved
        counter = CounterRate() if self.counter else None
        if counter is not None and counted is not None:
            counter.load(counted)
        return self._cell(Detector.load(state, self.options), counter, since)

    def _cell(self, detector: Detector, counter: CounterRate | None, since: int | None = None) -> Cell:
        kind = AnomalyCell if self.condition is None else ConditionCell
        return kind(detector, counter, since)


def options_of(section: AnomalySection) -> Options:
    """What a rule says of its series."""
    sensitivity = section.sensitivity
    return Options(
        sensitivity=SENSITIVITIES[sensitivity] if isinstance(sensitivity, str) else sensitivity,
        direction=section.direction,
        season=section.season,
        learn=milliseconds(section.learn),
        min_absolute=section.min_change.absolute,
        min_relative=section.min_change.relative,
    )


def _read(section: AnomalySection, reader: Reader) -> tuple[AnomalyBody, Holds] | None:
    observed = read_observed(section, reader)
    if observed is None:
        return None
    for key, node in (("condition", observed.condition), ("clear", observed.clear)):
        if node is not None and reader.read(key, cast("str", getattr(section, key)), _knows(node)) is None:
            return None
    body = AnomalyBody(
        data=observed.data,
        condition=observed.condition,
        clear=observed.clear,
        options=options_of(section),
        counter=section.counter,
    )
    return body, observed.holds


def _knows(node: Node) -> Any:
    def check(text: str) -> Mapping[str, Any]:
        for name in fields_of(node):
            if name not in NAMES:
                raise ExpressionError(
                    max(0, text.find(name)), f"unknown name {name!r}", "known: value, " + ", ".join(NAMES)
                )
        return {}

    return check


ANOMALY = Kind("anomaly", AnomalySection, _read)
