"""What the transport says of its own health."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.wire import Stream
from fenghuo.wire.topic import DATA_STREAMS


class TransportMetrics:
    """Connection, window and acknowledgements."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connected = Gauge(
            "fenghuo_agent_transport_connected", "Whether the broker's connection stands.", registry=registry
        )
        self.connects = Counter(
            "fenghuo_agent_transport_connections_total", "Connections made to the broker.", registry=registry
        )
        self.failures = Counter(
            "fenghuo_agent_transport_failures_total", "Connections lost or not made.", registry=registry
        )
        self.sent = _by_stream("sent_batches_total", "Batches sent, again or for the first time.", registry)
        self.sent_bytes = _by_stream("sent_bytes_total", "Bytes of frames sent.", registry)
        self.resent = _by_stream("resent_batches_total", "Batches sent again.", registry)
        self.committed = _by_stream("committed_batches_total", "Batches that the collector stored.", registry)
        self.refused = _by_stream("refused_batches_total", "Batches that the collector refused for good.", registry)
        self.unheard = Counter(
            "fenghuo_agent_transport_unheard_total",
            "Batches that the broker confirmed and nobody was subscribed to (MQTT 5).",
            registry=registry,
        )
        self.denied = Counter(
            "fenghuo_agent_transport_denied_total",
            "Batches that the broker itself refused (MQTT 5).",
            registry=registry,
        )
        self.bad_acks = Counter(
            "fenghuo_agent_transport_bad_acks_total",
            "Acknowledgements not used: malformed, of another spool, of no data stream.",
            ["reason"],
            registry=registry,
        )
        self._in_flight = _gauge_by_stream("in_flight_batches", "Batches sent and not yet received.", registry)
        self._held = _gauge_by_stream("held_batches", "Batches received and not yet stored.", registry)
        self._lag = _gauge_by_stream("lag_seconds", "Age of the oldest undelivered batch.", registry)
        for stream in DATA_STREAMS:
            for counter in (self.sent, self.sent_bytes, self.resent, self.committed, self.refused):
                counter.labels(stream)

    def watch(
        self, stream: Stream, flying: Callable[[], float], held: Callable[[], float], lag: Callable[[], float]
    ) -> None:
        """Have the gauges of a stream ask these whenever they are read."""
        self._in_flight.labels(stream).set_function(flying)
        self._held.labels(stream).set_function(held)
        self._lag.labels(stream).set_function(lag)


def _by_stream(name: str, text: str, registry: CollectorRegistry) -> Counter:
    return Counter(f"fenghuo_agent_transport_{name}", text, ["stream"], registry=registry)


def _gauge_by_stream(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"fenghuo_agent_transport_{name}", text, ["stream"], registry=registry)
