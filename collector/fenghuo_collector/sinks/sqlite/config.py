"""The `sqlite` section of the collector's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, LocalPath, Section

DAY = 86_400.0


class SqliteConfig(Section):
    """The embedded store: events with full-text search and metrics in compressed chunks, in one folder."""

    path: LocalPath = Field(
        default=Path("/var/lib/fenghuo/collector/store"),
        description="Folder of the store's files, made where it is missing; one collector at a time may use it.",
    )
    required: bool = Field(
        default=True, description="Whether agents keep what they sent until this store has it on disk."
    )
    metrics: bool = Field(default=True, description="Whether metrics are stored here.")
    events: bool = Field(default=True, description="Whether events, alerts and assets are stored here.")
    metrics_retention: Annotated[Duration, Field(ge=3600)] = Field(
        default=7 * DAY, description="How long metrics are kept."
    )
    events_retention: Annotated[Duration, Field(ge=3600)] = Field(
        default=90 * DAY, description="How long events, alerts and assets are kept."
    )
    window: Annotated[Duration, Field(ge=60, le=DAY)] = Field(
        default=7200.0,
        description="How much time one compressed chunk of metrics covers; longer is smaller on disk and slower to draw.",
    )
    maintenance_interval: Annotated[Duration, Field(ge=0.05)] = Field(
        default=60.0, description="How often metrics are compacted and old data deleted."
    )

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.sqlite"

    @property
    def events_file(self) -> Path:
        return self.path / "events.sqlite"
