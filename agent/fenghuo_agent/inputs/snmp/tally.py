"""What the input counts of itself: plain integers while polling, read by the registry when it is collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fenghuo_agent.snmp.traffic import Traffic

PREFIX = "fenghuo_agent_snmp"


@dataclass(slots=True)
class Tally(Traffic):
    """Counts since the start, and how many sockets are open now."""

    values: int = 0
    unread: int = 0
    missing: int = 0
    wrong: int = 0
    shrunk: int = 0
    restarts: int = 0
    skipped: int = 0
    pokes: int = 0
    polls: dict[str, int] = field(default_factory=dict[str, int])
    extras: dict[str, int] = field(default_factory=dict[str, int])
    walks: dict[str, int] = field(default_factory=dict[str, int])
    devices: dict[str, int] = field(default_factory=dict[str, int])

    def poll(self, result: str) -> None:
        """Count a poll by its result: `ok` or an error's kind."""
        self.polls[result] = self.polls.get(result, 0) + 1

    def poll_extras(self, result: str) -> None:
        """Count sensors and the like that could not be read, by the error's kind."""
        self.extras[result] = self.extras.get(result, 0) + 1

    def move(self, before: str, after: str) -> None:
        """A device's state is another; an empty one is that of no device."""
        for state, step in ((before, -1), (after, 1)):
            if state:
                self.devices[state] = self.devices.get(state, 0) + step

    def walk(self, result: str) -> None:
        """Count the learning of a device by its result: `ok` or an error's kind."""
        self.walks[result] = self.walks.get(result, 0) + 1


_COUNTERS = {
    "requests": "Requests sent, retries included.",
    "retries": "Requests sent again because no answer came.",
    "timeouts": "Requests that were not answered in time.",
    "reports": "Version 3 reports received in place of answers.",
    "values": "Values read.",
    "unread_values": "Values handed on as they were read before: of ports that are down and stood still.",
    "shrunk": "Times a device's requests were made smaller.",
    "restarts": "Device restarts seen.",
    "pokes": "Polls out of turn, of a port or a device that a trap told of.",
    "skipped": "Polls left out because the one before was not over.",
}


class Metrics(Collector):
    """`fenghuo_agent_snmp_…`, made from a `Tally` when collected."""

    def __init__(self, tally: Tally, registry: CollectorRegistry) -> None:
        self._tally = tally
        self.seconds = Histogram(
            f"{PREFIX}_poll_seconds",
            "Time from a poll's first request to its last answer.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        tally = self._tally
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=getattr(tally, name.removesuffix("_values")))
        yield GaugeMetricFamily(f"{PREFIX}_open_sockets", "Sockets open now.", value=tally.sockets)
        yield _labelled("ignored_datagrams", "Datagrams that were no answer.", "reason", {
            "foreign": tally.foreign, "malformed": tally.malformed,
        })  # fmt: skip
        yield _labelled("absent_values", "Values asked for and not read.", "reason", {
            "missing": tally.missing, "wrong_type": tally.wrong,
        })  # fmt: skip
        yield _labelled("polls", "Polls by result.", "result", tally.polls)
        yield _labelled(
            "failed_extras", "Polls whose sensors and other tables could not be read.", "reason", tally.extras
        )
        yield _labelled("walks", "Learnings of a device's rows by result.", "result", tally.walks)
        gauge = GaugeMetricFamily(f"{PREFIX}_devices", "Devices by state.", labels=["state"])
        for state, count in tally.devices.items():
            gauge.add_metric([state], count)
        yield gauge


def _labelled(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
