"""The agent's transport: spooled batches over MQTT to the collector, acknowledged end to end."""

from __future__ import annotations

from fenghuo_agent.transport.config import TransportConfig
from fenghuo_agent.transport.transport import Transport

__all__ = ["Transport", "TransportConfig"]
