"""Streaming anomaly detection of one series: what is usual is learnt from the series itself, without labels."""

from __future__ import annotations

from fenghuo.rules.anomaly.counter import CounterRate
from fenghuo.rules.anomaly.detector import Detector
from fenghuo.rules.anomaly.options import SENSITIVITIES, Options
from fenghuo.rules.anomaly.score import Cause, Score

__all__ = ["SENSITIVITIES", "Cause", "CounterRate", "Detector", "Options", "Score"]
