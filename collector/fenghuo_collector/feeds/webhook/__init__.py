"""Feed by signed HTTP posts of JSON."""

from fenghuo_collector.feeds.webhook.config import WebhookConfig
from fenghuo_collector.feeds.webhook.feed import WebhookFeed
from fenghuo_collector.feeds.webhook.signature import HEADER, sign, verify

__all__ = ["HEADER", "WebhookConfig", "WebhookFeed", "sign", "verify"]
