"""The embedded store: SQLite files for metrics and documents, no server needed."""

from fenghuo_collector.sinks.sqlite.config import SqliteConfig
from fenghuo_collector.sinks.sqlite.query import Series, StoreQuery, cursor
from fenghuo_collector.sinks.sqlite.sink import SqliteSink

__all__ = ["Series", "SqliteConfig", "SqliteSink", "StoreQuery", "cursor"]
