"""The latest values of every series, in memory: what the console shows and `/metrics` exposes.

A series that an agent ends goes at once; one that no longer comes (its device is down, its agent is away) goes after a
bound, so that nothing old passes for present.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from weakref import WeakKeyDictionary

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import Field

from fenghuo.clock import Clock
from fenghuo.config import Duration, Section
from fenghuo.model import AgentId, Layout, Site, Table, Value
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch

LONGEST_INTERVAL = 3600.0
"""Seconds; a source that is asked more rarely than this goes stale between two readings."""
_MISSED = 2.5
"""A source asked every n seconds is stale after n times this."""


class LatestConfig(Section):
    """The latest values, kept in memory for the console and for /metrics."""

    stale_after: Duration = Field(
        default=300.0, gt=0, description="Age at which values are no longer shown, unless they are read more rarely."
    )
    max_values: int = Field(
        default=4_000_000, ge=1000, description="Most values kept; those not renewed for longest make room."
    )


@dataclass(slots=True, eq=False)
class Entry:
    """The newest table of one agent's layout, and the one before it, for rates. `received` is Unix milliseconds."""

    agent: AgentId
    layout: Layout
    table: Table
    received: int
    previous: Table | None = None
    interval: int = 0
    """Milliseconds between the last two tables."""
    gone: set[int] = field(default_factory=set[int])
    """Rows that have ended."""

    @property
    def name(self) -> str:
        """The measurement."""
        return self.layout.name

    @property
    def device(self) -> str:
        return self.layout.labels.get("device", "")

    @property
    def instance(self) -> str:
        return self.layout.labels.get("instance", "")

    @property
    def time(self) -> int:
        """When the values were read, Unix milliseconds by the agent's clock."""
        return self.table.time

    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Number and labels of each row that has not ended."""
        return ((number, row) for number, row in enumerate(self.layout.rows) if number not in self.gone)

    def value(self, name: str, row: int = 0) -> Value:
        """One value; None where it was not read or there is no such field."""
        column = self.layout.positions.get(name)
        return None if column is None or row in self.gone else self.table.columns[column][row]

    def rate(self, name: str, row: int = 0) -> float | None:
        """A counter's growth per second between the last two tables; None where it is unknown or went back."""
        column = self.layout.positions.get(name)
        if column is None or self.previous is None or row in self.gone:
            return None
        now, before = self.table.columns[column][row], self.previous.columns[column][row]
        seconds = (self.table.time - self.previous.time) / 1000
        if now is None or before is None or now < before or seconds <= 0:
            return None
        return (now - before) / seconds


@dataclass(frozen=True, slots=True)
class Device:
    """A device as its latest tables tell; `up` is None for devices that only speak (sensors)."""

    agent: AgentId
    name: str
    instance: str
    job: str
    up: bool | None
    last: int
    """When it was last read or last did not answer, Unix milliseconds."""
    entries: tuple[Entry, ...]

    def value(self, measurement: str, name: str) -> Value:
        """The newest value of a field of a one-row measurement, e.g. `system`, `sysUpTime`."""
        found = [entry for entry in self.entries if entry.name == measurement and name in entry.layout.positions]
        return max(found, key=_age).value(name) if found else None


class LatestMetrics:
    """The store's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.values = Gauge("fenghuo_collector_latest_values", "Values held in memory.", registry=registry)
        self.tables = Gauge("fenghuo_collector_latest_tables", "Tables held in memory.", registry=registry)
        self.stale = Counter(
            "fenghuo_collector_latest_stale_tables_total", "Tables that were no longer renewed.", registry=registry
        )
        self.evicted = Counter(
            "fenghuo_collector_latest_evicted_tables_total", "Tables that made room for others.", registry=registry
        )


_Source = tuple[AgentId, str, frozenset[tuple[str, str]]]
_Key = tuple[AgentId, bytes]


class Latest:
    """A sink that only remembers; nothing waits for it."""

    name = "latest"
    required = False

    def __init__(self, config: LatestConfig, *, clock: Clock, registry: CollectorRegistry) -> None:
        self._config = config
        self._clock = clock
        self._metrics = LatestMetrics(registry)
        self._entries: OrderedDict[_Key, Entry] = OrderedDict()
        """The one not renewed for longest comes first."""
        self._sources: dict[_Source, dict[bytes, Entry]] = {}
        self._agents: dict[AgentId, dict[bytes, Entry]] = {}
        self._digests: WeakKeyDictionary[Layout, bytes] = WeakKeyDictionary()
        self._values = 0
        self._changes = 0
        self._expired = clock.monotonic()

    @property
    def changes(self) -> int:
        """A number that grows with every table taken or dropped."""
        return self._changes

    def takes(self, stream: Stream) -> bool:
        """Live metrics only: what was kept through an outage is no latest value."""
        return stream is Stream.METRICS

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for table in batch.tables:
                if table.ended:
                    self._end(batch.agent, table)
                else:
                    self._take(batch.agent, table, batch.received)
        self._expire()
        self._measure()

    def entries(
        self, *, agent: AgentId | None = None, device: str | None = None, name: str | None = None
    ) -> list[Entry]:
        """The tables that are not stale; of one agent, device or measurement where these are given."""
        self._expire()
        found = self._agents.get(agent, {}).values() if agent else self._entries.values()
        return [
            entry
            for entry in found
            if (device is None or entry.device == device)
            and (name is None or entry.layout.name == name)
            and self._is_fresh(entry)
        ]

    def agents(self) -> list[AgentId]:
        """Those that have values here, in order."""
        return sorted(self._agents)

    def devices(self, agent: AgentId | None = None, site: Site | None = None) -> list[Device]:
        """Every device of the agents asked for, by agent and name."""
        by_device: dict[tuple[AgentId, str], list[Entry]] = {}
        for entry in self.entries(agent=agent):
            if entry.device and (site is None or site.contains(entry.agent.site)):
                by_device.setdefault((entry.agent, entry.device), []).append(entry)
        return [_device(agent, name, entries) for (agent, name), entries in sorted(by_device.items(), key=_first)]

    def newest(self, agent: AgentId) -> int | None:
        """The time of the agent's newest reading, Unix milliseconds."""
        return max((entry.time for entry in self._agents.get(agent, {}).values()), default=None)

    def forms(self) -> Iterator[tuple[Entry, set[int]]]:
        """Each table with those of its rows that are the newest of their series and have not ended.

        A device that stops answering is told of by a table of another layout with the same series `snmp_up`; only the
        newer one may be shown. Changes nothing and reads snapshots, so another thread may call it.
        """
        for siblings in list(self._sources.values()):
            fresh = [entry for entry in list(siblings.values()) if self._is_fresh(entry)]
            if len(fresh) == 1:
                yield fresh[0], set(range(fresh[0].layout.height)) - fresh[0].gone
            else:
                yield from ((entry, rows) for entry, rows in _newest(fresh) if rows)

    def _take(self, agent: AgentId, table: Table, received: int) -> None:
        digest = self._digest(table.layout)
        key = (agent, digest)
        known = self._entries.get(key)
        self._changes += 1
        if known is None:
            entry = Entry(agent, table.layout, table, received)
            self._entries[key] = entry
            self._agents.setdefault(agent, {})[digest] = entry
            self._sources.setdefault(_source(agent, table.layout), {})[digest] = entry
            self._values += table.size
            self._make_room()
            return
        known.interval = max(0, received - known.received)
        known.previous, known.table, known.layout, known.received = known.table, table, table.layout, received
        known.gone.clear()
        self._entries.move_to_end(key)

    def _end(self, agent: AgentId, table: Table) -> None:
        """Drop what has ended: the whole table, or rows of others of the same source."""
        digest = self._digest(table.layout)
        if (agent, digest) in self._entries:
            self._drop((agent, digest))
            return
        ended = {frozenset(row.items()) for row in table.layout.rows}
        for other, entry in list(self._sources.get(_source(agent, table.layout), {}).items()):
            if table.time < entry.time or not set(entry.layout.fields) <= set(table.layout.fields):
                continue
            entry.gone.update(number for number, row in enumerate(entry.layout.rows) if frozenset(row.items()) in ended)
            self._changes += 1
            if len(entry.gone) == entry.layout.height:
                self._drop((agent, other))

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        agent, digest = key
        self._values -= entry.table.size
        self._changes += 1
        source = _source(agent, entry.layout)
        del self._agents[agent][digest]
        del self._sources[source][digest]
        if not self._agents[agent]:
            del self._agents[agent]
        if not self._sources[source]:
            del self._sources[source]

    def _make_room(self) -> None:
        while self._values > self._config.max_values and len(self._entries) > 1:
            self._drop(next(iter(self._entries)))
            self._metrics.evicted.inc()

    def _expire(self) -> None:
        """Drop what is stale; looked after once a second."""
        if self._clock.monotonic() - self._expired < 1:
            return
        self._expired = self._clock.monotonic()
        horizon = self._clock.now() - self._config.stale_after * 1000
        old: list[_Key] = []
        for key, entry in self._entries.items():
            if entry.received >= horizon:
                break
            if not self._is_fresh(entry):
                old.append(key)
        for key in old:
            self._drop(key)
        self._metrics.stale.inc(len(old))
        self._measure()

    def _is_fresh(self, entry: Entry) -> bool:
        own = min(entry.interval / 1000 * _MISSED, LONGEST_INTERVAL)
        return self._clock.now() - entry.received <= max(self._config.stale_after, own) * 1000

    def _measure(self) -> None:
        self._metrics.values.set(self._values)
        self._metrics.tables.set(len(self._entries))

    def _digest(self, layout: Layout) -> bytes:
        digest = self._digests.get(layout)
        if digest is None:
            content = (layout.name, layout.labels, layout.row_labels, layout.fields)
            digest = self._digests[layout] = blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()
        return digest


def _first(item: tuple[tuple[AgentId, str], object]) -> tuple[AgentId, str]:
    return item[0]


def _age(entry: Entry) -> tuple[int, int]:
    return entry.received, entry.time


def _source(agent: AgentId, layout: Layout) -> _Source:
    return agent, layout.name, frozenset(layout.labels.items())


def _device(agent: AgentId, name: str, entries: Sequence[Entry]) -> Device:
    asked = [entry for entry in entries if "snmp_up" in entry.layout.positions]
    up = max(asked, key=_age).value("snmp_up") == 1 if asked else None
    newest = max(entries, key=_age)
    job = newest.layout.labels.get("job", "")
    return Device(agent, name, newest.instance, job, up, max(entry.time for entry in entries), tuple(entries))


def _newest(entries: Iterable[Entry]) -> Iterator[tuple[Entry, set[int]]]:
    """Rows whose series no newer table of the same source has; a row counts as a whole."""
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for entry in sorted(entries, key=_age, reverse=True):
        rows: set[int] = set()
        for number, row in entry.rows():
            labels = frozenset(row.items())
            names = {(name, labels) for name in entry.layout.fields}
            if not names & seen:
                rows.add(number)
                seen |= names
        yield entry, rows
