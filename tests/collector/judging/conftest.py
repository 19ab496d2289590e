"""A real broker."""

from __future__ import annotations

from servers.mosquitto import broker

__all__ = ["broker"]
