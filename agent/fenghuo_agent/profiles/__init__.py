"""Profiles: files that say what a device of a make is, and what can be read of it.

`Library` finds the profile of a device, `identify` says who it is, `collect` walks what its profiles name, and
`sensors_of` makes sensors of that.
"""

from __future__ import annotations

from fenghuo_agent.profiles.collect import Collected, collect
from fenghuo_agent.profiles.evaluate import Measured, Sensor, sensors_of
from fenghuo_agent.profiles.grids import Grid, grids_of
from fenghuo_agent.profiles.identify import Identity, identify
from fenghuo_agent.profiles.library import Library
from fenghuo_agent.profiles.profile import Metric, Profile, Reading

__all__ = [
    "Collected", "Grid", "Identity", "Library", "Measured", "Metric", "Profile", "Reading", "Sensor", "collect", "grids_of", "identify", "sensors_of",
]  # fmt: skip
