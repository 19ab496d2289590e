"""A broker inside the collector, for sites that want no server of its own."""

from fenghuo_collector.broker.broker import EmbeddedBroker
from fenghuo_collector.broker.config import EmbeddedBrokerConfig, UserConfig

__all__ = ["EmbeddedBroker", "EmbeddedBrokerConfig", "UserConfig"]
