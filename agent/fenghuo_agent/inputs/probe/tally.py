"""What the input counts of itself: plain integers, read by the registry when it is collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fenghuo_agent.inputs.probe.echo import Strays

PREFIX = "fenghuo_agent_probe"


@dataclass(slots=True)
class Tally:
    """Counts since the start; `targets` and `running` are of now."""

    strays: Strays
    probes: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Kind and result → how many."""
    targets: dict[str, int] = field(default_factory=dict[str, int])
    """State → how many."""
    skipped: int = 0
    explained: int = 0
    running: int = 0

    def probe(self, kind: str, result: str) -> None:
        """Count a probe by its result: `ok` or the reason why it failed."""
        self.probes[kind, result] = self.probes.get((kind, result), 0) + 1

    def move(self, before: str, after: str) -> None:
        """A target's state changes."""
        self.targets[before] = self.targets.get(before, 0) - 1
        self.targets[after] = self.targets.get(after, 0) + 1


class Metrics(Collector):
    """`fenghuo_agent_probe_…`, made from a `Tally` when collected."""

    def __init__(self, tally: Tally, registry: CollectorRegistry) -> None:
        self._tally = tally
        self.late = Histogram(
            f"{PREFIX}_late_seconds",
            "Time from when a probe was due to when it began.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        tally = self._tally
        probes = CounterMetricFamily(f"{PREFIX}_probes", "Probes made, by kind and result.", labels=["kind", "result"])
        for (kind, result), count in tally.probes.items():
            probes.add_metric([kind, result], count)
        yield probes
        yield CounterMetricFamily(
            f"{PREFIX}_skipped", "Probes left out because the one before was not over.", value=tally.skipped
        )
        yield CounterMetricFamily(
            f"{PREFIX}_explained", "Failed probes that a dead device upstream explains.", value=tally.explained
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_running", "Probes under way, those that wait for room included.", value=tally.running
        )
        strays = CounterMetricFamily(
            f"{PREFIX}_ignored_datagrams", "Datagrams on ICMP sockets that were no reply to us.", labels=["reason"]
        )
        strays.add_metric(["foreign"], tally.strays.foreign)
        strays.add_metric(["malformed"], tally.strays.malformed)
        yield strays
        targets = GaugeMetricFamily(f"{PREFIX}_targets", "Targets by state.", labels=["state"])
        for state, count in tally.targets.items():
            targets.add_metric([state], count)
        yield targets
