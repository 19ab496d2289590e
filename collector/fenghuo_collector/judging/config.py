"""The `rules` section of the collector's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, LocalPath, Section


class RulesConfig(Section):
    """What the collector judges by: the rules that say `runs: collector`."""

    paths: list[LocalPath] = Field(
        default_factory=list[Path], description="Rule files and folders; the shipped packs where none is named."
    )
    overlays: list[LocalPath] = Field(
        default_factory=list[Path],
        description="Files and folders of the district's own, beside `paths`: overlays that change rules, and further rules.",
    )
    reload_interval: Annotated[Duration, Field(ge=1, le=3600)] = Field(
        default=5.0, description="How often rule files are looked at for changes."
    )
    path: LocalPath = Field(
        default=Path("/var/lib/fenghuo/collector/rules.sqlite"),
        description="File of the rules' memory and of alerts on their way, made where it is missing.",
    )
    snapshot_interval: Annotated[Duration, Field(gt=0, le=3600)] = Field(
        default=10.0, description="How often the rules' memory is saved."
    )

    def files(self, shipped: Path) -> list[Path]:
        """Where rules and overlays are; `shipped` are the shipped packs."""
        return [*(self.paths or [shipped]), *self.overlays]
