"""The collector's rule engine, as a sink: it listens in on what all agents send, and tells alerts of its own.

    batches ─► engine ─► outbox (durable) ─► the collector's own stream of alerts ─► journal, stores, feeds

Time stands still for the rules while old events come: after an outage agents send what they kept, and a window must not
slide out between two halves of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

from fenghuo.alerts import DATASET, alert_to_event, event_to_alert
from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo.ids import Entropy, uuid7
from fenghuo.model import AgentId, Alert, Event, Layout, Table, Value
from fenghuo.rules import Engine, RuleSet
from fenghuo.wire import Stream
from fenghuo_collector.ingest.own import OwnStream
from fenghuo_collector.judging.config import RulesConfig
from fenghuo_collector.judging.outbox import Outbox
from fenghuo_collector.sinks.base import Batch

log = logging.getLogger(__name__)
_TICK_SECONDS = 1.0
_OFFER_AGAIN_SECONDS = 5.0
_LOOKS_BACK_SECONDS = 15.0
"""So long after old events came, time is held back for more of them."""
_MAX_BACK_MS = 86_400_000
MAX_WAITING = 10_000
"""Batches of alerts that wait for the required sinks; beyond, time stands still until they are taken."""


def numbers_of(column: Sequence[Value]) -> Sequence[Value]:
    """A column without what is no number (NaN), which an agent may send: it would be unequal to all and clear what fires."""
    if not isinstance(column, list) or not any(value != value for value in column):  # noqa: PLR0124 — NaN alone differs
        return column
    return [None if value != value else value for value in column]  # noqa: PLR0124 — the same


class Judge:
    """Judges what all agents send by the rules that run at the collector.

    It is no required sink: agents do not wait for it. After a crash the rules' windows lack what came since the memory
    was saved last (`snapshot_interval`); alerts that were told are kept until every required sink has them.
    """

    name = "rules"
    required = False

    def __init__(
        self,
        engine: Engine,
        config: RulesConfig,
        agent: AgentId,
        clock: Clock,
        entropy: Entropy,
        registry: CollectorRegistry,
    ) -> None:
        self._engine = engine
        self._config = config
        self._agent = agent
        self._clock = clock
        self._entropy = entropy
        self._outbox = Outbox(config.path)
        self._stream: OwnStream | None = None
        self._told: list[Alert] = []
        self._waiting: dict[int, list[Event]] = {}
        self._done: list[int] = []
        self._oldest: deque[tuple[float, int]] = deque()
        self._layouts: WeakKeyDictionary[Layout, dict[AgentId, Layout]] = WeakKeyDictionary()
        self._saved = float("-inf")
        self._started = asyncio.Event()
        self._malformed = Counter(
            "fenghuo_collector_rules_malformed_alerts_total", "Alerts that rules could not read.", registry=registry
        )

    def connect(self, open_stream: Callable[[AgentId, Stream, Callable[[int], None]], OwnStream]) -> None:
        """Where the alerts that are told here go."""
        self._stream = open_stream(self._agent, Stream.ALERTS, self._on_stored)

    @property
    def engine(self) -> Engine:
        """The engine, for its counts."""
        return self._engine

    def use(self, rules: RuleSet) -> None:
        """Judge by other rules from now on."""
        self._engine = self._engine.with_rules(rules)

    def takes(self, stream: Stream) -> bool:
        """All that is new; the backlog of readings comes behind newer ones and would be late."""
        return bool(self._engine.states) and stream in (Stream.ALERTS, Stream.EVENTS, Stream.ASSETS, Stream.METRICS)

    async def start(self) -> None:
        memory, waiting = await self._outbox.open()
        if memory is not None and not self._started.is_set():
            self._engine.restore(memory)
        self._waiting = dict(waiting)
        self._started.set()

    async def write(self, batches: Sequence[Batch]) -> None:
        """Judge batches, in order."""
        for batch in batches:
            if batch.agent == self._agent:
                continue  # the engine knows what it told
            agent = str(batch.agent)
            for table in batch.tables:
                layout = self._labelled(table.layout, batch.agent)
                columns = [numbers_of(column) for column in table.columns]
                labelled = Table(layout, table.time, columns, table.epochs, ended=table.ended)
                self._told += self._engine.process(labelled, agent)
            for event in batch.events:
                self._event(event, agent)
            oldest = min((item.time for item in (*batch.tables, *batch.events)), default=None)
            if oldest is not None:
                self._oldest.append((self._clock.monotonic(), oldest))
        await self._tell()

    def _labelled(self, layout: Layout, agent: AgentId) -> Layout:
        """The layout with the labels `site` and `agent`, by which rules across agents tell them apart."""
        by_agent = self._layouts.setdefault(layout, {})
        found = by_agent.get(agent)
        if found is None:
            labels = {**layout.labels, "site": agent.site.path, "agent": agent.name}
            found = Layout(layout.name, labels, layout.row_labels, layout.fields, layout.counters)
            by_agent[agent] = found
        return found

    def _event(self, event: Event, agent: str) -> None:
        if event.dataset == DATASET:
            try:
                alert = event_to_alert(event)
            except ValueError:
                self._malformed.inc()
                return
            self._told += self._engine.alert(alert, agent)
        self._told += self._engine.event(event, agent)

    async def _tell(self) -> None:
        """Put what was told down, then send it on its way."""
        if not self._told:
            return
        told, self._told = self._told, []
        events = [alert_to_event(alert, uuid7(alert.time, self._entropy)) for alert in told]
        try:
            number = await self._outbox.put(events)
        except BaseException:
            self._told = [*told, *self._told]
            raise
        for alert in told:
            log.info("%s: %s", alert.state, alert.message or alert.title, extra={"rule": alert.rule_name})
        self._waiting[number] = events
        if self._stream is not None:
            self._stream.offer(number, events)

    def _on_stored(self, number: int) -> None:
        if self._waiting.pop(number, None) is not None:
            self._done.append(number)

    async def run(self) -> None:
        """Let rules see that time passes, offer again what found no room, save; until cancelled."""
        await self._started.wait()
        offered = float("-inf")
        while True:
            now = self._clock.monotonic()
            if now - offered >= _OFFER_AGAIN_SECONDS and self._stream is not None:
                offered = now
                for number, events in list(self._waiting.items()):
                    self._stream.offer(number, events)
            if len(self._waiting) < MAX_WAITING:
                self._told += self._engine.advance(self._watermark())
            try:
                await self._tell()
                await self._tidy(now)
            except FenghuoError as error:
                log.warning("the rules' memory cannot be saved: %s", error)
            await asyncio.sleep(_TICK_SECONDS)

    def _watermark(self) -> int:
        """The time that rules see: now, or that of old events which have just come."""
        now, moment = self._clock.now(), self._clock.monotonic()
        while self._oldest and moment - self._oldest[0][0] > _LOOKS_BACK_SECONDS:
            self._oldest.popleft()
        oldest = min((time for _, time in self._oldest), default=now)
        return min(now, max(oldest, now - _MAX_BACK_MS))

    async def _tidy(self, now: float) -> None:
        if self._done:
            done, self._done = self._done, []
            await self._outbox.done(done)
        if now - self._saved >= self._config.snapshot_interval:
            self._saved = now
            await self._outbox.remember(self._engine.snapshot())

    async def close(self) -> None:
        """Save what is remembered."""
        try:
            if self._started.is_set():
                await self._tell()
                await self._tidy(float("inf"))
        except FenghuoError as error:
            log.warning("the rules' memory cannot be saved: %s", error)
        await self._outbox.close()
