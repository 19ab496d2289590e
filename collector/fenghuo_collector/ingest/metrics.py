"""What ingest says of itself to Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_WRITE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class IngestMetrics:
    """The counters of taking in; per agent there are the gauges of `agents.AgentCollector`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        name = "fenghuo_collector_ingest"
        self.messages = Counter(f"{name}_messages_total", "Messages taken from the broker.", registry=registry)
        self.bytes = Counter(f"{name}_bytes_total", "Bytes of messages taken from the broker.", registry=registry)
        self.batches = Counter(f"{name}_batches_total", "Batches accepted.", ["stream"], registry=registry)
        self.items = Counter(f"{name}_items_total", "Values and documents accepted.", ["stream"], registry=registry)
        self.duplicates = Counter(
            f"{name}_duplicates_total", "Batches that came again after they were accepted.", registry=registry
        )
        self.wire_errors = Counter(
            f"{name}_wire_errors_total", "Messages that are no valid batch, by reason.", ["reason"], registry=registry
        )
        self.rejected = Counter(
            f"{name}_rejected_items_total", "Items of valid batches that were not taken.", ["stream"], registry=registry
        )
        self.corrected = Counter(
            f"{name}_corrected_items_total",
            "Items whose time was too far in the future and was put right.",
            ["stream"],
            registry=registry,
        )
        self.lost_batches = Counter(
            f"{name}_lost_batches_total", "Batches that never came and never will.", ["stream"], registry=registry
        )
        self.dropped_items = Counter(
            f"{name}_dropped_items_total", "Items that agents gave up for want of room.", ["stream"], registry=registry
        )
        self.shed = Counter(
            f"{name}_shed_messages_total",
            "Messages put off for want of room or memory; the agents send them again.",
            ["reason"],
            registry=registry,
        )
        self.inbox_bytes = Gauge(f"{name}_inbox_bytes", "Bytes of messages that wait to be read.", registry=registry)
        self.connected = Gauge(f"{name}_connected", "Whether the broker is connected.", registry=registry)
        self.connects = Counter(f"{name}_connects_total", "Connections made to the broker.", registry=registry)
        self.acks = Counter(f"{name}_acks_total", "Acknowledgement messages sent.", registry=registry)
        self.state_errors = Counter(
            f"{name}_state_errors_total", "Failures to save the accounting state.", registry=registry
        )


class DeliveryMetrics:
    """The counters of handing batches to sinks, by sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        name = "fenghuo_collector_sink"
        labels = ["sink"]
        self.queue_bytes = Gauge(f"{name}_queue_bytes", "Bytes of batches that wait.", labels, registry=registry)
        self.queue_batches = Gauge(f"{name}_queue_batches", "Batches that wait.", labels, registry=registry)
        self.writes = Counter(
            f"{name}_writes_total", "Writes that succeeded, wholly or partly.", labels, registry=registry
        )
        self.batches = Counter(f"{name}_batches_total", "Batches stored.", labels, registry=registry)
        self.items = Counter(f"{name}_items_total", "Values and documents stored.", labels, registry=registry)
        self.retries = Counter(f"{name}_retries_total", "Writes that are repeated.", labels, registry=registry)
        self.rejected = Counter(
            f"{name}_rejected_items_total", "Items the sink refused for good: dead letters.", labels, registry=registry
        )
        self.shed = Counter(
            f"{name}_shed_batches_total",
            "Batches of a required sink put off because its queue was full; the agents send them again.",
            labels,
            registry=registry,
        )
        self.lost = Counter(
            f"{name}_lost_items_total",
            "Items that a sink which is not required lost because its queue was full.",
            labels,
            registry=registry,
        )
        self.seconds = Histogram(
            f"{name}_write_seconds", "Duration of writes.", labels, buckets=_WRITE_SECONDS, registry=registry
        )
        self.up = Gauge(f"{name}_up", "Whether the last write succeeded.", labels, registry=registry)
