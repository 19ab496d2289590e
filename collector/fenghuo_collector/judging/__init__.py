"""Rules that see all agents: what a single school cannot tell (`runs: collector`)."""

from fenghuo_collector.judging.config import RulesConfig
from fenghuo_collector.judging.judge import Judge

__all__ = ["Judge", "RulesConfig"]
