"""The `self` section of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, Section


class SelfConfig(Section):
    """The agent's own health, as readings like any other."""

    interval: Annotated[Duration, Field(ge=1, le=3600)] = Field(
        default=30.0, description="Time from one reading of the agent's own metrics to the next."
    )
