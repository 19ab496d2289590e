"""The spool's section of the configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from fenghuo.config import Duration, LocalPath, Section, Size


class SpoolConfig(Section):
    """Where and how much the agent keeps of what is not yet delivered."""

    path: LocalPath = Field(
        default=Path("/var/lib/fenghuo/agent/spool.db"),
        description="The spool's file; its folder is made where it does not exist.",
    )
    cap: Size = Field(
        default=512 * 2**20,
        ge=2**18,
        description="Most bytes that undelivered batches may take on disk; beyond them the oldest metrics go first.",
    )
    memory: Size = Field(
        default=16 * 2**20,
        ge=2**18,
        description="Most bytes of batches that wait in memory for a slow or full disk; beyond them the oldest metrics go first.",
    )
    reserve: Size = Field(
        default=2 * 2**20,
        description="Room kept allocated in the file, so that delivery goes on while other programs fill the disk.",
    )
    backfill_after: Duration = Field(
        default=60.0,
        gt=0,
        description="Age of the oldest undelivered metrics from which newer ones queue behind the live ones, as backfill.",
    )
