"""What the input counts: received = accepted + shed + malformed + denied + handshakes, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fenghuo_agent.inputs.snmp_trap.glance import VERSIONS

PREFIX = "fenghuo_agent_snmp_trap"


class Tally:
    """Counts since the start. Each datagram is counted once as received and once by what became of it."""

    __slots__ = (
        "accepted",
        "acknowledged",
        "denied",
        "errors",
        "handshakes",
        "kernel_drops",
        "malformed",
        "pokes",
        "shed",
        "unanswered",
        "unnamed",
        "versions",
    )

    def __init__(self) -> None:
        self.versions = [0] * len(VERSIONS)
        self.accepted = 0
        self.malformed = 0
        self.handshakes = 0
        self.shed: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.acknowledged = 0
        self.unanswered = 0
        self.unnamed = 0
        self.kernel_drops = 0
        self.errors = 0
        self.pokes = 0

    @property
    def received(self) -> int:
        """Datagrams that the kernel handed to us."""
        return sum(self.versions)

    @property
    def judged(self) -> int:
        """The sum of what became of them; the same as `received` between two datagrams."""
        return self.accepted + self.shed.total() + self.malformed + self.denied.total() + self.handshakes


_COUNTERS = {
    "accepted": "Notifications that became events.",
    "malformed": "Datagrams that are no valid SNMP notification.",
    "handshakes": "Version 3 questions for our engine id or time, which come before an inform.",
    "acknowledged": "Informs answered by a Response.",
    "unanswered": "Informs and questions whose answer could not be sent.",
    "unnamed": "Notifications accepted that no profile knows the name of.",
    "kernel_drops": "Datagrams that the kernel dropped because the receive buffer was full or their checksum wrong.",
    "errors": "Times that receiving failed.",
    "pokes": "Times that a notification made a device be polled at once.",
}
_NAMES = {"acknowledged": "informs_acknowledged", "unanswered": "replies_failed", "errors": "receive_errors"}


class Metrics(Collector):
    """`fenghuo_agent_snmp_trap_…`, made from a `Tally` when collected; `devices` tells how many are told apart."""

    def __init__(
        self, tally: Tally, registry: CollectorRegistry, devices: Callable[[], int], refresh: Callable[[], object]
    ) -> None:
        self._tally = tally
        self._devices = devices
        self._refresh = refresh
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        self._refresh()
        tally = self._tally
        versions = Counter[str](dict(zip(VERSIONS, tally.versions, strict=True)))
        yield _labelled("received", "Datagrams received, by version.", "version", versions)
        yield _labelled("shed", "Datagrams let fall, by what they exceeded.", "reason", tally.shed)
        yield _labelled("denied", "Datagrams that are not believed, by reason.", "reason", tally.denied)
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"{PREFIX}_{_NAMES.get(name, name)}", text, value=getattr(tally, name))
        yield GaugeMetricFamily(f"{PREFIX}_devices", "Devices that are told apart.", value=self._devices())


def _labelled(name: str, text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
