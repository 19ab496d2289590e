"""What discovery counts of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fenghuo_agent.discovery.found import Found
from fenghuo_agent.discovery.outcome import Counts

PREFIX = "fenghuo_agent_discovery"
_OUTCOMES = ("opened", "locked", "closed", "nobody", "forbidden", "silent", "flooding")
_IGNORED = ("foreign", "malformed", "astray")


@dataclass(slots=True)
class Totals:
    """Counts since the start. `seconds` is how long the last scan of everything took."""

    scans: dict[str, int] = field(default_factory=lambda: {"full": 0, "neighbours": 0})
    seconds: float = 0.0
    datagrams: int = 0
    spoilt: int = 0
    unsaved: int = 0
    addresses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_OUTCOMES, 0))
    ignored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_IGNORED, 0))

    def take(self, kind: str, counts: Counts) -> None:
        """Add what one scan counted."""
        self.scans[kind] += 1
        self.datagrams += counts.datagrams + counts.sessions
        for name in _OUTCOMES:
            self.addresses[name] += int(getattr(counts, name))
        for name in _IGNORED:
            self.ignored[name] += int(getattr(counts, name))


class Metrics(Collector):
    """Shows totals and known devices to a registry when it is collected."""

    def __init__(
        self,
        totals: Totals,
        devices: Callable[[], Iterable[Found]],
        withheld: Callable[[], int],
        registry: CollectorRegistry,
    ) -> None:
        self._totals = totals
        self._devices = devices
        self._withheld = withheld
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """All of them now."""
        totals = self._totals
        yield _labelled("scans", "Scans done.", "kind", totals.scans)
        yield _labelled("addresses", "Addresses asked, by what came of it.", "result", totals.addresses)
        yield _labelled(
            "ignored_datagrams", "Datagrams that answer nothing that was asked there.", "reason", totals.ignored
        )
        yield CounterMetricFamily(f"{PREFIX}_datagrams", "Datagrams sent.", value=totals.datagrams)
        yield CounterMetricFamily(
            f"{PREFIX}_withheld_attempts",
            "Attempts at v3 users not made, lest a device lock them out.",
            value=self._withheld(),
        )
        yield CounterMetricFamily(f"{PREFIX}_spoilt", "Remembered entries that could not be read.", value=totals.spoilt)
        yield CounterMetricFamily(f"{PREFIX}_unsaved", "Times that nothing could be remembered.", value=totals.unsaved)
        states = {"up": 0, "silent": 0, "gone": 0}
        for device in self._devices():
            states[device.state] += 1
        known = GaugeMetricFamily(f"{PREFIX}_devices", "Devices known, by state.", labels=["state"])
        for state, number in states.items():
            known.add_metric([state], number)
        yield known
        yield GaugeMetricFamily(
            f"{PREFIX}_scan_seconds", "How long the last scan of everything took.", value=totals.seconds
        )


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
