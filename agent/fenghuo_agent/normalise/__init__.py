"""Normalising: what inputs read, completed to what the rest of the flow relies on."""

from fenghuo_agent.normalise.events import asset_event, complete

__all__ = ["asset_event", "complete"]
