"""Taking in what agents send: validated, counted, handed to the sinks, answered."""

from fenghuo_collector.ingest.agents import AgentState, StreamView
from fenghuo_collector.ingest.config import BrokerConfig, IngestConfig
from fenghuo_collector.ingest.deadletters import DeadLetter, DeadLetters, RecentDeadLetters, SqliteDeadLetters
from fenghuo_collector.ingest.ingest import Ingest
from fenghuo_collector.ingest.worker import SinkState

__all__ = [
    "AgentState",
    "BrokerConfig",
    "DeadLetter",
    "DeadLetters",
    "Ingest",
    "IngestConfig",
    "RecentDeadLetters",
    "SinkState",
    "SqliteDeadLetters",
    "StreamView",
]
