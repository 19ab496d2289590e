"""Which of the devices that do not answer are cut off by another, asked at every poll that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from fenghuo.clock import Clock
from fenghuo.model import Document
from fenghuo_agent.topology import changes
from fenghuo_agent.topology.model import Topology, host_of
from fenghuo_agent.topology.upstreams import Upstreams

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which the set of dead devices is used before it is asked for again."""
GRACE = 180.0
"""A device that was cut off counts as such for so many seconds more: when its switch is back it may itself still be starting."""
MOST_NAMED = 200

Poke = Callable[[str], object]


class Outages:
    """Explains silence by the topology of the last round. Without one it explains nothing."""

    def __init__(self, down: Callable[[], Iterable[str]], clock: Clock, poke: Poke) -> None:
        """`down` gives the instances that do not answer now; `poke` polls a device out of its turn, given its address."""
        self._down = down
        self._clock = clock
        self._poke = poke
        self._upstreams: Upstreams | None = None
        self._topology: Topology | None = None
        self._dead: frozenset[str] = frozenset()
        self._counted: Upstreams | None = None
        self._behind: dict[str, list[str]] = {}
        self._asked = float("-inf")
        self._until: dict[str, float] = {}
        self._poked: set[str] = set()
        self._told: dict[str, int] = {}

    def use(self, topology: Topology, upstreams: Upstreams | None) -> None:
        """Explain by this topology and its ways from now on."""
        self._topology = topology
        self._upstreams = upstreams
        self._asked = float("-inf")

    def explain(self, instance: str) -> tuple[int, int] | None:
        """Of a device that does not answer: 1 if it is cut off (else 0), and how many it cuts off; None where nothing is known.

        Never raises: it is asked amid the polls.
        """
        try:
            return self._explain(instance)
        except Exception as error:  # polls go on, whatever is wrong with the picture
            log.error("%s: its silence could not be explained: %r", instance, error)  # noqa: TRY400 — the traceback is for debugging
            log.debug("where it came from", exc_info=True)
            self._upstreams = None
            return None

    def _explain(self, instance: str) -> tuple[int, int] | None:
        upstreams = self._upstreams
        if upstreams is None:
            return None
        now = self._clock.monotonic()
        self._refresh(upstreams, now)
        dead = self._dead if instance in self._dead else self._dead | {instance}
        cause = upstreams.explains(instance, dead)
        if cause is not None:
            self._until[instance] = now + GRACE
        elif instance not in self._poked:
            # What is above it may be dead too and not be known to be: see at once, not when its turn comes.
            self._poked.add(instance)
            above = upstreams.of(instance)
            if above and above not in dead and self._topology is not None and above in self._topology.seen:
                self._poke(host_of(above))
        explained = cause is not None or now < self._until.get(instance, now)
        return int(explained), len(self._behind.get(instance, ()))

    def upstream(self, host: str) -> str | None:
        """The dead device that explains why a host (an address, polled or not) does not answer, or None."""
        if self._upstreams is None:
            return None
        self._refresh(self._upstreams, self._clock.monotonic())
        return self._upstreams.explains(host, self._dead)

    def news(self) -> list[Document]:
        """An event for each device that cuts off more others than was told of before."""
        if self._upstreams is None or self._topology is None:
            return []
        self._refresh(self._upstreams, self._clock.monotonic())
        told, self._told = self._told, {name: len(names) for name, names in self._behind.items()}
        topology = self._topology
        return [
            changes.outage(topology, name, [_name(topology, one) for one in names], MOST_NAMED)
            for name, names in self._behind.items()
            if len(names) > told.get(name, 0)
        ]

    def _refresh(self, upstreams: Upstreams, now: float) -> None:
        if now - self._asked < FRESH:
            return
        self._asked = now
        dead = frozenset(self._down())
        if dead == self._dead and upstreams is self._counted:
            return
        self._dead, self._counted = dead, upstreams
        self._behind = {name: list(names) for name, names in upstreams.behind(dead).items()}
        self._poked &= dead
        self._until = {name: until for name, until in self._until.items() if name in dead}


def _name(topology: Topology, instance: str) -> str:
    node = topology.nodes.get(instance)
    return node.name if node else instance
