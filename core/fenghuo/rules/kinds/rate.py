"""`rate`: a threshold over the change per second; every field of `data` stands for its rate.

Counters wrap, are reset and are missed now and then: see `fenghuo.rules.runtime.memory`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.kinds.threshold import ConditionBody, ConditionSection, holds_of_condition, read_condition
from fenghuo.rules.language.expression import with_rates
from fenghuo.rules.runtime.lifecycle import Holds


class RateSection(ConditionSection):
    kind: Literal["rate"] = Field(description="The change of a value per second against a limit.")


def _read(section: RateSection, reader: Reader) -> tuple[ConditionBody, Holds] | None:
    parts = read_condition(section, reader)
    if parts is None:
        return None
    data, condition, clear = parts
    return ConditionBody(with_rates(data), condition, clear.condition), holds_of_condition(section, clear)


RATE = Kind("rate", RateSection, _read)
