"""What the sensor inputs count; one set for all of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class MqttSensorMetrics:
    """Counters by input; every message is either read or dropped for a reason."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "fenghuo_agent_mqtt_sensor"
        self.read = Counter(
            f"{prefix}_messages_read_total", "Messages that became readings.", ["input"], registry=registry
        )
        self.dropped = Counter(
            f"{prefix}_messages_dropped_total",
            "Messages that became no reading, by reason.",
            ["input", "reason"],
            registry=registry,
        )
        self.ignored = Counter(
            f"{prefix}_values_ignored_total",
            "Numbers in messages that no mapping knows.",
            ["input"],
            registry=registry,
        )
        self.devices = Gauge(
            f"{prefix}_devices", "Devices (and parts of devices) heard of.", ["input"], registry=registry
        )
        self.queued = Gauge(f"{prefix}_messages_queued", "Messages that wait to be read.", ["input"], registry=registry)
