"""What may be said about a series beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SENSITIVITIES: Mapping[str, float] = MappingProxyType({"low": 0.01, "medium": 0.05, "high": 0.5})
"""Name → false alerts expected per series and month of stationary noise."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a detector judges.

    `sensitivity`  false alerts expected per series and month (30 days)
    `direction`    only what lies above (`up`) or below (`down`) the expected, or `both`
    `season`       `auto`: day and week where the data show them; `day`: never the week; `week`: the week as soon as one
                   was seen; `none`: no season
    `learn`        milliseconds after the first value before anything is an alert
    `min_absolute`, `min_relative`  a deviation smaller than this, or than this part of the expected, is of no interest
    """

    sensitivity: float = SENSITIVITIES["medium"]
    direction: Literal["both", "up", "down"] = "both"
    season: Literal["auto", "none", "day", "week"] = "auto"
    learn: int = 0
    min_absolute: float = 0.0
    min_relative: float = 0.0
