"""`indicator`: an event names a domain, address, hash or URL that is on a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from fenghuo.alerts import iso
from fenghuo.config import Duration
from fenghuo.rules.files.lists import RuleLists
from fenghuo.rules.files.section import FieldName, Line
from fenghuo.rules.files.shorthand import OneOrMany
from fenghuo.rules.indicators.registry import ListHandle
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.store import Hit, IndicatorSet
from fenghuo.rules.indicators.values import Type
from fenghuo.rules.kinds.base import Kind, Reader, holds_of, milliseconds
from fenghuo.rules.kinds.fleeting import Fleeting
from fenghuo.rules.kinds.observed import FOREVER, EventSection, natural, selection_of
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Measure, Observer, Seen, Selection

FIELDS: Mapping[Type, tuple[str, ...]] = {
    Type.DOMAIN: ("dns.question.name", "tls.client.server_name", "url.domain", "destination.domain"),
    Type.IP: ("source.ip", "destination.ip", "client.ip", "server.ip", "dns.resolved_ip"),
    Type.HASH: (
        *(f"file.hash.{name}" for name in ("md5", "sha1", "sha256", "sha512")),
        *(f"process.hash.{name}" for name in ("md5", "sha1", "sha256")),
        *(f"tls.server.hash.{name}" for name in ("md5", "sha1", "sha256")),
        *(f"tls.client.hash.{name}" for name in ("md5", "sha1", "sha256")),
        "tls.client.ja3",
        "tls.server.ja3s",
    ),
    Type.URL: ("url.full", "url.original"),
}
"""Where indicators of a type are looked for, unless the rule says."""
MAX_VALUES = 100
"""So many values of one field are looked up."""
Fields = tuple[tuple[Type, str, str], ...]
"""What is looked up, where, and beside an address the field of its port."""
Words = Literal["domain", "ip", "hash", "url"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


class IndicatorSection(EventSection):
    kind: Literal["indicator"] = Field(
        description="Events that name a domain, address, hash or URL of a list. Without `group_by`, an alert a `source.ip`."
    )
    lists: Annotated[
        list[Line | ListSource], BeforeValidator(_as_list), Field(min_length=1, max_length=100), OneOrMany()
    ] = Field(description="The lists: names, files (relative to the rule's), or files with options.")
    fields: dict[
        Words, Annotated[list[FieldName], BeforeValidator(_as_list), Field(min_length=1, max_length=32), OneOrMany()]
    ] = Field(
        default={},
        description="Which fields are looked up, by type (`domain`, `ip`, `hash`, `url`); the usual ECS fields of all types if not said.",
    )
    min_confidence: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="Only entries at least so sure; above 0, those that tell no confidence do not count."
    )
    lasts: Duration = Field(default=3600, description="How long an alert stays after the last hit.")
    group_by: list[FieldName] | None = Field(
        default=["source.ip"], description="The fields that tell entities apart.", max_length=16
    )


@dataclass(frozen=True)
class IndicatorBody(Observer):
    """On at each event that names something listed. `ids`: those of the lists that `handles` hold."""

    tells_each: bool = True
    lists: RuleLists | None = None
    handles: tuple[ListHandle, ...] = ()
    fields: Fields = ()
    min_confidence: int = 0
    ids: frozenset[int] = frozenset()

    keeps_nothing = True

    def start(self) -> Cell:
        return self.cell

    def load(self, saved: Any) -> Cell:
        del saved
        return self.cell

    @cached_property
    def cell(self) -> Cell:
        """All groups share one."""
        return _IndicatorCell(self)

    def current(self) -> IndicatorSet:
        assert self.lists is not None
        return self.lists.current

    def find(self, seen: Seen, current: IndicatorSet, fields: Fields) -> list[Found]:
        """Everything in these fields of an event that its lists hold, the surest first."""
        asked: set[tuple[Type, str]] = set()
        found: list[Found] = []
        get = seen.get
        for type_, name, port_name in fields:
            value = get(name)
            if value is None:
                continue
            port = get(port_name) if port_name else None
            for one in cast("list[Any]", value)[:MAX_VALUES] if isinstance(value, list) else (value,):
                if isinstance(one, str) and (type_, one) not in asked:
                    asked.add((type_, one))
                    hits = current.find(type_, one, seen.time, port if isinstance(port, int) else None)
                    found += [Found(hit, current, name, one) for hit in hits if self._counts(hit, current)]
        found.sort(key=lambda each: -1 if each.hit.confidence is None else each.hit.confidence, reverse=True)
        return found

    def _counts(self, hit: Hit, current: IndicatorSet) -> bool:
        if current.lists[hit.list].id not in self.ids:
            return False
        return not self.min_confidence or (hit.confidence or -1) >= self.min_confidence


@dataclass(frozen=True, slots=True)
class Found:
    """A hit, in which field and for which value of the event."""

    hit: Hit
    current: IndicatorSet
    field: str
    observed: str

    def values(self) -> dict[str, float | str]:
        """For messages, conditions and evidence; with ECS's names beside ours."""
        hit = self.hit
        feed = self.current.lists[hit.list].name
        found: dict[str, float | str] = {
            "indicator": hit.indicator,
            "type": hit.type.word,
            "list": feed,
            "field": self.field,
            "observed": self.observed[:500],
            "description": hit.description,
            "confidence": "" if hit.confidence is None else hit.confidence,
            "expires": "" if hit.until is None else iso(hit.until),
            "threat.feed.name": feed,
            "threat.indicator.type": _ecs_type(hit),
            "threat.indicator.name": hit.indicator,
            "threat.indicator.confidence": _ecs_confidence(hit.confidence),
            "threat.indicator.description": hit.description,
        }
        return {name: value for name, value in found.items() if value != ""}


def _ecs_type(hit: Hit) -> str:
    if hit.type is Type.IP:
        return "ipv6-addr" if ":" in hit.indicator.partition(".")[0] else "ipv4-addr"
    return {Type.DOMAIN: "domain-name", Type.HASH: "file", Type.URL: "url"}[hit.type]


def _ecs_confidence(confidence: int | None) -> str:
    """ECS's words, by the scale of STIX 2.1, appendix A."""
    if confidence is None:
        return "Not Specified"
    if confidence == 0:
        return "None"
    return "Low" if confidence < 30 else "Medium" if confidence < 70 else "High"


class _IndicatorCell(Fleeting):
    def __init__(self, body: IndicatorBody) -> None:
        self._body = body
        self._current: IndicatorSet | None = None
        self._fields: Fields = ()

    def see(self, seen: Seen, selection: int) -> Measure | None:
        del selection
        current = self._body.current()
        if current is not self._current:
            types = current.types_of(self._body.ids)
            self._current, self._fields = current, tuple(each for each in self._body.fields if each[0] in types)
        found = self._body.find(seen, current, self._fields)
        if not found:
            return None
        first = found[0]
        values = first.values()
        if len(found) > 1:
            values["others"] = ", ".join(dict.fromkeys(each.hit.indicator for each in found[1:6]))
        confidence = first.hit.confidence
        return Measure(
            None if confidence is None else float(confidence),
            on=True,
            values=values,
            events=(seen.id,),
            since=seen.time,
        )


def _read(section: IndicatorSection, reader: Reader) -> tuple[IndicatorBody, Holds] | None:
    fields = _fields(section)
    selection = reader.read("where", "", lambda _: _selection(section, reader, [name for _, name, _ in fields]))
    lists = reader.lists
    found = [
        reader.read(f"lists.{number}", "", lambda _, each=each: lists.indicators(each))
        for number, each in enumerate(section.lists)
    ]
    handles = tuple(handle for handle in found if handle is not None)
    if selection is None or len(handles) < len(found):
        return None
    body = IndicatorBody(
        (selection,),
        lists=lists,
        handles=handles,
        ids=frozenset(handle.id for handle in handles),
        fields=fields,
        min_confidence=section.min_confidence,
    )
    return body, holds_of(section, stale=FOREVER, lasts=milliseconds(section.lasts), settle=0)


def _fields(section: IndicatorSection) -> Fields:
    chosen: Mapping[Type, Sequence[str]] = FIELDS
    if section.fields:
        chosen = {Type[word.upper()]: names for word, names in section.fields.items()}
    return tuple(
        (type_, name, name.removesuffix(".ip") + ".port" if type_ is Type.IP and name.endswith(".ip") else "")
        for type_, names in chosen.items()
        for name in names
    )


def _selection(section: IndicatorSection, reader: Reader, names: Sequence[str]) -> Selection:
    """Events that have one of the fields, and meet what the rule says beside."""
    from fenghuo.rules.detection import Every, Not, Some, Test, read_where, simplify  # noqa: PLC0415 — only rules over events need it
    from fenghuo.rules.detection.checks import Exists  # noqa: PLC0415 — the same

    parts = [Some(tuple(Test(name, Exists()) for name in names))]
    if section.dataset or section.logsource or section.detection or section.where:
        return Selection(simplify(Every((selection_of(section, reader.lists), *parts))))
    excluded = tuple(read_where(natural(matches), lists=reader.lists) for matches in section.exceptions)
    return Selection(simplify(Every((Not(Some(excluded)), *parts))))


INDICATOR = Kind("indicator", IndicatorSection, _read)
