"""What is known of each agent: from its status, and from what it sends."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fenghuo.errors import WireError
from fenghuo.model import AgentId
from fenghuo.wire import Stream
from fenghuo_collector.ingest.accept import Opener
from fenghuo_collector.ingest.accounting import SkewMeter, StreamAccount
from fenghuo_collector.ingest.config import LimitsConfig
from fenghuo_collector.ingest.ratelimit import RateLimit
from fenghuo_collector.ingest.state import StreamState

_log = logging.getLogger(__name__)
_MAX_STATUS = 4096


class AgentStatus(msgspec.Struct, frozen=True):
    """What an agent, or its last will, says on its status topic. Times are Unix milliseconds by the agent's clock.

    `streams`: the lowest number still held and the items given up in all, by data stream.
    """

    state: str
    boot: str = ""
    spool: str = ""
    version: str = ""
    since: int = 0
    sent: int = 0
    streams: dict[str, tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=0)]]] = {}


_status = msgspec.msgpack.Decoder(AgentStatus)


def decode_status(payload: bytes) -> AgentStatus:
    """Read a status; `WireError` where it is none."""
    if len(payload) > _MAX_STATUS:
        raise WireError("status", f"a status of {len(payload)} bytes; at most {_MAX_STATUS} are taken")
    try:
        return _status.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError("status", f"no status: {error}") from None


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream of an agent's present spool. `lag` is the age, in seconds, of the newest item when it came, freed of
    the clocks' difference; None where no item has come yet. `contact` is Unix milliseconds.
    """

    stream: Stream
    highest: int
    batches: int
    items: int
    size: int
    duplicates: int
    missing: int
    lost: int
    dropped: int
    refused: int
    lag: float | None
    contact: int


@dataclass(frozen=True, slots=True)
class AgentState:
    """An agent as the console shows it. Times are Unix milliseconds, 0 where unknown; `skew` and `lag` are seconds.

    `skew` is positive where the agent's clock is ahead. `lost` counts batches that never came, `dropped` items that
    the agent gave up for want of room, over all its spools that are remembered.
    """

    agent: AgentId
    online: bool
    boot: str
    spool: str
    version: str
    since: int
    last_contact: int
    skew: float | None
    lag: float | None
    lost: int
    dropped: int
    refused: int
    streams: tuple[StreamView, ...]


@dataclass(slots=True, eq=False)
class Agent:
    """One agent's record, as ingest keeps it."""

    id: AgentId
    opener: Opener
    skew: SkewMeter = field(default_factory=SkewMeter)
    status: AgentStatus | None = None
    contact: int = 0
    spools: OrderedDict[str, dict[Stream, StreamAccount]] = field(
        default_factory=OrderedDict[str, dict[Stream, StreamAccount]]
    )
    """Accounts by spool, the one heard of last at the end."""

    def state(self) -> AgentState:
        status = self.status
        spool = next(reversed(self.spools), "")
        accounts = [account for streams in self.spools.values() for account in streams.values()]
        views = tuple(_view(account) for account in self.spools.get(spool, {}).values() if account.begun)
        live = [view.lag for view in views if view.lag is not None and view.stream is not Stream.BACKFILL]
        skew = self.skew.skew
        return AgentState(
            agent=self.id,
            online=status is not None and status.state == "online",
            boot=status.boot if status else "",
            spool=spool or (status.spool if status else ""),
            version=status.version if status else "",
            since=status.since if status else 0,
            last_contact=self.contact,
            skew=None if skew is None else skew / 1000,
            lag=max(live, default=None),
            lost=sum(account.lost for account in accounts),
            dropped=sum(account.dropped for account in accounts),
            refused=sum(account.refused for account in accounts),
            streams=views,
        )


def _view(account: StreamAccount) -> StreamView:
    return StreamView(
        stream=account.stream,
        highest=account.held.highest,
        batches=account.batches,
        items=account.items,
        size=account.size,
        duplicates=account.duplicates,
        missing=account.missing,
        lost=account.lost,
        dropped=account.dropped,
        refused=account.refused,
        lag=account.lag,
        contact=account.contact,
    )


class AgentRegistry:
    """All agents known, bounded in number. With `shared`, other collectors take batches of the same streams."""

    def __init__(self, limits: LimitsConfig, complaints: RateLimit, *, shared: bool = False) -> None:
        self._limits = limits
        self._complaints = complaints
        self._shared = shared
        self._agents: dict[AgentId, Agent] = {}
        self.forgotten: list[StreamAccount] = []
        """Accounts of spools that are remembered no more; whoever saves states takes them from here."""

    def __len__(self) -> int:
        return len(self._agents)

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def get(self, agent: AgentId) -> Agent:
        """The record of an agent, made where it is new; `WireError` where there are too many."""
        found = self._agents.get(agent)
        if found is None:
            if len(self._agents) >= self._limits.agents:
                raise WireError(
                    "agents", f"{agent} would be one agent too many; at most {self._limits.agents} are taken"
                )
            found = self._agents[agent] = Agent(agent, Opener(agent, self._limits))
        return found

    def account(self, agent: Agent, spool: str, stream: Stream) -> StreamAccount:
        """The account of a stream, made where it is new."""
        streams = agent.spools.get(spool)
        if streams is None:
            if agent.spools and self._complaints.allows(("spool", agent.id)):
                _log.warning(
                    "Agent %s has a new spool; what the old one still held does not come",
                    agent.id,
                    extra={"agent": str(agent.id)},
                )
            streams = agent.spools[spool] = {}
            self._trim(agent)
        elif next(reversed(agent.spools)) != spool:
            agent.spools.move_to_end(spool)
            if self._complaints.allows(("spools", agent.id)):
                _log.warning(
                    "Agent %s sends from two spools in turn: is its name given twice?",
                    agent.id,
                    extra={"agent": str(agent.id)},
                )
        account = streams.get(stream)
        if account is None:
            account = streams[stream] = StreamAccount(
                agent.id, spool, stream, limit=self._limits.spans, shared=self._shared
            )
        return account

    def _trim(self, agent: Agent) -> None:
        while len(agent.spools) > self._limits.spools:
            _, old = agent.spools.popitem(last=False)
            self.forgotten.extend(old.values())

    def restore(self, states: Iterable[StreamState]) -> None:
        """Take up the accounts of an earlier run."""
        for state in sorted(states, key=lambda state: state.contact):
            try:
                account = StreamAccount.restore(state, limit=self._limits.spans, shared=self._shared)
                agent = self.get(account.agent)
            except (ValueError, WireError) as error:
                _log.warning("A remembered stream is of no use: %s", error)
                continue
            agent.spools.setdefault(account.spool, {})[account.stream] = account
            agent.spools.move_to_end(account.spool)
            agent.contact = max(agent.contact, account.contact)
            self._trim(agent)

    def states(self) -> list[AgentState]:
        """All agents, by name."""
        return [agent.state() for agent in sorted(self._agents.values(), key=lambda agent: agent.id)]


class AgentCollector(Collector):
    """The agents' states as metrics, made when Prometheus asks."""

    def __init__(self, agents: AgentRegistry) -> None:
        self._agents = agents

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        labels = ["site", "agent"]
        name = "fenghuo_collector_agent"
        up = GaugeMetricFamily(f"{name}_up", "Whether the agent's status says online.", labels=labels)
        contact = GaugeMetricFamily(
            f"{name}_last_contact_timestamp_seconds", "When the agent was last heard of.", labels=labels
        )
        skew = GaugeMetricFamily(
            f"{name}_clock_skew_seconds", "How far the agent's clock is ahead of ours.", labels=labels
        )
        lag = GaugeMetricFamily(
            f"{name}_lag_seconds", "Age of the newest live item when it came, the slowest stream's.", labels=labels
        )
        missing = GaugeMetricFamily(
            f"{name}_missing_batches", "Batches that are not here though later ones are.", labels=labels
        )
        lost = CounterMetricFamily(f"{name}_lost_batches", "Batches that never came and never will.", labels=labels)
        dropped = CounterMetricFamily(
            f"{name}_dropped_items", "Items the agent gave up for want of room.", labels=labels
        )
        for state in self._agents.states():
            who = [state.agent.site.path, state.agent.name]
            up.add_metric(who, float(state.online))
            contact.add_metric(who, state.last_contact / 1000)
            if state.skew is not None:
                skew.add_metric(who, state.skew)
            if state.lag is not None:
                lag.add_metric(who, state.lag)
            missing.add_metric(who, sum(view.missing for view in state.streams))
            lost.add_metric(who, state.lost)
            dropped.add_metric(who, state.dropped)
        yield from (up, contact, skew, lag, missing, lost, dropped)
