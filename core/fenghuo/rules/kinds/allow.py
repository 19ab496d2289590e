"""`allow`: what a class of devices may do; everything else is an alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from fenghuo.config import Duration
from fenghuo.rules.files.section import FieldName, Matches
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.fleeting import Fleeting
from fenghuo.rules.kinds.observed import FOREVER, EventSection, natural, selection_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen, Selection

if TYPE_CHECKING:
    from fenghuo.rules.detection import Node

Policy = Annotated[list[Matches], Field(min_length=1, max_length=1_000)]
NAMES = ("dns.question.name", "tls.client.server_name", "url.domain", "destination.domain")
"""What a destination is called, before its address."""


class PolicySection(EventSection):
    """The keys of both kinds."""

    lasts: Duration = Field(
        default=3600, description="How long an alert stays after the last event against the policy."
    )
    group_by: list[FieldName] | None = Field(
        default=["source.ip", "destination.ip"], description="The fields that tell entities apart.", max_length=16
    )


class AllowSection(PolicySection):
    kind: Literal["allow"] = Field(
        description="What a class of devices (`where`) may do; everything else is an alert. Without `group_by`, one a `source.ip` and `destination.ip`."
    )
    allow: Policy = Field(
        description="What they may do: a list of conditions as in `where`, of each all keys, of which one must be met."
    )


class _PolicyCell(Fleeting):
    def see(self, seen: Seen, selection: int) -> Measure:
        del selection
        return Measure(1, on=True, values=_destination(seen), events=(seen.id,), since=seen.time)


def _destination(seen: Seen) -> dict[str, float | str]:
    """What was spoken to, in a few words: a name or an address, with port and protocol."""
    found = (seen.get(name) for name in (*NAMES, "destination.ip"))
    name = next((_first(value) for value in found if value), "")
    port, transport = seen.get("destination.port"), seen.get("network.transport")
    values: dict[str, float | str] = {"destination": name[:300]} if name else {}
    if isinstance(port, int | float):
        values["port"] = port
    if isinstance(transport, str):
        values["transport"] = transport[:20]
    return values


def _first(value: Any) -> str:
    return str(cast("list[Any]", value)[0] if isinstance(value, list) else value)


_CELL = _PolicyCell()


@dataclass(frozen=True)
class PolicyBody(Observer):
    """On at each event against the policy."""

    tells_each: bool = True

    keeps_nothing = True

    def start(self) -> Cell:
        return _CELL

    def load(self, saved: Any) -> Cell:
        del saved
        return _CELL


def read_policy(
    section: PolicySection, reader: Reader, key: str, policy: Sequence[Mapping[str, Sequence[str]]], *, forbids: bool
) -> tuple[PolicyBody, Holds] | None:
    """The events of the class that meet one of the conditions, where those are forbidden; else those that meet none."""
    devices = reader.read("where", "", lambda _: selection_of(section, reader.lists))
    conditions = [
        reader.read(f"{key}.{number}", "", _condition(matches, reader)) for number, matches in enumerate(policy)
    ]
    if devices is None or None in conditions:
        return None
    from fenghuo.rules.detection import Every, Not, Some, simplify  # noqa: PLC0415 — only rules over events need it

    met = Some(tuple(each for each in conditions if each is not None))
    node = simplify(Every((devices, met if forbids else Not(met))))
    return PolicyBody((Selection(node),)), holds_of(section, stale=FOREVER, lasts=milliseconds(section.lasts), settle=0)


def _condition(matches: Mapping[str, Sequence[str]], reader: Reader) -> Callable[[str], Node]:
    def read(text: str) -> Node:
        from fenghuo.rules.detection import read_where  # noqa: PLC0415 — only rules over events need it

        del text
        if not matches:
            raise ValueError("it says nothing")
        return read_where(natural(matches), lists=reader.lists)

    return read


def _read(section: AllowSection, reader: Reader) -> tuple[PolicyBody, Holds] | None:
    return read_policy(section, reader, "allow", section.allow, forbids=False)


ALLOW = Kind("allow", AllowSection, _read)
