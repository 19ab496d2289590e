"""The tests inside rules, run on a virtual clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fenghuo.clock import VirtualClock
from fenghuo.config import format_duration
from fenghuo.model import Alert
from fenghuo.rules.engine import Engine
from fenghuo.rules.kinds.base import milliseconds
from fenghuo.rules.lifecycle import SETTLE_MS
from fenghuo.rules.readings import START, Arrival, Readings
from fenghuo.rules.rule import Rule, RuleSet
from fenghuo.rules.section import Expected, RuleTest

_AGENT = "test/agent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went. `differences` is empty where it passed; `came` is what came, one line an alert."""

    rule: Rule
    case: RuleTest
    differences: tuple[str, ...]
    came: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


def run_tests(rules: RuleSet, only: Iterable[Rule] | None = None) -> list[Outcome]:
    """All tests of these rules. A rule that others hold back is tested together with them."""
    by_name = {rule.name: rule for rule in rules.rules}
    return [run_test(rule, case, by_name) for rule in (rules.rules if only is None else only) for case in rule.tests]


def run_test(rule: Rule, case: RuleTest, by_name: Mapping[str, Rule]) -> Outcome:
    """One test. Alerts of rules that hold this one back count only where the test names them."""
    together = _with_suppressors(rule, by_name)
    named = {rule.name, *(expected.rule for expected in case.expect if expected.rule)}
    alerts = [alert for alert in replay(RuleSet(tuple(together)), rule, case) if alert.rule_name in named]
    alerts.sort(key=lambda alert: alert.time)
    came = tuple(_line(alert, rule) for alert in alerts)
    return Outcome(rule, case, tuple(_differences(rule, case.expect, alerts)), came)


def _with_suppressors(rule: Rule, by_name: Mapping[str, Rule]) -> list[Rule]:
    found = {rule.name: rule}
    waiting = [rule]
    while waiting:
        suppression = waiting.pop().section.suppress_if
        for name in suppression.rules if suppression else ():
            if name in by_name and name not in found:
                found[name] = by_name[name]
                waiting.append(by_name[name])
    return list(found.values())


def replay(rules: RuleSet, rule: Rule, case: RuleTest) -> list[Alert]:
    """The alert steps that a test's input makes."""
    clock = VirtualClock(START)
    engine = Engine(rules, clock=clock, agent=_AGENT)
    arrivals = Readings(rule.section.measurement).of(case)
    alerts: list[Alert] = []
    for arrival in arrivals:
        alerts += _let_pass(engine, clock, arrival.moment)
        if arrival.table is None:
            engine = _restarted(engine, rules, clock)
        else:
            alerts += engine.process(arrival.table)
    end = _end(case, arrivals)
    alerts += _let_pass(engine, clock, end + SETTLE_MS + rule.lateness)
    return [alert for alert in alerts if alert.time <= end]


def _let_pass(engine: Engine, clock: VirtualClock, moment: int) -> list[Alert]:
    """Advance from one timer to the next, as a caller who looks often would."""
    alerts: list[Alert] = []
    while (due := engine.due) is not None and due < moment:
        clock.set(due)
        alerts += engine.advance(max(due, clock.now()))
    clock.set(moment)
    return alerts + engine.advance(moment)


def _restarted(engine: Engine, rules: RuleSet, clock: VirtualClock) -> Engine:
    fresh = Engine(rules, clock=clock, agent=_AGENT)
    fresh.restore(engine.snapshot())
    return fresh


def _end(case: RuleTest, arrivals: Sequence[Arrival]) -> int:
    last = max((arrival.moment for arrival in arrivals), default=START)
    return last if case.run is None else max(last, START + milliseconds(case.run))


def _differences(rule: Rule, expected: Sequence[Expected], alerts: Sequence[Alert]) -> list[str]:
    found: list[str] = []
    for number, (want, alert) in enumerate(zip(expected, alerts, strict=False), 1):
        wrong = _mismatches(rule, want, alert)
        if wrong:
            found.append(f"alert {number}: {'; '.join(wrong)}")
    found += [f"expected and did not come: {_wanted(want)}" for want in expected[len(alerts) :]]
    found += [f"came and was not expected: {_line(alert, rule)}" for alert in alerts[len(expected) :]]
    return found


def _mismatches(rule: Rule, want: Expected, alert: Alert) -> list[str]:
    pairs: list[tuple[str, object, object]] = [
        ("at", format_duration(want.at), _at(alert)),
        ("state", want.state, alert.state.value),
        ("rule", want.rule or rule.name, alert.rule_name),
    ]
    optional = {"level": want.level, "message": want.message, "message_zh": want.message_zh}
    pairs += [(key, value, getattr(alert, key)) for key, value in optional.items() if value is not None]
    pairs += [(key, str(value), alert.labels.get(key, "")) for key, value in (want.model_extra or {}).items()]
    wrong = [f"{key} should be {wanted!s}, is {is_!s}" for key, wanted, is_ in pairs if wanted != is_]
    if want.value is not None and (alert.value is None or not math.isclose(want.value, alert.value, rel_tol=1e-6)):
        wrong.append(f"value should be {want.value}, is {alert.value}")
    return wrong


def _at(alert: Alert) -> str:
    return format_duration((alert.time - START) / 1000)


def _wanted(want: Expected) -> str:
    parts = [format_duration(want.at), want.state, want.level or "", want.rule or ""]
    parts += [f"{key}={value}" for key, value in (want.model_extra or {}).items()]
    return " ".join(part for part in parts if part)


def _line(alert: Alert, rule: Rule) -> str:
    labels = " ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
    name = "" if alert.rule_name == rule.name else f" {alert.rule_name}"
    return f"{_at(alert)} {alert.state.value} {alert.level}{name} {labels} {alert.message!r}"
