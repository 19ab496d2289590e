"""`absence`: a series that was there and is silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression, RuleSection
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.change import parse_field
from fenghuo.rules.language.columns import Column, Frame
from fenghuo.rules.language.expression import Node
from fenghuo.rules.rule import Judge, Verdict
from fenghuo.rules.runtime.lifecycle import Group, Holds


class AbsenceSection(RuleSection):
    kind: Literal["absence"] = Field(description="A series that is silent.")
    data: Expression = Field(description="The field that should come.")
    hold: Annotated[Duration, Field(gt=0)] = Field(alias="for", description="The silence after which it fires.")
    forget: Duration = Field(
        default=604_800, description="What was not heard of for so long is resolved and forgotten."
    )


@dataclass(frozen=True)
class AbsenceBody:
    """On by the engine's timer, off at the next reading."""

    field: str
    silence: int

    latches = False
    expressions: tuple[Node, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.field,)

    @property
    def remembers(self) -> tuple[str, ...]:
        return (self.field,)

    def bind(self, positions: Mapping[str, int]) -> Judge:
        column = positions[self.field]

        def data(frame: Frame) -> Column:
            return frame.columns[column]

        def judge(frame: Frame, time: int, active: Mapping[int, Group]) -> Sequence[Verdict]:
            del time
            if not active:
                return ()
            frame.watch(data)
            values = frame.value
            return [(row, False, True) for row in active if values[row] is not None]

        return judge


def _read(section: AbsenceSection, reader: Reader) -> tuple[AbsenceBody, Holds] | None:
    data = reader.read("data", section.data, parse_field)
    if data is None:
        return None
    holds = holds_of(section, forget=milliseconds(section.forget))
    return AbsenceBody(data.name, milliseconds(section.hold)), holds


ABSENCE = Kind("absence", AbsenceSection, _read)
