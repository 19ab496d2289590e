"""`new_value`: a value that was never seen before for its group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.observed import FOREVER, EventSection, read_selection
from fenghuo.rules.kinds.windows.known import Known
from fenghuo.rules.kinds.windows.section import Fields
from fenghuo.rules.kinds.windows.texts import is_random_mac, reader_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen

LABEL = "new"
"""The label of an alert that says what is new."""


class NewValueSection(EventSection):
    kind: Literal["new_value"] = Field(
        description="A value never seen before for its group; each is an alert of its own, with the label `new`."
    )
    fields: Fields = Field(
        alias="field", description="The field whose values are remembered, or several: their combinations are."
    )
    learn: Duration = Field(
        default=604_800, description="So long after a group was seen first its values are learnt, and none is told."
    )
    remember: Duration = Field(
        default=2_592_000,
        gt=0,
        alias="forget",
        description="A value that was not seen for so long is new again; a group too, and then learns anew.",
    )
    ignore_random_mac: bool = Field(
        default=False,
        description="MAC addresses that devices make up themselves (locally administered) are passed over.",
    )
    lasts: Duration = Field(default=300, description="How long an alert stays.")


class NewValueCell:
    """The values of one group. `since`: when it was first seen; `last`: its newest observation. Milliseconds."""

    __slots__ = ("body", "due", "given_up", "known", "last", "now", "since")

    def __init__(self, body: NewValueBody) -> None:
        self.body = body
        self.known = Known()
        self.since = 0
        self.last = 0
        self.now = 0
        self.due: int | None = None
        self.given_up = 0

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        body, time = self.body, seen.time
        if not self.last or time > self.last:
            self.since = self.since or time
            self.last = time
            self.now = max(self.now, time)
            self.due = time + body.forget
        elif time < self.since:
            self.since = time
        new = self._new_texts(seen)
        if not new or time < self.since + body.learn:
            return None
        text = ", ".join(new)
        return Measure(
            len(new),
            True,
            {LABEL: text, "known": len(self.known)},
            (seen.id,) if seen.id else (),
            time,
            ((LABEL, text),),
        )

    def _new_texts(self, seen: Seen) -> list[str]:
        body, known = self.body, self.known
        second, since = max(0, seen.time) // 1000, max(0, seen.time - body.forget) // 1000
        new = [text for text in body.texts(seen) if known.meet(text, second, since)]
        if len(known) > body.most:
            known.forget(since)
            self.given_up += known.crop(body.most)
        return new

    def lapse(self, now: int) -> None:
        self.now = max(self.now, now)
        if self.is_empty:
            self.due = None

    @property
    def is_empty(self) -> bool:
        return self.now >= self.last + self.body.forget

    def save(self) -> Any:
        return [self.since, self.last, self.now, self.known.save()]


@dataclass(frozen=True)
class NewValueBody(Observer):
    """`learn` and `forget` in milliseconds. `most`: so many values are kept of a group."""

    fields: tuple[str, ...] = ()
    learn: int = 604_800_000
    forget: int = 2_592_000_000
    most: int = 10_000
    ignores_random_macs: bool = False

    counts_given_up = True

    @cached_property
    def texts(self) -> Callable[[Seen], Sequence[str]]:
        """The values that an observation holds."""
        read = reader_of(self.fields)
        if not self.ignores_random_macs:
            return read
        return lambda seen: [text for text in read(seen) if not any(is_random_mac(part) for part in text.split(" / "))]

    def start(self) -> Cell:
        return NewValueCell(self)

    def load(self, saved: Any) -> Cell:
        since, last, now, known = saved
        cell = NewValueCell(self)
        cell.since, cell.last, cell.now, cell.known = int(since), int(last), int(now), Known.load(known)
        cell.due = cell.last + self.forget
        return cell


def _read(section: NewValueSection, reader: Reader) -> tuple[NewValueBody, Holds] | None:
    selection = read_selection(section, reader)
    if selection is None:
        return None
    body = NewValueBody(
        (selection,),
        fields=tuple(section.fields),
        learn=milliseconds(section.learn),
        forget=milliseconds(section.remember),
        most=section.limits.values,
        ignores_random_macs=section.ignore_random_mac,
    )
    return body, holds_of(section, stale=FOREVER, lasts=milliseconds(section.lasts), settle=0)


NEW_VALUE = Kind("new_value", NewValueSection, _read)
