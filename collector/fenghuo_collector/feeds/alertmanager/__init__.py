"""Feed to Prometheus's Alertmanager."""

from fenghuo_collector.feeds.alertmanager.config import AlertmanagerConfig
from fenghuo_collector.feeds.alertmanager.feed import AlertmanagerFeed

__all__ = ["AlertmanagerConfig", "AlertmanagerFeed"]
