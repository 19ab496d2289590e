"""The kinds of rules: what the body of each may hold, and how it behaves."""

from __future__ import annotations

from collections.abc import Mapping

from fenghuo.rules.kinds.absence import ABSENCE
from fenghuo.rules.kinds.aggregate import AGGREGATE
from fenghuo.rules.kinds.allow import ALLOW
from fenghuo.rules.kinds.anomaly import ANOMALY
from fenghuo.rules.kinds.base import Kind
from fenghuo.rules.kinds.beacon import BEACON
from fenghuo.rules.kinds.cardinality import CARDINALITY
from fenghuo.rules.kinds.change import CHANGE
from fenghuo.rules.kinds.composite import COMPOSITE
from fenghuo.rules.kinds.deny import DENY
from fenghuo.rules.kinds.frequency import FREQUENCY
from fenghuo.rules.kinds.indicator import INDICATOR
from fenghuo.rules.kinds.match import MATCH
from fenghuo.rules.kinds.new_value import NEW_VALUE
from fenghuo.rules.kinds.rate import RATE
from fenghuo.rules.kinds.ratio import RATIO
from fenghuo.rules.kinds.sequence import SEQUENCE
from fenghuo.rules.kinds.spike import SPIKE
from fenghuo.rules.kinds.threshold import THRESHOLD

KINDS: Mapping[str, Kind] = {
    "match": MATCH,
    "threshold": THRESHOLD,
    "rate": RATE,
    "change": CHANGE,
    "absence": ABSENCE,
    "frequency": FREQUENCY,
    "cardinality": CARDINALITY,
    "ratio": RATIO,
    "spike": SPIKE,
    "aggregate": AGGREGATE,
    "new_value": NEW_VALUE,
    "sequence": SEQUENCE,
    "beacon": BEACON,
    "composite": COMPOSITE,
    "anomaly": ANOMALY,
    "indicator": INDICATOR,
    "allow": ALLOW,
    "deny": DENY,
}

__all__ = ["KINDS", "Kind"]
