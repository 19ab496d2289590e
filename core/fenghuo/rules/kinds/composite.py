"""`composite`: what several rules together mean, as a condition over which of them fire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import Expression, RuleName, RuleSection
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.kinds.base import Clear, Kind, Reader, holds_of, milliseconds, parse_clear_with
from fenghuo.rules.kinds.observed import FOREVER
from fenghuo.rules.language.boolean import all_of, holds, names_of, parse_boolean
from fenghuo.rules.language.expression import Node
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import MAX_EVENTS, Cell, Measure, Observer, Seen, Selection

MAX_RULES = 32
MAX_FIRING = 1_000
"""So many alerts of one rule are known of a group at once; what fires beyond them is counted, and not looked at."""


class CompositeSection(RuleSection):
    kind: Literal["composite"] = Field(description="Several rules together.")
    of: Annotated[list[RuleName], BeforeValidator(as_list), Field(max_length=MAX_RULES), OneOrMany()] = Field(
        default=[], description="The rules, by name; those that `condition` speaks of if not said."
    )
    condition: Expression | None = Field(
        default=None,
        description="Which must fire: `port-errors and (link-flap or not uplink-ok)`, `2 of (a, b, c)`; all of them if not said.",
    )
    clear: Expression | None = Field(
        default=None, description="When it is over: such a condition, `for` a time; not `condition` if not said."
    )
    hold: Duration = Field(default=0, alias="for", description="How long it must be so before it fires.")
    forget: Annotated[Duration, Field(gt=0)] = Field(
        default=604_800, description="An alert that was not heard of for so long no longer counts as firing."
    )


class CompositeCell:
    """What fires for one group: by rule the fingerprints, each with when it was heard and the events behind it."""

    __slots__ = ("_firing", "_forget", "_names", "given_up")

    def __init__(self, names: tuple[str, ...], forget: int) -> None:
        self._names = names
        self._forget = forget
        self._firing: list[dict[str, tuple[int, tuple[str, ...]]]] = [{} for _ in names]
        self.given_up = 0

    def see(self, seen: Seen, selection: int) -> Measure | None:
        firing = self._firing[selection]
        fingerprint = str(seen.get("alert.fingerprint"))
        if seen.get("alert.state") != "firing":
            if firing.pop(fingerprint, None) is None:
                return None
        elif fingerprint not in firing and len(firing) >= MAX_FIRING:
            self.given_up += 1
            return None
        else:
            ids = cast("tuple[str, ...]", tuple(seen.get("alert.event_ids") or ()))
            firing[fingerprint] = (seen.time, ids[-MAX_EVENTS // MAX_RULES :])
        return self._measure()

    def _measure(self) -> Measure:
        every = sorted(heard for firing in self._firing for heard in firing.values())
        ids = [id_ for _, ids in every for id_ in ids]
        return Measure(
            value=sum(1 for firing in self._firing if firing),
            values={name: len(firing) for name, firing in zip(self._names, self._firing, strict=True)},
            events=list(dict.fromkeys(ids))[-MAX_EVENTS:],
            since=every[0][0] if every else None,
        )

    @property
    def due(self) -> int | None:
        moments = [heard for firing in self._firing for heard, _ in firing.values()]
        return min(moments) + self._forget if moments else None

    def lapse(self, now: int) -> Measure | None:
        for firing in self._firing:
            for fingerprint in [each for each, (heard, _) in firing.items() if heard + self._forget <= now]:
                del firing[fingerprint]
        return self._measure()

    @property
    def is_empty(self) -> bool:
        return not any(self._firing)

    def save(self) -> Any:
        return dict(zip(self._names, self._firing, strict=True))

    def restore(self, saved: Any) -> None:
        """Go on from what `save` gave; of rules that are no longer spoken of nothing is taken."""
        for firing, name in zip(self._firing, self._names, strict=True):
            for fingerprint, (heard, ids) in cast("dict[str, tuple[Any, Any]]", saved.get(name, {})).items():
                firing[str(fingerprint)] = (int(heard), tuple(map(str, ids)))


@dataclass(frozen=True)
class CompositeBody(Observer):
    """On while the condition is true of what fires for the group."""

    names: tuple[str, ...] = field(kw_only=True)
    forget: int = field(kw_only=True)

    counts_given_up = True

    def start(self) -> Cell:
        return CompositeCell(self.names, self.forget)

    def load(self, saved: Any) -> Cell:
        if not isinstance(saved, dict):
            raise ValueError("no state of a composite")  # noqa: TRY004 — what is saved is data, not code
        cell = CompositeCell(self.names, self.forget)
        cell.restore(saved)
        return cell


def _read(section: CompositeSection, reader: Reader) -> tuple[CompositeBody, Holds] | None:
    if section.where or section.exceptions or section.measurement:
        reader.read("where", "", _refuse("a composite is about alerts of other rules; what they are about is in these"))
        return None
    condition = _condition(section, reader)
    if condition is None:
        return None
    names = tuple(dict.fromkeys((*section.of, *names_of(condition))))
    if section.name in names:
        reader.read("condition", "", _refuse("a rule cannot stand on its own alerts"))
        return None
    if len(names) > MAX_RULES:
        reader.read("condition", "", _refuse(f"{len(names)} rules; at most {MAX_RULES}"))
        return None
    clear: Clear | None = Clear()
    if section.clear is not None:
        clear = reader.read(
            "clear", section.clear, lambda text: parse_clear_with(text, lambda part: parse_boolean(part, names))
        )
        if clear is None:
            return None
    forget = milliseconds(section.forget)
    body = CompositeBody(
        tuple(Selection(rules=(name,)) for name in names),
        condition=condition,
        clear=clear.condition,
        names=names,
        forget=forget,
    )
    fire = milliseconds(section.hold)
    return body, holds_of(section, fire=fire, clear=clear.hold, forget=forget, stale=FOREVER, settle=0)


def _condition(section: CompositeSection, reader: Reader) -> Node | None:
    if section.condition is None:
        if not section.of:
            reader.read("of", "", _refuse("which rules? say 'of' or 'condition'"))
            return None
        return all_of(dict.fromkeys(section.of))

    def parse(text: str) -> Node:
        node = parse_boolean(text, section.of or None)
        if holds(node, {}):
            raise ValueError("it is true where none of the rules fires; there would be no group to tell it of")
        return node

    return reader.read("condition", section.condition, parse)


def _refuse(message: str) -> Callable[[str], None]:
    def refuse(text: str) -> None:
        del text
        raise ValueError(message)

    return refuse


COMPOSITE = Kind("composite", CompositeSection, _read, in_names=("condition", "clear"))
