"""The page on our own metrics, made from the metrics that a whole agent and a whole collector register."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.config import parse

HEAD = """\
# Metrics

<!-- Made by `make docs`; do not edit. -->

What Fenghuo says of itself, in Prometheus' terms. Units are in the names; `_total` is a counter that only grows, a
histogram has `_bucket`, `_count` and `_sum`.

- The **agent** sends its own as readings of the job `fenghuo_agent` with all others, so they are in every store; it opens
  no port. Beside those below it tells `fenghuo_agent_process_…` (CPU, memory, open files) and `fenghuo_agent_host_load1`.
- The **collector** shows its own at `/metrics` of the console, with the newest readings of all devices and the usual
  `process_…` and `python_…`. From the same host it may be scraped as it is; else set
  [`console.metrics_token`](configuration.md#collector).

What to watch first: `fenghuo_agent_spool_dropped_items_total` and `fenghuo_collector_ingest_lost_batches_total` (data were
lost), `fenghuo_agent_transport_connected` and `fenghuo_collector_sink_queue_batches` (data wait),
`fenghuo_collector_sink_rejected_items_total` (a store refuses some), `fenghuo_agent_part_restarts_total` and
`fenghuo_collector_part_restarts_total` (a part fails again and again).
"""
AGENT = """\
site: bj/haidian/zgc-no1
agent: gw1
collector: mqtt://127.0.0.1:1
inputs:
  snmp: {credentials: [{community: x}], devices: [{address: 127.0.0.1}], discover: [127.0.0.0/30]}
  snmp_trap: {}
  probe: [127.0.0.1]
  mqtt_sensor: [{broker: "mqtt://127.0.0.1:1", topic: "{room}/{device}"}]
spool: {path: spool.db}
"""
COLLECTOR = """\
site: bj/haidian
data: .
embedded_broker: {listen: "127.0.0.1:0"}
console: {listen: "127.0.0.1:0", users: {x: "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$1yI6DPXlbnEMHc/Qe6k3qrZV4TVQy5SfTuB5FRHWGYM"}}
journal: {path: journal.sqlite}
sinks:
  sqlite: {path: store}
  prometheus: {url: "http://127.0.0.1:1/api/v1/write"}
  elasticsearch: {hosts: ["http://127.0.0.1:1"]}
feeds:
  alertmanager: [{urls: ["http://127.0.0.1:1"]}]
  webhook: [{url: "http://127.0.0.1:1/", secret: x}]
"""


async def _agent(folder: Path, registry: CollectorRegistry) -> None:
    from fenghuo_agent.app import started
    from fenghuo_agent.config import AgentConfig
    from fenghuo_agent.inputs import build_inputs

    config = parse(AGENT.encode(), AgentConfig, env={}, file="agent.yaml", folder=folder)
    clock, random = SystemClock(), Random(1)
    inputs = build_inputs(config, clock, random, registry)
    async with started(config, inputs, clock, random, registry):
        pass


async def _collector(folder: Path, registry: CollectorRegistry) -> None:
    from fenghuo_collector.app import started
    from fenghuo_collector.config import CollectorConfig

    config = parse(COLLECTOR.encode(), CollectorConfig, env={}, file="collector.yaml", folder=folder)
    async with started(config, SystemClock(), Random(1), registry):
        pass


def _rows(registry: CollectorRegistry) -> list[tuple[str, str, str, str]]:
    """Name, type, labels and meaning of every metric."""
    labels = {}
    for collector, names in registry._collector_to_names.items():
        for name in names:
            labels[name] = getattr(collector, "_labelnames", ())
    rows = []
    for family in registry.collect():
        seen = [name for sample in family.samples for name in sample.labels if name != "le"]
        own = labels.get(family.name) or getattr(family, "_labelnames", ()) or dict.fromkeys(seen)
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append((name, family.type, ", ".join(f"`{label}`" for label in own), family.documentation))
    return sorted(rows)


def page() -> str:
    parts = [HEAD]
    for side, fill in (("Agent", _agent), ("Collector", _collector)):
        registry = CollectorRegistry()
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(fill(Path(folder), registry))
        lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in _rows(registry)]
        parts.append(f"## {side}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page())
