"""What each rule costs and says, for Prometheus.

What an event costs until it is known which rules it is about is shared by all of them, and told once, without a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from fenghuo.rules.engine import Engine
    from fenghuo.rules.runtime.plan import RuleState

_COUNTERS: tuple[tuple[str, str, str], ...] = (
    ("evaluations", "evaluations", "Tables or observations that the rule judged."),
    ("matches", "matches", "Rows or measures whose condition was true."),
    ("alerts", "alerts", "Alert steps that the rule told."),
    ("evictions", "evictions", "Entities that the rule gave up for want of room."),
    ("given_up", "given_up", "Observations and values that its windows gave up for want of room."),
    ("late", "late", "Tables and events that came too late to be judged."),
    ("ungrouped", "ungrouped", "Events that lack a field of group_by."),
    ("throttled", "throttled", "Alerts that throttle held back."),
)
"""Attribute of the rule's state, metric, meaning."""
_RARE = frozenset({"given_up", "ungrouped", "throttled"})
"""These are shown once they are not 0: an agent has many rules, and every series costs something."""


class RuleMetrics(Collector):
    """The counts of all rules of an engine, read when they are asked for.

    `engine` answers with the engine that runs now, so that a reload needs no new registration.
    """

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """The families without values: registering asks nothing of the engine."""
        return list(_families((), 0, 0))

    def collect(self) -> Iterator[Metric]:
        """The families of now."""
        engine = self._engine()
        if engine is not None:
            yield from _families(engine.states, engine.matching.nanoseconds, engine.ahead)


def register_rules(registry: CollectorRegistry, engine: Callable[[], Engine | None]) -> None:
    """Show what the rules of an engine cost and say."""
    registry.register(RuleMetrics(engine))


def _families(states: Iterable[RuleState], matching: int, ahead: int) -> Iterator[Metric]:
    states = list(states)
    for attribute, name, meaning in _COUNTERS:
        counter = CounterMetricFamily(f"fenghuo_rule_{name}", meaning, labels=["rule"])
        for state in states:
            count = getattr(state, attribute, 0)
            if count or attribute not in _RARE:
                counter.add_metric([state.rule.name], count)
        yield counter
    groups = GaugeMetricFamily(
        "fenghuo_rule_groups",
        "Entities that the rule keeps: pending, firing, damped, or with a window.",
        labels=["rule"],
    )
    cpu = CounterMetricFamily(
        "fenghuo_rule_cpu_seconds", "CPU time of the rule's evaluations, from samples.", labels=["rule"]
    )
    for state in states:
        groups.add_metric([state.rule.name], state.groups + len(state.cells))
        cpu.add_metric([state.rule.name], state.meter.nanoseconds / 1e9)
    yield groups
    yield cpu
    yield CounterMetricFamily(
        "fenghuo_rules_matching_cpu_seconds",
        "CPU time of finding the rules that an event is about, from samples; shared by all rules.",
        value=matching / 1e9,
    )
    yield CounterMetricFamily(
        "fenghuo_rules_ahead",
        "Readings and events of the future, by a wrong clock, which were judged as of now.",
        value=ahead,
    )
