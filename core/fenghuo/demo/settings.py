"""The configuration files that the demo writes for its agent and its collector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fenghuo.demo.plan import NETWORK
from fenghuo.demo.simulator import BY_USER, COMMUNITY, HOST, PASSWORD, USER

SITE = "bj/demo/school-1"
DISTRICT = "bj/demo"
AGENT = "gw1"
INTERVAL = "5s"
RULES = Path(__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The loopback ports that the demo's parts meet on."""

    broker: int
    console: int
    webhook: int

    @property
    def console_url(self) -> str:
        return f"http://{HOST}:{self.console}"


def subnet(devices: Mapping[str, str]) -> str:
    """The subnet and port in which all devices are (name → `host:port`); empty where each has a port of its own."""
    ports = {place.rpartition(":")[2] for place in devices.values()}
    inside = all(place.startswith(f"{NETWORK}.") for place in devices.values())
    return f"{NETWORK}.0/28:{ports.pop()}" if inside and len(ports) == 1 else ""


def _where(devices: Mapping[str, str]) -> dict[str, Any]:
    """The school's devices, found by themselves where one subnet holds them all."""
    if found := subnet(devices):
        return {"discover": {"subnets": [found], "rate": 500, "timeout": 0.5}}
    return {
        "devices": [
            {"address": f"udp://{place}", "credential": "user" if name in BY_USER else "community"}
            for name, place in devices.items()
        ]
    }


def agent_settings(addresses: Addresses, devices: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The agent's configuration: where the school's devices are, and its sensors; polled faster than in earnest."""
    broker = f"mqtt://{HOST}:{addresses.broker}"
    return {
        "site": SITE,
        "agent": AGENT,
        "collector": {"url": broker, "version": "3.1.1", "reconnect_first": 0.5, "reconnect_longest": 5},
        "inputs": {
            "snmp": {
                **_where(devices),
                "credentials": [
                    {"name": "community", "community": COMMUNITY},
                    {"name": "user", "user": USER, "auth": {"sha256": PASSWORD}},
                ],
                "interval": INTERVAL,
                "timeout": 0.5,
                "retries": 1,
                "probe_max": INTERVAL,
                "topology": {"interval": "30s"},
            },
            "mqtt_sensor": [{"broker": broker, "topic": "school/{room}/{device}/state"}],
            "self": {"interval": INTERVAL},
        },
        "rules": {"paths": [str(RULES)]},
        "spool": {"path": str(folder / "spool.db")},
    }


def collector_settings(addresses: Addresses, users: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The collector's configuration: everything embedded, alerts posted to the demo itself."""
    return {
        "site": DISTRICT,
        "data": str(folder / "collector"),
        "embedded_broker": {"listen": f"{HOST}:{addresses.broker}"},
        "feeds": {"webhook": [{"name": "demo", "url": f"http://{HOST}:{addresses.webhook}/"}]},
        "console": {"listen": f"{HOST}:{addresses.console}", "users": dict(users), "title": "烽火演示 demo"},
    }


def write(path: Path, settings: Mapping[str, Any]) -> Path:
    """Write a configuration file (JSON, which is YAML), readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False))
    return path
