"""A real broker for ingest."""

from __future__ import annotations

from servers.mosquitto import broker

__all__ = ["broker"]
