from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo_agent.spool import Spool, SpoolConfig


@dataclass
class Place:
    """Where a test's spool lies, and the clock it goes by."""

    path: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def open(self, **options) -> Spool:
        self.registry = CollectorRegistry()
        return Spool.open(SpoolConfig(path=self.path, **{"reserve": 0, **options}), self.clock, self.registry)

    @contextlib.asynccontextmanager
    async def opened(self, **options) -> AsyncIterator[Spool]:
        spool = self.open(**options)
        try:
            yield spool
        finally:
            await spool.close()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"fenghuo_agent_spool_{name}", labels) or 0.0


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "spool.db")
