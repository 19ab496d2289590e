"""`change`: a value that is another than before, over missed polls and restarts of the agent too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression, RuleSection
from fenghuo.rules.kinds.base import Clear, Kind, Reader, holds_of, milliseconds, parse_clear
from fenghuo.rules.language.columns import Column, Frame, compile_node
from fenghuo.rules.language.expression import ExpressionError, Node, fields_of, parse_condition, parse_number
from fenghuo.rules.language.expression import Field as FieldNode
from fenghuo.rules.rule import Judge, Verdict
from fenghuo.rules.runtime.lifecycle import Group, Holds

_VARIABLES = frozenset({"value", "previous", "elapsed"})


class ChangeSection(RuleSection):
    kind: Literal["change"] = Field(description="A value that is another than before.")
    data: Expression = Field(description="The field that is watched.")
    condition: Expression | None = Field(
        default=None,
        description="Which changes count, over `value`, `previous`, `elapsed` (seconds) and fields; all if not said.",
    )
    clear: Expression | None = Field(default=None, description="When it is over: a condition, `for` a time.")
    lasts: Duration | None = Field(
        default=None, description="Without `clear`: how long an alert stays (5m if not said)."
    )
    hold: Duration = Field(default=0, alias="for", description="How long it must not be over before it fires.")
    forget: Duration = Field(default=86_400, description="What fires and was not heard of for so long is resolved.")


@dataclass(frozen=True)
class ChangeBody:
    """On at a change that meets `condition`, off when `clear` is met (or after `lasts`, which the life cycle knows)."""

    field: str
    condition: Node | None
    clear: Node | None
    lasts: int | None

    silence = None
    latches = True

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.field, *(fields_of(self.condition) if self.condition else ()))))

    @property
    def remembers(self) -> tuple[str, ...]:
        return (self.field,)

    @property
    def expressions(self) -> tuple[Node, ...]:
        return tuple(node for node in (self.condition, self.clear) if node is not None)

    def bind(self, positions: Mapping[str, int]) -> Judge:
        column = positions[self.field]
        counts = compile_node(self.condition, positions) if self.condition is not None else None
        over = compile_node(self.clear, positions) if self.clear is not None else None

        def data(frame: Frame) -> Column:
            return frame.columns[column]

        def judge(frame: Frame, time: int, active: Mapping[int, Group]) -> Sequence[Verdict]:
            frame.watch(data)
            values, memory = frame.value, frame.memories[self.field]
            if not active and values == memory.values:
                return ()
            frame.previous, frame.elapsed = memory.previous(time)
            changed = _changed(values, frame.previous)
            if counts is not None and True in changed:
                changed = [a and b for a, b in zip(changed, counts(frame), strict=True)]
            found: list[Verdict] = [(row, True, False) for row, is_on in enumerate(changed) if is_on]
            if active:
                ends = over(frame) if over else None
                found += [
                    self._still(row, group, time, ends is not None and bool(ends[row]))
                    for row, group in active.items()
                    if not changed[row] and values[row] is not None
                ]
            return found

        return judge

    def _still(self, row: int, group: Group, time: int, ended: bool) -> Verdict:
        """A row that did not change (or not so as to count), pending or firing."""
        if group.latched is not None and (ended or (self.lasts is not None and time >= group.latched + self.lasts)):
            group.latched = None
        if group.latched is not None:
            return row, True, False
        return row, False, ended or self.clear is None


def _changed(values: Column, previous: Column) -> list[bool | None]:
    return [None if old is None or new is None else new != old for new, old in zip(values, previous, strict=True)]


def parse_field(text: str) -> FieldNode:
    """The one field that a rule watches; `ExpressionError` for anything else."""
    node = parse_number(text)
    if not isinstance(node, FieldNode):
        raise ExpressionError(0, "this kind watches one field, not an expression")
    return node


def _read(section: ChangeSection, reader: Reader) -> tuple[ChangeBody, Holds] | None:
    data = reader.read("data", section.data, parse_field)
    condition = None
    if section.condition is not None:
        condition = reader.read("condition", section.condition, lambda text: parse_condition(text, _VARIABLES))
    clear = Clear()
    if section.clear is not None:
        clear = reader.read("clear", section.clear, parse_clear)
    lasts = None
    if clear is not None and clear.condition is None:
        lasts = milliseconds(300 if section.lasts is None else section.lasts)
        if lasts < milliseconds(section.hold):
            reader.read("lasts", "", _refuse("an alert that lasts shorter than 'for' never fires"))
            return None
    elif section.lasts is not None:
        reader.read("lasts", "", _refuse("'lasts' is for rules without a clear condition"))
        return None
    if data is None or clear is None or (section.condition is not None and condition is None):
        return None
    holds = holds_of(
        section,
        fire=milliseconds(section.hold),
        clear=clear.hold,
        lasts=lasts,
        forget=milliseconds(section.forget),
    )
    return ChangeBody(data.name, condition, clear.condition, lasts), holds


def _refuse(message: str) -> Callable[[str], None]:
    def refuse(text: str) -> None:
        del text
        raise ValueError(message)

    return refuse


CHANGE = Kind("change", ChangeSection, _read)
