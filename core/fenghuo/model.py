"""The things that flow: sites, readings (in columns), events, alerts, assets.

A *reading* is one time, one label set and many named values (Telegraf's and InfluxDB's metric model), e.g. one row
of an SNMP table. Readings never travel alone: a `Table` holds the rows of one source at one time by column, and its
`Layout` (labels, field names) is made once and shared by every poll, so that no value costs an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

_SEGMENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
MAX_SITE_DEPTH = 8

Value = int | float | None
"""One measured value; None where it was not read (never 0)."""


class Tier(StrEnum):
    """The tier that follows from a site path's depth: 市, 区, 校."""

    CITY = "city"
    DISTRICT = "district"
    SCHOOL = "school"


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A path in the tree of places, such as `bj/haidian/zgc-no1`: city, district, school."""

    path: str

    def __post_init__(self) -> None:
        segments = self.path.split("/")
        if not 1 <= len(segments) <= MAX_SITE_DEPTH:
            raise ValueError(f"a site path has 1 to {MAX_SITE_DEPTH} segments, {self.path!r} has {len(segments)}")
        for segment in segments:
            if not _SEGMENT.fullmatch(segment):
                raise ValueError(
                    f"{segment!r} in site {self.path!r}: a segment is 1 to 64 of a-z, 0-9 and inner hyphens"
                )

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> Site | None:
        above = self.path.rpartition("/")[0]
        return Site(above) if above else None

    @property
    def tier(self) -> Tier:
        depth = self.path.count("/")
        return (Tier.CITY, Tier.DISTRICT, Tier.SCHOOL)[min(depth, 2)]

    def contains(self, other: Site) -> bool:
        """Whether `other` is this site or lies below it."""
        return other.path == self.path or other.path.startswith(self.path + "/")


@dataclass(frozen=True, slots=True, order=True)
class AgentId:
    """An agent at a site: `bj/haidian/zgc-no1/gw1`."""

    site: Site
    name: str

    def __post_init__(self) -> None:
        if not _SEGMENT.fullmatch(self.name):
            raise ValueError(f"agent name {self.name!r}: 1 to 64 of a-z, 0-9 and inner hyphens")

    def __str__(self) -> str:
        return f"{self.site}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> AgentId:
        """Read `<site path>/<name>`; ValueError where it is none."""
        path, slash, name = text.rpartition("/")
        if not slash:
            raise ValueError(f"{text!r} is no agent: expected <site path>/<name>")
        return cls(Site(path), name)


@dataclass(frozen=True, eq=False)
class Layout:
    """What the rows and columns of a table are; compared and cached by identity, made once per source.

    `name`        the measurement, e.g. `interface`, `system`, `sensor`, `probe`, `fenghuo_agent`
    `labels`      labels that every row has: `job`, `instance` (the address asked), `device`
    `row_labels`  label key → its value for each row, e.g. {"ifName": ["Gi0/1", "Gi0/2"]}; {} for a table of one row.
                  An empty string means that the row lacks the label.
    `fields`      value names in column order, e.g. ("ifOperStatus", "ifHCInOctets")
    `counters`    field → width in bits (32 or 64), for the fields that only ever grow, wrap or reset
    """

    name: str
    labels: Mapping[str, str]
    row_labels: Mapping[str, Sequence[str]]
    fields: Sequence[str]
    counters: Mapping[str, int] = field(default_factory=dict[str, int])

    @cached_property
    def height(self) -> int:
        """How many rows a table of this layout has."""
        return len(next(iter(self.row_labels.values()))) if self.row_labels else 1

    @cached_property
    def rows(self) -> tuple[Mapping[str, str], ...]:
        """Each row's whole label set (shared and own labels, empty ones left out)."""
        if not self.row_labels:
            return (dict(self.labels),)
        keys = tuple(self.row_labels)
        return tuple(
            {**self.labels, **{key: value for key, value in zip(keys, row, strict=True) if value}}
            for row in zip(*self.row_labels.values(), strict=True)
        )

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Field → its column."""
        return {name: index for index, name in enumerate(self.fields)}


@dataclass(slots=True, eq=False)
class Table:
    """Readings of one source at one time, by column.

    `time`     Unix milliseconds
    `columns`  one per field of the layout, each with one value per row
    `epochs`   per row, a number that changes whenever that row's counters may have restarted (sysUpTime went back,
               ifCounterDiscontinuityTime moved); rates are taken only within one epoch. None: unknown, a decrease is
               then judged by the counter's width alone. Epochs stay on the agent.
    `ended`    True when these series end here (the device or port is gone): the values are not looked at and the sinks
               write Prometheus's stale marker.
    """

    layout: Layout
    time: int
    columns: Sequence[Sequence[Value]]
    epochs: Sequence[int] | None = None
    ended: bool = False

    @property
    def size(self) -> int:
        """How many values it holds (absent ones included)."""
        return self.layout.height * len(self.layout.fields)


def single(name: str, labels: Mapping[str, str], values: Mapping[str, Value], time: int) -> Table:
    """A table of one row, for sources that speak one reading at a time (sensors, probes, own health)."""
    return Table(Layout(name, labels, {}, tuple(values)), time, [(value,) for value in values.values()])


Document = dict[str, Any]
"""An Elastic Common Schema document, nested: {"event": {"kind": "event"}, …}."""


@dataclass(slots=True)
class Event:
    """Something seen. `id` is a UUIDv7 made where the event is made; `time` is Unix milliseconds, when it happened.

    `document` is ECS 9.x; `@timestamp`, `event.id`, `observer.*` and `organization.*` are filled in by the pipeline.
    `event.dataset` names the stream it is stored in.
    """

    id: str
    time: int
    document: Document

    @property
    def dataset(self) -> str:
        return str(self.document.get("event", {}).get("dataset", "generic"))


Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")


class AlertState(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(slots=True)
class Alert:
    """What a rule says about an entity at a moment: one step of its life cycle.

    `fingerprint` is the same for every step of the same rule about the same entity, over restarts too.
    Times are Unix milliseconds; `ends_at` is set once resolved. `labels` are those of the entity (the group).
    `evidence` is what made it fire, small and JSON-able: values, thresholds, times.
    `event_ids` are those of the events that made it, oldest first, a bounded number of them.
    `culprit` and `victim` hold any of `ip`, `mac`, `name`; empty where the rule names none.
    """

    fingerprint: str
    rule_id: str
    rule_name: str
    title: str
    title_zh: str
    state: AlertState
    level: Level
    labels: dict[str, str]
    time: int
    starts_at: int
    ends_at: int | None = None
    value: float | None = None
    message: str = ""
    message_zh: str = ""
    evidence: Document = field(default_factory=dict[str, Any])
    culprit: dict[str, str] = field(default_factory=dict[str, str])
    victim: dict[str, str] = field(default_factory=dict[str, str])
    tags: tuple[str, ...] = ()
    runbook: dict[str, str] = field(default_factory=dict[str, str])
    event_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Asset:
    """A device and what is known of it. `id` is stable for the device at its site; `time` is Unix milliseconds."""

    id: str
    time: int
    attributes: Document
