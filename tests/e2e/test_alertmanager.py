"""A rule fires in the agent: the alert stands in a real Alertmanager, is kept alive past its end, and resolves."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from servers.alertmanager import alertmanager
from servers.mosquitto import Mosquitto
from servers.process import wait_for
from servers.snmpd import COMMUNITY, Snmpd, snmpd

from .world import AGENT, FENGHUO, SITE, Child, collector, write

REFRESH = 0.5
EXPIRES = 4
DEAF_SWITCH = """
title: Switch does not answer
title_zh: 交换机无应答
name: e2e.deaf
id: 0191d6a0-0000-7000-8000-0000000000ab
status: test
kind: threshold
tags: [attack.t1498]
data: snmp_up
condition: value == 0
level: high
message: "{device} does not answer"
message_zh: "{device} 无应答"
runbook: {en: Look at its power., zh: 检查电源。}
tests:
  - title: deaf
    input: [{at: 0s, device: sw, snmp_up: 0}]
    expect: [{at: 0s, state: firing, device: sw}]
  - title: well
    input: [{at: 0s, device: sw, snmp_up: 1}]
    expect: []
"""


def agent_file(folder: Path, broker: Mosquitto, device: Snmpd) -> Path:
    (folder / "rules").mkdir(parents=True)
    (folder / "rules/deaf.yaml").write_text(DEAF_SWITCH)
    snmp = {
        "devices": [{"address": device.address(), "name": "sw1", "labels": {"room": "attic"}}],
        "credentials": [{"community": COMMUNITY}],
        "interval": "500ms",
        "timeout": "200ms",
    }
    content = {
        "site": SITE,
        "agent": "gw1",
        "collector": {"url": f"mqtt://127.0.0.1:{broker.port}", "reconnect_longest": "1s"},
        "inputs": {"snmp": snmp},
        "rules": {"paths": [str(folder / "rules")]},
        "spool": {"path": str(folder / "spool.db")},
    }
    return write(folder / "agent.yaml", content)


def end_of(alert: dict[str, Any]) -> float:
    return datetime.fromisoformat(alert["endsAt"]).timestamp()


def test_an_alert_stands_in_alertmanager_for_as_long_as_it_fires(tmp_path: Path, broker: Mosquitto) -> None:
    with alertmanager(tmp_path / "alertmanager") as receiver, snmpd(tmp_path / "snmpd") as device:
        feed = {"urls": [receiver.url], "refresh": REFRESH, "expires_after": EXPIRES, "labels": {"team": "soc"}}
        district = collector(
            tmp_path / "collector",
            broker=f"mqtt://127.0.0.1:{broker.port}",
            feeds={"alertmanager": [feed]},
        )
        file = agent_file(tmp_path / "agent", broker, device)
        school = Child([*FENGHUO, "agent", "run", "-c", str(file)], tmp_path / "agent.log")
        district.start()
        district.ready()
        school.start()
        try:
            wait_for(lambda: "snmp_up{" in district.metrics(), "the device to be read")
            assert receiver.alerts() == []
            device.process.kill()
            device.process.wait()
            wait_for(lambda: receiver.find(device="sw1"), "the alert to appear", 20)
            (alert,) = receiver.find(device="sw1")
            expected = {"alertname": "e2e.deaf", "severity": "high", "site": SITE, "agent": "gw1", "team": "soc"}
            expected |= {"job": "snmp", "instance": device.address(), "room": "attic"}
            assert expected.items() <= alert["labels"].items()
            said = " ".join(alert["annotations"].values())
            assert "sw1 does not answer" in said
            assert "sw1 无应答" in said
            assert "Look at its power." in said
            first_end = end_of(alert)
            assert first_end <= time.time() + REFRESH * (EXPIRES + 1)
            wait_for(lambda: time.time() > first_end + 1, "the first end to pass", 10)
            (alert,) = receiver.find(device="sw1")
            assert end_of(alert) > first_end
            assert alert["status"]["state"] == "active"
            with snmpd(tmp_path / "again", port=device.port):
                wait_for(lambda: not receiver.find(device="sw1"), "the alert to resolve", 20)
        finally:
            school.stop()
            district.stop()
        assert f"{AGENT}" not in district.said().partition("Traceback")[2]
