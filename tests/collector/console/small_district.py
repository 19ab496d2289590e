"""A district as the console sees it, small and always the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fenghuo.alerts import alert_to_event
from fenghuo.model import AgentId, Alert, AlertState, Document, Event, Site
from fenghuo_collector.console.sight import AgentView, DevicePage, DeviceView, LinkView, PortView, SensorView, Series
from fenghuo_collector.feeds.base import Step

NOW = 1_767_225_600_000
GATEWAY = AgentId.parse("bj/haidian/zgc-no1/gw1")
SILENT = AgentId.parse("bj/haidian/qinghua-fuzhong/gw1")


def alert(**changes: object) -> Alert:
    values: dict[str, object] = {
        "fingerprint": "f1",
        "rule_id": "r1",
        "rule_name": "availability.port-down",
        "title": "Port down",
        "title_zh": "端口断开",
        "state": AlertState.FIRING,
        "level": "high",
        "labels": {"device": "sw-3f-east", "ifName": "Gi0/3"},
        "time": NOW - 90_000,
        "starts_at": NOW - 90_000,
        "value": 2.0,
        "message": "Gi0/3 of sw-3f-east is down <b>",
        "message_zh": "sw-3f-east 的 Gi0/3 已断开 <b>",
        "evidence": {"value": 2, "before": 1},
        "runbook": {"en": "Look at the cable.", "zh": "检查网线。"},
        "tags": ("mlps.8.1.2.1",),
    }
    return Alert(**{**values, **changes})  # type: ignore[arg-type]


class SmallDistrict:
    """Stands in for the collector's parts; `firing_steps` and `change` may be set by a test."""

    def __init__(self) -> None:
        self.site = Site("bj/haidian")
        self.change = 1
        self.firing_steps = [Step(1, "e1", GATEWAY, alert())]
        self.kept = True
        self.began = 0
        """Unix milliseconds before which there are no readings."""

    @property
    def keeps(self) -> bool:
        return self.kept

    def now(self) -> int:
        return NOW

    def changes(self) -> int:
        return self.change

    def agents(self) -> Sequence[AgentView]:
        return [
            AgentView(GATEWAY, True, NOW - 2_000, 1.5, 0.02, "0.1.0", 0),
            AgentView(SILENT, False, NOW - 7_200_000, 7200.0, None, "0.1.0", 12),
        ]

    def devices(self, agent: AgentId | None = None) -> Sequence[DeviceView]:
        found = [
            DeviceView(GATEWAY, "sw-3f-east", "10.20.0.3", "snmp", True, NOW - 3_000, 864_000.0, 40, 48),
            DeviceView(GATEWAY, "printer <office>", "10.20.0.9", "snmp", False, NOW - 900_000),
            DeviceView(GATEWAY, "t1", "127.0.0.1", "mqtt_sensor", None, NOW - 5_000),
        ]
        return [device for device in found if agent is None or device.agent == agent]

    async def firing(self) -> Sequence[Step]:
        return self.firing_steps

    async def device(self, agent: AgentId, name: str) -> DevicePage | None:
        device = next((device for device in self.devices(agent) if device.name == name), None)
        if device is None:
            return None
        if device.job == "mqtt_sensor":
            sensors = [
                SensorView("sensor_temperature_celsius", {"room": "机房"}, 24.5, NOW),
                SensorView("sensor_runtime_seconds", {"sensor": "Battery"}, 4000, NOW),
                SensorView("sensor_state", {"sensor": "Disk 2"}, 3, NOW, "critical"),
                SensorView("supply_level_percent", {"supply": "Black toner"}, 37, NOW, measurement="supply"),
            ]
            return DevicePage(device, sensors=sensors)
        ports = [
            PortView(str(n), f"Gi0/{n}", f"{300 + n} 教室", "up" if n % 9 else "down", "up" if n % 6 else "down", 1e9, 1e6 * n, 2e6, 0.0)
            for n in range(1, 49)
        ]  # fmt: skip
        links = [
            LinkView("Gi0/1", "printer <office>", "eth0", "lldp", "printer <office>"),
            LinkView("Gi0/2", "unmanaged", "", "fdb"),
        ]
        return DevicePage(device, {"description": "Comware 7", "location": "三楼"}, ports, links=links)

    async def history(self, fingerprint: str) -> Sequence[Step]:
        return [step for step in self.firing_steps if step.alert.fingerprint == fingerprint]

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
        lift = 2 if "Out" in field else 1
        points = [
            (time, lift * (22 + 3 * math.sin(time / 8e6)) * (1e6 if rate else 1))
            for time in range(start, end, 60_000)
            if time >= self.began and not 0.4 < (time - start) / (end - start) < 0.45
        ]
        return [Series({**labels, "room": "机房"}, points)]

    async def events(
        self,
        *,
        text: str = "",
        site: Site | None = None,
        dataset: str = "",
        before: str | None = None,
        limit: int = 100,
    ) -> Sequence[Event]:
        hot = alert(fingerprint="f7", title="Hot", title_zh="过热", message="too hot", message_zh="太热了")
        cool = alert(fingerprint="f7", title="Hot", title_zh="过热", state=AlertState.RESOLVED, ends_at=NOW - 5_000)
        still = alert(state=AlertState.RESOLVED, title="Fires again")
        found = [
            seen("e3", alert_to_event(cool, "e3").document),
            seen("e2", alert_to_event(hot, "e2").document),
            seen("e1", alert_to_event(still, "e1").document),
            seen("e0", {"event": {"dataset": "asset", "id": "e0"}, "host": {"name": "sw-3f-east"}}),
        ]
        return [
            event
            for event in found
            if text in str(event.document) and dataset in {"", event.document["event"]["dataset"]}
        ]


def seen(key: str, document: Document) -> Event:
    """An event as ingest completes it."""
    whole = {**document, "organization": {"id": str(GATEWAY.site)}, "observer": {"name": GATEWAY.name}}
    return Event(key, NOW, whole)
