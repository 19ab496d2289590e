"""The agent's spool: what was read and not yet delivered, on disk, numbered and counted."""

from __future__ import annotations

from fenghuo_agent.spool.batch import Entry, SpooledBatch, StreamDepth
from fenghuo_agent.spool.config import SpoolConfig
from fenghuo_agent.spool.spool import Spool

__all__ = ["Entry", "Spool", "SpoolConfig", "SpooledBatch", "StreamDepth"]
