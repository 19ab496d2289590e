"""What the console shows, apart from where it comes from.

`Sight` is answered by the collector's parts (`fenghuo_collector.pipeline` builds it); pages and API read nothing else.
Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fenghuo.model import AgentId, Event, Site
from fenghuo_collector.console.charts import Point
from fenghuo_collector.feeds.base import Step

NAMING_LABELS = ("sensor", "supply", "wireless", "entPhysicalName", "room")
"""Labels of which the first that is there names a sensor."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent: `lag` is the age in seconds of the newest reading; `lost` counts values and documents that it had to give up."""

    agent: AgentId
    online: bool
    last_contact: int | None
    lag: float | None
    skew: float | None
    version: str
    lost: int


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device: `up` is None for devices that only speak (sensors); `uptime` in seconds."""

    agent: AgentId
    name: str
    instance: str
    job: str
    up: bool | None
    last: int
    uptime: float | None = None
    ports_up: int = 0
    ports: int = 0


@dataclass(frozen=True, slots=True)
class PortView:
    """A port: statuses are IF-MIB's words, rates are per second over the last polls."""

    index: str
    name: str
    alias: str
    admin: str
    oper: str
    speed: float | None
    in_bps: float | None = None
    out_bps: float | None = None
    errors: float | None = None


@dataclass(frozen=True, slots=True)
class SensorView:
    """One value of a sensor, e.g. `sensor_temperature_celsius` 24.5; of a supply or a wireless network likewise.

    `status` is ok, warning or critical where the agent can judge it, else empty.
    """

    field: str
    labels: Mapping[str, str]
    value: float
    time: int
    status: str = ""
    measurement: str = "sensor"

    @property
    def name(self) -> str:
        """What it is called on its device, or where it hangs; empty where nothing is known."""
        return next((found for name in NAMING_LABELS if (found := self.labels.get(name))), "")


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link of a device: its port, who is at the other end and at which port of theirs, and what tells so (lldp, fdb …).

    `device` is the name of the page of that neighbour, empty where it is not polled.
    """

    port: str
    neighbour: str
    neighbour_port: str
    source: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """What a chart draws as one line."""

    labels: Mapping[str, str]
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class DevicePage:
    """All that the page of a device shows beside its charts."""

    device: DeviceView
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: Sequence[PortView] = ()
    sensors: Sequence[SensorView] = ()
    links: Sequence[LinkView] = ()


class Sight(Protocol):
    """What pages and API ask."""

    @property
    def site(self) -> Site: ...

    @property
    def keeps(self) -> bool:
        """Whether events and series are kept here; else they are in other stores only."""
        ...

    def now(self) -> int: ...

    def changes(self) -> int:
        """A number that grows whenever something that pages show has changed."""
        ...

    def agents(self) -> Sequence[AgentView]: ...

    def devices(self, agent: AgentId | None = None) -> Sequence[DeviceView]: ...

    async def firing(self) -> Sequence[Step]:
        """Firing alerts, the gravest and then the newest first."""
        ...

    async def device(self, agent: AgentId, name: str) -> DevicePage | None: ...

    async def history(self, fingerprint: str) -> Sequence[Step]:
        """All steps of one alert, oldest first."""
        ...

    async def series(
        self,
        agent: AgentId,
        measurement: str,
        field: str,
        labels: Mapping[str, str],
        *,
        start: int,
        end: int,
        rate: bool,
    ) -> Sequence[Series]: ...

    async def events(
        self,
        *,
        text: str = "",
        site: Site | None = None,
        dataset: str = "",
        before: str | None = None,
        limit: int = 100,
    ) -> Sequence[Event]:
        """Stored events, newest first; `before` is `cursor` of the last event of the page before."""
        ...
