"""Ingest: from the broker to the sinks, and the answers back.

message → envelope (header agrees with topic) → account (new, again, gap) → batch (decoded, checked, completed) →
sinks' queues → committed → state saved → answer
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import Retryable, WireError
from fenghuo.model import AgentId, Site
from fenghuo.wire import Stream, Topic, encode_ack
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_collector.ingest.accept import MAX_ID, Envelope, Opened, read_envelope
from fenghuo_collector.ingest.accounting import Losses, Sight, StreamAccount
from fenghuo_collector.ingest.acks import AckBook
from fenghuo_collector.ingest.agents import Agent, AgentCollector, AgentRegistry, AgentState, decode_status
from fenghuo_collector.ingest.config import IngestConfig
from fenghuo_collector.ingest.deadletters import DeadLetter, DeadLetters, RecentDeadLetters, SqliteDeadLetters
from fenghuo_collector.ingest.delivery import Delivery
from fenghuo_collector.ingest.inbox import Inbox
from fenghuo_collector.ingest.metrics import DeliveryMetrics, IngestMetrics
from fenghuo_collector.ingest.own import OwnStream
from fenghuo_collector.ingest.ratelimit import RateLimit
from fenghuo_collector.ingest.state import MemoryStateStore, SqliteStateStore, StateStore, StreamState
from fenghuo_collector.ingest.subscriber import Subscriber
from fenghuo_collector.ingest.worker import SinkState
from fenghuo_collector.sinks.base import Sink

_log = logging.getLogger(__name__)
INGEST = "ingest"
"""The name under which ingest's own dead letters stand."""
_TOPICS = 50_000


def topic_filters(site: Site | None, group: str | None) -> list[str]:
    """What a collector subscribes to: data streams, shared in a group if there is one, and everyone's status."""
    data = [topic for stream in DATA_STREAMS for topic in Topic.filter(site, stream)]
    if group:
        data = [f"$share/{group}/{topic}" for topic in data]
    return [*data, *Topic.filter(site, Stream.STATUS)]


class Ingest:
    """Takes in what agents send and gives it to the sinks; `run` serves until it is cancelled, then ends in order.

    `collector_id` names this run in acknowledgements and must be another at each start. `state_path` is a file that
    remembers what is committed over a restart (dead letters are kept beside it); without it (None) nothing is lost
    either, but some batches are written twice, which sinks take idempotently. A sink with `required` False is also how
    others listen in on accepted batches. Raises `Retryable` where these files cannot be opened now, `Permanent` where
    they cannot be kept there.
    """

    def __init__(
        self,
        config: IngestConfig,
        sinks: Sequence[Sink],
        *,
        clock: Clock,
        random: random.Random,
        registry: CollectorRegistry,
        collector_id: str,
        state_path: Path | None = None,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._collector_id = collector_id
        # Files before metrics: a start that fails must leave none behind.
        self._store: StateStore = SqliteStateStore(state_path) if state_path else MemoryStateStore()
        try:
            states = self._store.load()
            self.dead_letters = dead_letters or _dead_letters_beside(state_path)
        except BaseException:
            self._store.close()
            raise
        self._metrics = IngestMetrics(registry)
        self._complaints = RateLimit(clock, each=60.0)
        self._agents = AgentRegistry(config.limits, self._complaints, shared=config.group is not None)
        self._agents.restore(states)
        registry.register(AgentCollector(self._agents))
        self._acks = AckBook(collector_id)
        self._news = asyncio.Event()
        self._changed: set[StreamAccount] = set()
        self._delivery = Delivery(
            sinks,
            config.delivery,
            DeliveryMetrics(registry),
            clock=clock,
            random=random,
            dead_letters=self.dead_letters,
            committed=self._on_committed,
        )
        self._site = Site(config.site) if config.site else None
        self._inbox = Inbox(config.limits.inbox, self._metrics)
        self._subscriber = Subscriber(
            config.broker,
            topic_filters(self._site, config.group),
            self._inbox,
            self._metrics,
            client_id=f"fenghuo-collector-{collector_id}",
            clock=clock,
            random=random,
            handle=self.handle,
            connected=self._greet_all,
        )
        self._own: dict[StreamAccount, OwnStream] = {}
        self._topics: dict[str, Topic] = {}
        self._ending = self._ended = False
        self._warn_of_unanswered(sinks)

    @staticmethod
    def _warn_of_unanswered(sinks: Sequence[Sink]) -> None:
        for stream in DATA_STREAMS:
            if not any(sink.required and sink.takes(stream) for sink in sinks):
                _log.warning("No required sink takes %s: these batches count as stored as soon as they come", stream)

    def agents(self) -> list[AgentState]:
        """Every agent known, by name."""
        return self._agents.states()

    def sinks(self) -> list[SinkState]:
        """How each sink fares."""
        return self._delivery.sinks()

    def own_stream(self, agent: AgentId, stream: Stream, done: Callable[[int], None]) -> OwnStream:
        """A way to the sinks for what the collector itself tells in the name of `agent`."""
        own = OwnStream(agent, stream, self._delivery, self._clock, done)
        self._own[own.account] = own
        return own

    @property
    def pending(self) -> int:
        """Batches accepted and not committed."""
        return len(self._delivery)

    async def run(self) -> None:
        """Serve until cancelled; then let the queues empty, answer, and close the sinks, within a bounded time."""
        tasks = [
            asyncio.create_task(self._subscriber.run(), name="ingest subscriber"),
            asyncio.create_task(self._answer(), name="ingest answers"),
            asyncio.create_task(self._delivery.run(), name="ingest delivery"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._end(tasks)
        for task in done:
            task.result()

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        _, answers, delivery = tasks
        self._ending = True
        with contextlib.suppress(Exception):  # a task that failed is raised by `run`
            if not await _within(self._config.shutdown, self._delivery.drain()) and not delivery.done():
                _log.warning("Ending with %d batches not stored; their agents send them again", self.pending)
        self._ended = True
        self._news.set()
        await asyncio.wait([answers], timeout=self._config.shutdown)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._delivery.close(self._config.shutdown)
        self._store.close()
        self.dead_letters.close()

    def handle(self, topic_name: str, payload: bytes, retained: bool = False) -> None:
        """Take one message. Never raises: what is wrong is counted, answered where that helps, and logged."""
        if self._ending:
            return
        self._metrics.messages.inc()
        self._metrics.bytes.inc(len(payload))
        try:
            topic = self._topic(topic_name)
            if topic.stream is Stream.STATUS:
                self._take_status(topic, payload, retained=retained)
            else:
                self._take_batch(read_envelope(topic, payload))
        except WireError as error:
            self._reject_message(topic_name, error)
        except Exception:  # noqa: BLE001 — nothing that an agent sends may stop ingest
            # A fault of ours must not stop the others' batches; the agent sends this one again.
            self._metrics.wire_errors.labels("internal").inc()
            if self._complaints.allows(("internal", topic_name)):
                _log.exception("A message on %s could not be handled", topic_name)

    def _topic(self, name: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            try:
                topic = Topic.parse(name)
            except ValueError as error:
                raise WireError("topic", str(error)) from None
            if self._site is not None and not self._site.contains(topic.agent.site):
                raise WireError("site", f"{topic.agent} is not at or below {self._site}")
            if not (topic.stream.is_data or topic.stream is Stream.STATUS):
                raise WireError("topic", f"nothing is taken from {name}")
            if len(self._topics) >= _TOPICS:
                self._topics.clear()
            self._topics[name] = topic
        return topic

    def _take_status(self, topic: Topic, payload: bytes, *, retained: bool) -> None:
        agent = self._agents.get(topic.agent)
        if not payload:  # the retained status was taken away
            agent.status = None
            return
        agent.status = status = decode_status(payload)
        agent.opener.normaliser.version(status.version)
        if not retained and status.state == "online":
            agent.contact = self._clock.now()
        if status.state == "online" and 0 < len(status.spool) <= MAX_ID:
            for stream in DATA_STREAMS:
                account = self._agents.account(agent, status.spool, stream)
                if stream in status.streams:
                    self._report(account, account.hear(*status.streams[stream]))
                self._acks.greet(account)
            self._news.set()

    def _take_batch(self, envelope: Envelope) -> None:
        header, now = envelope.header, self._clock.now()
        agent = self._agents.get(envelope.topic.agent)
        account = self._agents.account(agent, header.spool, envelope.topic.stream)
        agent.contact = account.contact = now
        agent.skew.note(header.sent, now)
        sight, losses = account.see(header)
        self._report(account, losses)
        match sight:
            case Sight.NEW:
                self._open(agent, account, envelope, now)
            case Sight.HELD:
                self._metrics.duplicates.inc()
                if self._delivery.lacking(account, header.sequence):
                    self._open(agent, account, envelope, now, again=True)
                else:
                    self._acks.received(account, header.sequence)
            case Sight.COMMITTED:
                self._metrics.duplicates.inc()
                self._acks.committed(account, header.sequence)
            case Sight.REFUSED:
                self._metrics.duplicates.inc()
                self._acks.refused(account, header.sequence, account.refusals[header.sequence])
            case Sight.SCATTERED:
                self._metrics.shed.labels("scattered").inc()
        self._news.set()

    def _open(self, agent: Agent, account: StreamAccount, envelope: Envelope, now: int, *, again: bool = False) -> None:
        number = envelope.header.sequence
        try:
            opened = agent.opener.open(envelope, now)
        except WireError as error:
            account.refuse(number, f"{error.reason}: {error}"[:200])
            self._changed.add(account)
            self._acks.refused(account, number, account.refusals[number])
            raise
        except BaseException:
            account.forget(number)
            raise
        if not again:
            self._count(agent, account, envelope, opened, now)
        self._delivery.offer(account, opened.batch)
        # Where a required sink has no room the agent is not told that we have it: so its window, not our queue, fills.
        if not self._delivery.lacking(account, number):
            self._acks.received(account, number)

    def _count(self, agent: Agent, account: StreamAccount, envelope: Envelope, opened: Opened, now: int) -> None:
        batch, stream = opened.batch, account.stream
        count = batch.count
        account.batches += 1
        account.items += count
        account.size += envelope.length
        self._metrics.batches.labels(stream).inc()
        self._metrics.items.labels(stream).inc(count)
        if opened.newest is not None:
            account.lag = max((now + (agent.skew.skew or 0) - opened.newest) / 1000, 0.0)
        if opened.corrected:
            self._metrics.corrected.labels(stream).inc(opened.corrected)
            if self._complaints.allows(("ahead", agent.id)):
                _log.warning(
                    "Agent %s: times up to %.0f s in the future were put right; is its clock set?",
                    agent.id,
                    ((opened.newest or now) - now) / 1000,
                    extra={"agent": str(agent.id)},
                )
        if opened.rejected:
            self._metrics.rejected.labels(stream).inc(len(opened.rejected))
            for rejection in opened.rejected:
                self.dead_letters.put(
                    DeadLetter(
                        INGEST, agent.id, stream, batch.sequence, rejection.index, now, rejection.reason, rejection.raw
                    )
                )
            if self._complaints.allows(("rejected", agent.id)):
                _log.error(
                    "Agent %s: %d items of a batch of %s are not taken, the first: %s",
                    agent.id,
                    len(opened.rejected),
                    stream,
                    opened.rejected[0].reason,
                    extra={"agent": str(agent.id)},
                )

    def _report(self, account: StreamAccount, losses: Losses) -> None:
        """Count what will never come, and say so once."""
        who = {"agent": str(account.agent)}
        if losses.batches:
            self._changed.add(account)
            self._metrics.lost_batches.labels(account.stream).inc(losses.batches)
            if self._complaints.allows(("lost", account.agent, account.stream)):
                _log.error(
                    "Agent %s: %d batches of %s are lost, up to number %d (%d in all)",
                    account.agent,
                    losses.batches,
                    account.stream,
                    account.floor,
                    account.lost,
                    extra=who,
                )
        if losses.dropped:
            self._changed.add(account)
            self._metrics.dropped_items.labels(account.stream).inc(losses.dropped)
            if self._complaints.allows(("dropped", account.agent, account.stream)):
                _log.error(
                    "Agent %s gave up %d items of %s for want of room (%d in all)",
                    account.agent,
                    losses.dropped,
                    account.stream,
                    account.dropped,
                    extra=who,
                )

    def _reject_message(self, topic_name: str, error: WireError) -> None:
        self._metrics.wire_errors.labels(error.reason).inc()
        self._news.set()
        if self._complaints.allows((error.reason, topic_name)):
            _log.error("A message on %s is refused: %s", topic_name[:300], error, extra={"reason": error.reason})

    def _on_committed(self, account: StreamAccount, number: int) -> None:
        own = self._own.get(account)
        if own is not None:
            own.done(number)
            return
        account.commit(number)
        self._changed.add(account)
        self._acks.committed(account, number)
        self._news.set()

    def _greet_all(self) -> None:
        """A new connection: tell every agent known who is here, and what is committed."""
        for agent in self._agents:
            spool = next(reversed(agent.spools), None)
            for account in agent.spools[spool].values() if spool else ():
                self._acks.greet(account)
        self._news.set()

    async def _answer(self) -> None:
        while not self._ended:
            await self._news.wait()
            if not self._ended:
                await asyncio.sleep(self._config.ack_delay)
            self._news.clear()
            await self._flush()
        await self._flush()  # what came while the last answers were sent

    async def _flush(self) -> None:
        """Save what is committed, then say so: an agent must not forget what a restart would have us ask for."""
        states = [account.state() for account in self._changed]
        forgotten = [account.state() for account in self._agents.forgotten]
        self._agents.forgotten.clear()
        self._changed.clear()
        answers = self._acks.take()
        if states or forgotten:
            try:
                await asyncio.to_thread(self._save, states, forgotten)
            except (sqlite3.Error, OSError) as error:
                # The sinks have the data, which is what an acknowledgement promises; only the memory of it suffers.
                self._metrics.state_errors.inc()
                if self._complaints.allows("state"):
                    _log.error("The ingest state cannot be saved: %s; after a restart its counts will be off", error)
        for index, answer in enumerate(answers):
            try:
                await self._subscriber.publish(answer.topic, encode_ack(answer.ack))
                self._metrics.acks.inc()
            except Retryable:
                self._acks.put_back(answers[index:])
                return  # said again when the broker is back, by `_greet_all`

    def _save(self, states: Sequence[StreamState], forgotten: Sequence[StreamState]) -> None:
        try:
            self.dead_letters.flush()
        finally:
            self._store.save(states, forgotten)


def _dead_letters_beside(state_path: Path | None) -> DeadLetters:
    if state_path is None:
        return RecentDeadLetters()
    return SqliteDeadLetters(state_path.with_name(f"{state_path.stem}-dead-letters.sqlite"))


async def _within(seconds: float, work: Coroutine[None, None, None]) -> bool:
    """Whether the work was done in time."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True
