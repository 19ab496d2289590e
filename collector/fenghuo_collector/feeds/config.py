"""The `feeds` section of the collector's configuration, and the feeds made from it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Self

from prometheus_client import CollectorRegistry
from pydantic import Field, model_validator

from fenghuo.clock import Clock
from fenghuo.config import Section
from fenghuo_collector.feeds.alertmanager import AlertmanagerConfig, AlertmanagerFeed
from fenghuo_collector.feeds.runner import FeedMetrics, FeedRunner
from fenghuo_collector.feeds.webhook import WebhookConfig, WebhookFeed
from fenghuo_collector.incidents.journal import AlertJournal


class FeedsConfig(Section):
    """Who is told of alerts; each entry is a feed with a name and a place in the journal of its own."""

    alertmanager: list[AlertmanagerConfig] = Field(
        default_factory=list[AlertmanagerConfig], description="Alertmanager clusters."
    )
    webhook: list[WebhookConfig] = Field(default_factory=list[WebhookConfig], description="Addresses posted to.")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [feed.name for feed in (*self.alertmanager, *self.webhook)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several feeds are named {', '.join(twice)}: give each a `name` of its own")
        return self


def build_feeds(
    config: FeedsConfig, journal: AlertJournal, *, clock: Clock, random: Random, registry: CollectorRegistry
) -> Sequence[FeedRunner]:
    """A runner for every configured feed; each is to be run (`runner.run()`) in a task of its own."""
    metrics = FeedMetrics(registry)
    runners = [
        FeedRunner(
            AlertmanagerFeed(each, clock=clock),
            journal,
            clock=clock,
            random=random,
            metrics=metrics,
            refresh=each.refresh,
        )
        for each in config.alertmanager
    ]
    runners += [
        FeedRunner(
            WebhookFeed(each, clock=clock),
            journal,
            clock=clock,
            random=random,
            metrics=metrics,
            batch=each.batch,
            refresh=None,
        )
        for each in config.webhook
    ]
    return runners
