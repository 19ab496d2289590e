"""Lists of indicators of compromise: domains, addresses, networks, hashes and URLs, millions of them in little memory."""

from fenghuo.rules.indicators.registry import Indicators, ListHandle, ListStatus
from fenghuo.rules.indicators.source import Columns, ListSource
from fenghuo.rules.indicators.store import Bounds, Hit, IndicatorSet, ListInfo, set_of
from fenghuo.rules.indicators.values import Type

__all__ = [
    "Bounds",
    "Columns",
    "Hit",
    "IndicatorSet",
    "Indicators",
    "ListHandle",
    "ListInfo",
    "ListSource",
    "ListStatus",
    "Type",
    "set_of",
]
