"""Cells that compute a number over what lies in a sliding window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from fenghuo.rules.kinds.windows.cell import WindowBody, WindowCell
from fenghuo.rules.language.scalar import Scalar, compile_scalar
from fenghuo.rules.runtime.observe import Measure


@dataclass(frozen=True)
class MeasuringBody(WindowBody):
    """`empty`: the value of an empty window; None: there is none."""

    empty: float | None = None

    @cached_property
    def is_on(self) -> Scalar:
        assert self.condition is not None
        return compile_scalar(self.condition)

    @cached_property
    def is_over(self) -> Scalar | None:
        return None if self.clear is None else compile_scalar(self.clear)

    @cached_property
    def asks_for_few(self) -> bool:
        return self.empty is not None and self.is_on({"value": self.empty}) is True


M = TypeVar("M", bound=MeasuringBody)


class MeasuringCell(WindowCell[M], Generic[M]):
    """What is common to numbers over the window of one group; what they are is added by subclasses."""

    __slots__ = ()

    def say(self) -> Measure | None:
        self.wait()
        body = self.body
        if body.asks_for_few:
            if self.now < self.since + body.window:
                return None
            if self.due is None and not self.count():
                return None
        values = self.values()
        if values is None:
            if self.is_quiet:
                return None
            self.is_quiet = True
            return Measure(None, on=False)
        on = body.is_on(values)
        is_quiet = on is False and (body.is_over is None or body.is_over(values) is True)
        was_quiet, self.is_quiet = self.is_quiet, is_quiet
        if is_quiet and was_quiet:
            return None
        more = {name: value for name, value in values.items() if name != "value"}
        return Measure(values["value"], None, more, self.events() if on else ())

    # What is measured

    def values(self) -> Mapping[str, float] | None:
        """The number as `value`, and what else conditions speak of; None where nothing can be said."""
        raise NotImplementedError

    def events(self) -> Sequence[str]:
        """The ids of the events that made it."""
        raise NotImplementedError
