"""What the demo says, counts and documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from fenghuo.demo.counts import count, read_counts
from fenghuo.demo.faults import CYCLE, SCRIPT
from fenghuo.demo.report import Report, Tally
from fenghuo.demo.settings import Addresses, agent_settings, collector_settings, write
from fenghuo_agent.config import AgentConfig
from fenghuo_collector.config import CollectorConfig

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "demo.md").read_text()
STEP = {
    "id": "1",
    "site": "bj/demo/school-1",
    "agent": "gw1",
    "alert": {
        "fingerprint": "f",
        "state": "firing",
        "level": "high",
        "rule": {"id": "i", "name": "demo.port-down"},
        "title": "Port went down",
        "title_zh": "端口断开",
        "message": "sw1 Gi1/0/7 went down",
        "message_zh": "",
        "time": "2026-01-01T00:00:00.000Z",
        "starts_at": "2026-01-01T00:00:00.000Z",
        "ends_at": None,
        "value": 2.0,
        "labels": {"device": "sw1"},
    },
}


def step(**changes):
    return {**STEP, "alert": {**STEP["alert"], **changes}}


def test_with_json_alerts_and_summary_alone_are_on_standard_output(capsys: pytest.CaptureFixture[str]):
    report = Report(as_json=True, now=lambda: 75.0)
    report.welcome("http://127.0.0.1:1", "demo", "secret", 5, 3)
    report.alert(step())
    report.alert(step(state="pending"))
    report.alert(step(state="resolved"))
    report.summary({"readings": 1, "events": 2, "lost": 0})
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line.get("state") for line in lines] == ["firing", "resolved", None]
    assert lines[0]["rule"] == "demo.port-down"
    assert lines[0]["labels"] == {"device": "sw1"}
    assert "http://127.0.0.1:1" in err
    assert "01:15" in err
    assert "端口断开 · sw1 Gi1/0/7 went down" in err


def test_an_alert_whose_level_changes_is_counted_once():
    tally = Tally()
    for state in ("firing", "firing", "resolved", "resolved", "firing"):
        tally.note("a", state)
    tally.note("b", "resolved")
    assert (tally.fired, tally.resolved) == (2, 1)


def test_the_collectors_metrics_are_counted_by_kind():
    exposition = """
# TYPE fenghuo_collector_ingest_items_total counter
fenghuo_collector_ingest_items_total{stream="metrics"} 100.0
fenghuo_collector_ingest_items_total{stream="backfill"} 5.0
fenghuo_collector_ingest_items_total{stream="alerts"} 3.0
fenghuo_collector_ingest_items_total{stream="assets"} 2.0
# TYPE fenghuo_collector_ingest_lost_batches_total counter
fenghuo_collector_ingest_lost_batches_total{stream="alerts"} 1.0
# TYPE fenghuo_collector_ingest_dropped_items_total counter
fenghuo_collector_ingest_dropped_items_total{stream="alerts"} 7.0
# TYPE fenghuo_collector_sink_lost_items_total counter
fenghuo_collector_sink_lost_items_total{sink="sqlite"} 4.0
"""
    assert count(exposition) == {"readings": 105, "events": 5, "lost": 11}


async def test_a_collector_that_does_not_answer_counts_nothing():
    assert await read_counts("http://127.0.0.1:9", 0.2) == {"readings": 0, "events": 0, "lost": 0}


def test_the_configurations_it_writes_are_valid(tmp_path: Path):
    addresses = Addresses(broker=1883, console=8600, webhook=8601)
    apart = {"core-sw1": "127.0.0.1:16101", "ups-server-room": "127.0.0.1:16102"}
    agent = AgentConfig.model_validate(agent_settings(addresses, apart, tmp_path))
    assert [device.target.port for device in agent.inputs.snmp.devices] == [16101, 16102]
    together = {"core-sw1": "127.20.0.1:16161", "ups-server-room": "127.20.0.4:16161"}
    agent = AgentConfig.model_validate(agent_settings(addresses, together, tmp_path))
    assert [entry.subnet for entry in agent.inputs.snmp.discover.subnets] == ["127.20.0.0/28:16161"]
    users = {"demo": PasswordHasher().hash("beacon-tower-0001")}
    collector = CollectorConfig.model_validate(collector_settings(addresses, users, tmp_path))
    assert collector.journal.path.is_relative_to(tmp_path)
    assert collector.sinks.sqlite.path.is_relative_to(tmp_path)
    path = write(tmp_path / "agent.yaml", {"site": "bj"})
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_guide_tells_every_fault_at_its_time():
    for fault in SCRIPT:
        begins, ends = (f"{int(at) // 60}:{int(at) % 60:02d}" for at in (fault.begins, fault.ends))
        row = next(line for line in GUIDE.splitlines() if line.startswith(f"| {begins} |"))
        assert ends in row.split("|")[-2], fault.name
    assert CYCLE == 120
