"""The `journal` section of the collector's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, LocalPath, Section


class JournalConfig(Section):
    """The journal of alerts, which the feeds and the console read."""

    path: LocalPath = Field(
        default=Path("/var/lib/fenghuo/collector/alerts.sqlite"),
        description="File of the journal, made where it is missing; one collector at a time may use it.",
    )
    retention: Annotated[Duration, Field(ge=3600)] = Field(
        default=90 * 86_400.0, description="How long steps of alerts are kept; what fires now is kept in any case."
    )
    max_steps: Annotated[int, Field(ge=1_000)] = Field(
        default=1_000_000, description="How many steps are kept at most; beyond, the oldest go."
    )
