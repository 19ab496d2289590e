"""A profile and a recording, both written within a test, and what is read of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fenghuo_agent.profiles import Library
from fenghuo_agent.survey.document import survey
from fenghuo_agent.survey.recording import Recording

SYSTEM = """\
1.3.6.1.2.1.1.1.0|4|Test device, release 4.2
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.99998.1
1.3.6.1.2.1.1.3.0|67|12345
1.3.6.1.2.1.1.5.0|4|box
"""
HEAD = "name: box\nmatch: {sysObjectID: 1.3.6.1.4.1.99998}\n"


def library(folder: Path, **profiles: str) -> Library:
    """The shipped profiles and these: file stem (with _ for -) → text."""
    for name, text in profiles.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text)
    return Library.load([folder])


def read(folder: Path, profile: str, walk: str) -> dict[str, Any]:
    """The document of a device that answers the system group and `walk`, with `profile` (its head left out) as its own."""
    recording = folder / "walk.snmprec"
    recording.write_text(SYSTEM + walk)
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    return asyncio.run(survey(Recording(recording), library(profiles, box=HEAD + profile), lambda: 0.0))


def sensors(folder: Path, profile: str, walk: str) -> list[tuple[str, float, str]]:
    """Name, value and state of each sensor."""
    return [(each["name"], each["value"], each["state"]) for each in read(folder, profile, walk)["sensors"]]
