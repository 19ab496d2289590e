"""What the console sees, put together from the collector's parts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo.model import LEVELS, AgentId, Document, Event, Site, Value
from fenghuo_collector.console.sight import AgentView, DevicePage, DeviceView, LinkView, PortView, SensorView, Series
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.incidents import AlertJournal
from fenghuo_collector.ingest import AgentState, Ingest
from fenghuo_collector.latest import Device, Entry, Latest
from fenghuo_collector.sinks.sqlite.query import StoreQuery

_OWN_JOB = "fenghuo_agent"
_ADMIN = {1: "up", 2: "down", 3: "testing"}
_OPER = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}
_STATUS: Mapping[Value, str] = {0: "ok", 1: "warning", 2: "critical"}
_MEASURED = ("sensor", "supply", "wireless")
_MAX_POINTS = 3_000
_SILENT_MS = 90_000
"""An agent that was not heard of for this long counts as offline, whatever its last status says."""
_FACTS = {
    "device.manufacturer": "vendor",
    "device.model.name": "model",
    "device.type": "type",
    "host.os.name": "operating system",
    "host.os.version": "version",
    "device.serial_number": "serial",
    "fenghuo.asset.snmp.description": "description",
    "fenghuo.asset.snmp.location": "location",
    "fenghuo.asset.snmp.contact": "contact",
    "fenghuo.asset.snmp.hardware": "hardware",
    "fenghuo.asset.snmp.firmware": "firmware",
    "fenghuo.asset.snmp.software": "software",
    "fenghuo.asset.snmp.object_id": "object id",
}
"""Fields of an asset's document → what the console calls them."""
_MAX_ASSETS = 100
_DIGITS = re.compile(r"(\d+)")


class District:
    """Answers the console from ingest, the latest values, the journal of alerts and the embedded store."""

    def __init__(
        self,
        site: Site,
        clock: Clock,
        ingest: Ingest,
        latest: Latest,
        journal: AlertJournal,
        store: StoreQuery | None,
    ) -> None:
        self.site = site
        self._clock = clock
        self._ingest = ingest
        self._latest = latest
        self._journal = journal
        self._store = store

    @property
    def keeps(self) -> bool:
        return self._store is not None

    def now(self) -> int:
        return self._clock.now()

    def changes(self) -> int:
        return self._latest.changes + self._journal.last

    def agents(self) -> Sequence[AgentView]:
        return [self._agent(state) for state in self._ingest.agents()]

    def _agent(self, state: AgentState) -> AgentView:
        contact = state.last_contact or None
        heard = contact is not None and self.now() - contact < _SILENT_MS
        return AgentView(
            agent=state.agent,
            online=state.online and heard,
            last_contact=contact,
            lag=state.lag,
            skew=state.skew,
            version=state.version,
            lost=state.dropped,
        )

    def devices(self, agent: AgentId | None = None) -> Sequence[DeviceView]:
        found = [_device(device) for device in self._latest.devices(agent) if device.job != _OWN_JOB]
        return sorted(found, key=lambda view: (view.agent, natural(view.name)))

    async def firing(self) -> Sequence[Step]:
        try:
            steps = await self._journal.firing()
        except FenghuoError:
            return []
        return sorted(steps, key=lambda step: (-LEVELS.index(step.alert.level), -step.alert.starts_at))

    async def device(self, agent: AgentId, name: str) -> DevicePage | None:
        found = next((device for device in self._latest.devices(agent) if device.name == name), None)
        if found is None:
            return None
        return DevicePage(
            device=_device(found),
            facts=await self._facts(agent, found),
            ports=_ports(found),
            sensors=sorted(_sensors(found), key=_sensor_place),
            links=_links(
                found, {each.instance: each.name for each in self._latest.devices(agent) if each.up is not None}
            ),
        )

    async def _facts(self, agent: AgentId, device: Device) -> Mapping[str, str]:
        """What the device's newest asset document says of it."""
        if self._store is None or device.up is None:
            return {}
        query = self._store
        try:
            events = await asyncio.to_thread(
                lambda: query.events(f'"{device.instance}"', agent=agent, dataset="asset", limit=_MAX_ASSETS)
            )
        except FenghuoError:
            return {}
        for event in events:
            if _field(event.document, "fenghuo.asset.snmp.address") == device.instance:
                known = {shown: _field(event.document, path) for path, shown in _FACTS.items()}
                return {shown: str(value) for shown, value in known.items() if value}
        return {}

    async def history(self, fingerprint: str) -> Sequence[Step]:
        return await asyncio.to_thread(self._journal.states.history, fingerprint)

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
    ) -> Sequence[Series]:
        if self._store is None:
            return []
        query = self._store
        found = await asyncio.to_thread(
            lambda: query.series(
                agent,
                measurement,
                field,
                labels,
                start,
                end,
                rate=rate,
                max_points=_MAX_POINTS,
                join=_identity(measurement),
            )
        )
        return [Series(each.labels, each.points) for each in found]

    async def events(
        self,
        *,
        text: str = "",
        site: Site | None = None,
        dataset: str = "",
        before: str | None = None,
        limit: int = 100,
    ) -> Sequence[Event]:
        if self._store is None:
            return []
        query = self._store
        return await asyncio.to_thread(
            lambda: query.events(text or None, site=site, dataset=dataset or None, before=before, limit=limit)
        )


def _identity(measurement: str) -> tuple[str, ...]:
    """The labels that make a line of a chart; others may change without breaking it."""
    return ("device", "ifIndex") if measurement == "interface" else ()


def _device(device: Device) -> DeviceView:
    uptime = device.value("system", "sysUpTime")
    ports = _ports(device)
    return DeviceView(
        agent=device.agent,
        name=device.name,
        instance=device.instance,
        job=device.job,
        up=device.up,
        last=device.last,
        uptime=uptime / 100 if uptime is not None and device.up else None,
        ports_up=sum(port.oper == "up" for port in ports) if device.up else 0,
        ports=len(ports),
    )


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts as people count: `Gi1/0/2` before `Gi1/0/10`."""
    return tuple(
        (1, int(part), part) if part.isdecimal() else (0, 0, part.lower()) for part in _DIGITS.split(name) if part
    )


def _field(document: Document, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = document
    for name in path.split("."):
        value = cast("Document", value).get(name) if isinstance(value, dict) else None
    return value


def _ports(device: Device) -> list[PortView]:
    """The ports in the order of their names; nothing is known of how those of a silent device are now."""
    ports = [
        _port(entry, number, labels)
        for entry in device.entries
        if entry.name == "interface"
        for number, labels in entry.rows()
    ]
    if device.up is False:
        ports = [replace(port, oper="unknown", in_bps=None, out_bps=None, errors=None) for port in ports]
    return sorted(ports, key=lambda port: (natural(port.name), natural(port.index)))


def _port(entry: Entry, number: int, labels: Mapping[str, str]) -> PortView:
    def rate(name: str) -> float | None:
        return entry.rate(name, number)

    def bits(*names: str) -> float | None:
        octets = next((found for name in names if (found := rate(name)) is not None), None)
        return None if octets is None else octets * 8

    errors = [found for name in ("ifInErrors", "ifOutErrors") if (found := rate(name)) is not None]
    high = entry.value("ifHighSpeed", number)
    return PortView(
        index=labels.get("ifIndex", ""),
        name=labels.get("ifName") or labels.get("ifDescr", ""),
        alias=labels.get("ifAlias", ""),
        admin=_ADMIN.get(int(entry.value("ifAdminStatus", number) or 0), "unknown"),
        oper=_OPER.get(int(entry.value("ifOperStatus", number) or 0), "unknown"),
        speed=high * 1e6 if high else entry.value("ifSpeed", number),
        in_bps=bits("ifHCInOctets", "ifInOctets"),
        out_bps=bits("ifHCOutOctets", "ifOutOctets"),
        errors=sum(errors) if errors else None,
    )


def _links(device: Device, names: Mapping[str, str]) -> list[LinkView]:
    """Its links in the order of its ports; `names` are those of devices by their addresses."""
    links = [
        LinkView(
            port=labels.get("ifName") or labels.get("ifIndex", ""),
            neighbour=labels.get("neighbour", ""),
            neighbour_port=labels.get("neighbour_port", ""),
            source=labels.get("source", "").replace("+", ", "),
            device=names.get(labels.get("neighbour_instance", ""), ""),
        )
        for entry in device.entries
        if entry.name == "topology"
        for _, labels in entry.rows()
    ]
    return sorted(links, key=lambda link: (natural(link.port), natural(link.neighbour)))


def _sensor_place(sensor: SensorView) -> tuple[Any, ...]:
    return (_MEASURED.index(sensor.measurement), sensor.field, natural(sensor.name))


def _sensors(device: Device) -> list[SensorView]:
    """What its sensors measure, each with its state; then what is left of supplies, and who is on wireless networks."""
    return [
        SensorView(name, labels, value, entry.time, _STATUS.get(entry.value("sensor_status", number), ""), entry.name)
        for entry in device.entries
        if entry.name in _MEASURED
        for number, labels in entry.rows()
        for name in entry.layout.fields
        if name.startswith(f"{entry.name}_")
        and name != "sensor_status"
        and (value := entry.value(name, number)) is not None
    ]
