"""The agent's own health (configuration key `self`)."""

from __future__ import annotations

from fenghuo_agent.inputs.self_.config import SelfConfig
from fenghuo_agent.inputs.self_.input import SelfInput

__all__ = ["SelfConfig", "SelfInput"]
