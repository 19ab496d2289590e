"""`threshold`: a condition over the values of a reading, with a hold time and a clear condition of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression, RuleSection
from fenghuo.rules.kinds.base import Clear, Kind, Reader, holds_of, milliseconds, parse_clear
from fenghuo.rules.language.columns import Evaluate, Frame, compile_node
from fenghuo.rules.language.expression import Node, fields_of, parse_condition, parse_number
from fenghuo.rules.rule import Judge, Verdict
from fenghuo.rules.runtime.lifecycle import Group, Holds


class ConditionSection(RuleSection):
    """The keys of kinds that judge each reading by itself."""

    data: Expression = Field(description="A value of the reading, or an expression over several.")
    condition: Expression = Field(description="When it is on, e.g. `value > 32`; fields may be named too.")
    clear: Expression | None = Field(
        default=None,
        description="When it is over: a condition, `for` a time: `value < 30 for 10m`; not `condition` if not said.",
    )
    hold: Duration = Field(default=0, alias="for", description="How long the condition must be true before it fires.")
    forget: Duration = Field(default=86_400, description="What fires and was not heard of for so long is resolved.")


class ThresholdSection(ConditionSection):
    kind: Literal["threshold"] = Field(description="A value against a limit.")


@dataclass(frozen=True)
class ConditionBody:
    """Judges each reading by `condition`; what is not on is clear, unless `clear` says when."""

    data: Node
    condition: Node
    clear: Node | None

    silence = None
    latches = False
    remembers: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*fields_of(self.data), *fields_of(self.condition))))

    @property
    def expressions(self) -> tuple[Node, ...]:
        return tuple(node for node in (self.data, self.condition, self.clear) if node is not None)

    def bind(self, positions: Mapping[str, int]) -> Judge:
        return bind_condition(
            compile_node(self.data, positions),
            compile_node(self.condition, positions),
            compile_node(self.clear, positions) if self.clear is not None else None,
        )


def bind_condition(data: Evaluate, condition: Evaluate, clear: Evaluate | None) -> Judge:
    """The judge of three closures."""

    def judge(frame: Frame, time: int, active: Mapping[int, Group]) -> Sequence[Verdict]:
        del time
        frame.watch(data)
        on = condition(frame)
        if not active:
            return [(row, True, False) for row, is_on in enumerate(on) if is_on] if True in on else ()
        over = clear(frame) if clear else None
        found: list[Verdict] = []
        for row, is_on in enumerate(on):
            if is_on:
                found.append((row, True, False))
            elif is_on is not None and row in active:
                found.append((row, False, over is None or over[row] is True))
        return found

    return judge


def read_condition(section: ConditionSection, reader: Reader) -> tuple[Node, Node, Clear] | None:
    """The three expressions of the keys; None where one is wrong."""
    data = reader.read("data", section.data, parse_number)
    condition = reader.read("condition", section.condition, parse_condition)
    clear = reader.read("clear", section.clear, parse_clear) if section.clear is not None else Clear()
    if data is None or condition is None or clear is None:
        return None
    return data, condition, clear


def holds_of_condition(section: ConditionSection, clear: Clear) -> Holds:
    return holds_of(section, fire=milliseconds(section.hold), clear=clear.hold, forget=milliseconds(section.forget))


def _read(section: ThresholdSection, reader: Reader) -> tuple[ConditionBody, Holds] | None:
    parts = read_condition(section, reader)
    if parts is None:
        return None
    data, condition, clear = parts
    return ConditionBody(data, condition, clear.condition), holds_of_condition(section, clear)


THRESHOLD = Kind("threshold", ThresholdSection, _read)
