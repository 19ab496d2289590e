"""What rules cost: events and readings through the engine, memory, loading, indicators, anomalies."""

from __future__ import annotations

from typing import Any

from bench import anomaly, indicators, rules_engine, rules_events, rules_load, rules_windows
from bench.process import apart


def run() -> dict[str, Any]:
    """All figures; each part in a process of its own, so that none inherits the memory of another."""
    return {
        "events": apart(rules_events.run),
        "readings": apart(rules_engine.measure, 20, 30),
        "groups": apart(rules_windows.run, ["frequency", "cardinality"]),
        "loading": apart(rules_load.run),
        "indicators": apart(indicators.run, indicators.COUNT, "flat"),
        "anomaly": apart(anomaly.run),
    }
