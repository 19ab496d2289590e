"""The collector as a whole: broker ─► ingest ─► sinks, rules across agents, journal ─► feeds, console."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from random import Random

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from fenghuo.clock import Clock, SystemClock
from fenghuo.errors import of_file
from fenghuo.ids import uuid7
from fenghuo.lock import FileLock
from fenghuo.model import AgentId, Site
from fenghuo.packs import packs_path
from fenghuo.rules import AHEAD_MS, Engine, RuleSet
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.reload import ReloadMetrics, RuleFiles, watch
from fenghuo.rules.runtime.telemetry import register_rules
from fenghuo.supervisor import Supervisor, until_possible
from fenghuo_collector.broker import EmbeddedBroker, EmbeddedBrokerConfig
from fenghuo_collector.config import CollectorConfig
from fenghuo_collector.console.auth import Accounts, OneTimeLink
from fenghuo_collector.console.server import listen, serve
from fenghuo_collector.console.web import build
from fenghuo_collector.district import District
from fenghuo_collector.feeds.config import build_feeds
from fenghuo_collector.incidents import AlertJournal
from fenghuo_collector.ingest import BrokerConfig, Ingest, IngestConfig
from fenghuo_collector.judging import Judge
from fenghuo_collector.latest import Latest
from fenghuo_collector.sinks import build_sinks
from fenghuo_collector.sinks.prometheus.exposition import Exposition
from fenghuo_collector.sinks.sqlite.sink import SqliteSink

_log = logging.getLogger(__name__)


async def run(config: CollectorConfig) -> None:
    """Take in, store, tell and show until cancelled. Raises what makes a start impossible."""
    # A batch of events makes tens of thousands of small dicts that live for a moment: looking through all of them for
    # cycles at every 700 costs a third of the time that they take.
    gc.set_threshold(100_000, 20, 50)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    async with started(config, SystemClock(), Random(), registry) as parts, asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part())


@contextlib.asynccontextmanager
async def started(
    config: CollectorConfig, clock: Clock, random: Random, registry: CollectorRegistry
) -> AsyncGenerator[Sequence[Callable[[], Coroutine[None, None, None]]]]:
    """The collector's parts, ready to run. Ingest is its heart: where it fails, the process ends and is started anew."""
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(_lock(config).release)
        broker = await _broker(config, stack)
        journal = AlertJournal(config.journal, clock=clock, registry=registry)
        latest = Latest(config.latest, clock=clock, registry=registry)
        sinks = build_sinks(config.sinks, clock, registry)
        files = _rule_files(config, clock)
        rules = files.load()
        judge = _judge(config, rules, clock, registry)
        reloads = ReloadMetrics(registry, rules)
        register_rules(registry, lambda: judge.engine)
        settings = IngestConfig(
            broker=broker, site=config.site, group=config.group, limits=config.limits, delivery=config.delivery
        )

        async def attempt() -> Ingest:
            return Ingest(
                settings,
                [journal, *sinks, latest, judge],
                clock=clock,
                random=random,
                registry=registry,
                collector_id=uuid7(clock.now()),
                state_path=config.data / "ingest.sqlite",
            )

        ingest = await until_possible("the collector's start", attempt, random)
        judge.connect(ingest.own_stream)
        store = next((sink.query for sink in sinks if isinstance(sink, SqliteSink)), None)
        district = District(Site(config.site), clock, ingest, latest, journal, store)
        exposition = Exposition(latest)
        accounts = Accounts(config.console.users, config.data / "users.json")
        app = build(config.console, district, clock, accounts, lambda: exposition.scrape() + generate_latest(registry))
        sock = listen(config.console.listen)
        stack.callback(sock.close)
        _say_where(config, app.state.console.link, sock.getsockname()[1])

        supervisor = Supervisor(random, registry=registry, prefix="fenghuo_collector_part", clock=clock)
        supervisor.add("console", lambda: serve(app, sock))
        for runner in build_feeds(config.feeds, journal, clock=clock, random=random, registry=registry):
            supervisor.add(f"feed {runner.name}", runner.run)
        supervisor.add("rules", judge.run)
        supervisor.add("rule files", lambda: watch(files, judge.use, reloads, interval=config.rules.reload_interval))
        yield ingest.run, supervisor.run


def _rule_files(config: CollectorConfig, clock: Clock) -> RuleFiles:
    lists = Lists(clock=clock, background=True)
    files = RuleFiles(config.rules.files(packs_path()), side="collector", lists=lists)
    lists.refresh()
    return files


def _judge(config: CollectorConfig, rules: RuleSet, clock: Clock, registry: CollectorRegistry) -> Judge:
    """The engine of the rules that run here; it speaks as the agent `collector` of the collector's site."""
    engine = Engine(rules, clock=clock, ahead_ms=AHEAD_MS)
    speaker = AgentId(Site(config.site), "collector")
    return Judge(engine, config.rules, speaker, clock, os.urandom, registry)


def _lock(config: CollectorConfig) -> FileLock:
    """The folder of what the collector keeps, made where it is missing, for this process alone."""
    what = f"the folder {config.data}"
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        return FileLock(
            config.data / "collector.lock",
            what,
            "stop that collector first, or give this one a `data` folder of its own",
        )
    except OSError as error:
        raise of_file(what, error) from None


async def _broker(config: CollectorConfig, stack: contextlib.AsyncExitStack) -> BrokerConfig:
    """How to reach the broker: the one that is named, or the embedded one, which is started here."""
    if config.broker is not None:
        return config.broker
    embedded = EmbeddedBroker(config.embedded_broker or EmbeddedBrokerConfig())
    await embedded.start()
    stack.push_async_callback(embedded.stop)
    return embedded.client_config()


def _say_where(config: CollectorConfig, link: OneTimeLink | None, port: int) -> None:
    host = config.console.listen.rpartition(":")[0]
    address = f"http://{host}:{port}"
    _log.info("collector of %s runs; console at %s", config.site, address)
    if link is not None:
        # Shown once, on the terminal or in the journal of whoever started us; it is no standing password.
        print(  # noqa: T201 — asked for: the first start prints a one-time link
            f"首次登录 First login, within an hour: {address}/first-login?token={link.token}",
            file=sys.stderr,
            flush=True,
        )
