"""Feeds: whom the collector tells of alerts, in one explicit list."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock

if TYPE_CHECKING:
    from fenghuo_collector.config import FeedsConfig
    from fenghuo_collector.feeds.runner import FeedRunner
    from fenghuo_collector.incidents.journal import AlertJournal


def build_feeds(
    config: FeedsConfig, journal: AlertJournal, clock: Clock, random: Random, registry: CollectorRegistry
) -> list[FeedRunner]:
    """A runner for every feed that the configuration asks for."""
    from fenghuo_collector.feeds.alertmanager.feed import AlertmanagerFeed  # noqa: PLC0415 — the journal imports Step
    from fenghuo_collector.feeds.runner import FeedMetrics, FeedRunner  # noqa: PLC0415 — see above
    from fenghuo_collector.feeds.webhook.feed import WebhookFeed  # noqa: PLC0415 — see above

    metrics = FeedMetrics(registry)
    runners = [
        FeedRunner(
            AlertmanagerFeed(feed, clock=clock),
            journal,
            clock=clock,
            random=random,
            metrics=metrics,
            refresh=feed.refresh,
        )
        for feed in config.alertmanager
    ]
    runners += [
        FeedRunner(WebhookFeed(feed, clock=clock), journal, clock=clock, random=random, metrics=metrics, refresh=None)
        for feed in config.webhook
    ]
    return runners
