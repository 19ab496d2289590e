"""The tests inside rules, run on a virtual clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fenghuo.clock import VirtualClock
from fenghuo.config import format_duration
from fenghuo.model import Alert, Event, Table
from fenghuo.rules.engine import Engine
from fenghuo.rules.files.section import Expected, RuleTest
from fenghuo.rules.kinds.base import milliseconds
from fenghuo.rules.rule import Rule, RuleSet
from fenghuo.rules.runtime.lifecycle import SETTLE_MS
from fenghuo.rules.tools.readings import START, Arrival, Readings

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
    """All tests of these rules. A rule that others hold back is tested together with them.

    A rule that an overlay changes is tested by the overlay's tests; its own tests are those of the rule as it was.
    """
    by_name = {rule.name: rule for rule in rules.rules}
    asked = tuple(rules.rules if only is None else only)
    outcomes = [run_test(rule, case, by_name) for rule in asked for case in rule.tests]
    names = {rule.name for rule in asked}
    bases = {overlay.base.name: overlay.base for overlay in rules.overlays if overlay.base.name in names}
    before = by_name | bases
    outcomes += [run_test(rule, case, before) for rule in bases.values() for case in rule.tests]
    return outcomes


def run_test(rule: Rule, case: RuleTest, by_name: Mapping[str, Rule]) -> Outcome:
    """One test, with the rules that hold this one back or that it stands on; their alerts count where the test names them."""
    return run_case(rule, case, RuleSet(tuple(together_with(rule, by_name))))


def run_case(rule: Rule, case: RuleTest, rules: RuleSet) -> Outcome:
    """One test of a rule among others. Alerts of the others count only where the test names them."""
    named = {rule.name, *(expected.rule for expected in case.expect if expected.rule)}
    arrivals = arrivals_of(rule, case)
    alerts = [alert for alert in play(rules, case, arrivals)[0] if alert.rule_name in named]
    alerts.sort(key=lambda alert: alert.time)
    came = tuple(_line(alert, rule) for alert in alerts)
    times = {each.what.id: each.what.time for each in arrivals if isinstance(each.what, Event)}
    return Outcome(rule, case, tuple(_differences(rule, case.expect, alerts, times)), came)


def together_with(rule: Rule, by_name: Mapping[str, Rule]) -> list[Rule]:
    """A rule, those that hold it back, those whose alerts it observes, and theirs."""
    found = {rule.name: rule}
    waiting = [rule]
    while waiting:
        for name in speaks_of(waiting.pop()):
            if name in by_name and name not in found:
                found[name] = by_name[name]
                waiting.append(by_name[name])
    return list(found.values())


def speaks_of(rule: Rule) -> Iterator[str]:
    """The names of the rules that hold a rule back, and of those whose alerts it observes."""
    if rule.section.suppress_if:
        yield from rule.section.suppress_if.rules
    for selection in rule.observer.selections if rule.observer else ():
        yield from selection.rules


def arrivals_of(rule: Rule, case: RuleTest) -> list[Arrival]:
    """What comes in a test of a rule, in order."""
    dataset = getattr(rule.section, "dataset", None) or [""]
    return Readings(rule.section.measurement, dataset[0]).of(case)


def play(rules: RuleSet, case: RuleTest, arrivals: Sequence[Arrival]) -> tuple[list[Alert], Engine]:
    """The alert steps that the arrivals of a test make, and the engine that told them."""
    clock = VirtualClock(START)
    engine = Engine(rules, clock=clock, agent=_AGENT)
    alerts: list[Alert] = []
    for arrival in arrivals:
        alerts += _let_pass(engine, clock, arrival.moment)
        if arrival.what is None:
            engine = _restarted(engine, rules, clock)
        else:
            alerts += _give(engine, arrival.what)
    end = _end(case, arrivals)
    alerts += _let_pass(engine, clock, end + SETTLE_MS + max(rule.lateness for rule in rules.rules))
    return [alert for alert in alerts if alert.time <= end], engine


def _give(engine: Engine, what: Table | Event | Alert) -> list[Alert]:
    match what:
        case Table():
            return engine.process(what)
        case Event():
            return engine.event(what)
        case Alert():
            return engine.alert(what)


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


def _differences(
    rule: Rule, expected: Sequence[Expected], alerts: Sequence[Alert], times: Mapping[str, int]
) -> list[str]:
    found: list[str] = []
    for number, (want, alert) in enumerate(zip(expected, alerts, strict=False), 1):
        wrong = _mismatches(rule, want, alert, times)
        if wrong:
            found.append(f"alert {number}: {'; '.join(wrong)}")
    found += [f"expected and did not come: {_wanted(want)}" for want in expected[len(alerts) :]]
    found += [f"came and was not expected: {_line(alert, rule)}" for alert in alerts[len(expected) :]]
    return found


def _mismatches(rule: Rule, want: Expected, alert: Alert, times: Mapping[str, int]) -> list[str]:
    pairs: list[tuple[str, object, object]] = [
        ("at", format_duration(want.at), _at(alert)),
        ("state", want.state, alert.state.value),
        ("rule", want.rule or rule.name, alert.rule_name),
    ]
    optional = {"level": want.level, "message": want.message, "message_zh": want.message_zh}
    pairs += [(key, value, getattr(alert, key)) for key, value in optional.items() if value is not None]
    pairs += [
        (key, _label(value), alert.labels.get(_plain(key), "")) for key, value in (want.model_extra or {}).items()
    ]
    pairs += _event_pairs(want, alert, times)
    if want.group is not None:
        own = {key: value for key, value in alert.labels.items() if key not in rule.section.labels}
        pairs.append(("group", {_plain(key): _label(value) for key, value in want.group.items()}, own))
    wrong = [f"{key} should be {wanted!s}, is {is_!s}" for key, wanted, is_ in pairs if wanted != is_]
    if want.value is not None and (alert.value is None or not math.isclose(want.value, alert.value, rel_tol=1e-6)):
        wrong.append(f"value should be {want.value}, is {alert.value}")
    return wrong


def _event_pairs(want: Expected, alert: Alert, times: Mapping[str, int]) -> Iterator[tuple[str, object, object]]:
    """What is expected of the events that an alert names, and what is."""
    if want.events is not None:
        yield "events", want.events, list(alert.event_ids)
    if want.count is not None:
        yield "count", want.count, alert.evidence.get("events", 0)
    known = sorted(times[id_] for id_ in alert.event_ids if id_ in times)
    for key, moment, index in (("first", want.first, 0), ("last", want.last, -1)):
        if moment is not None:
            yield key, format_duration(moment), format_duration((known[index] - START) / 1000) if known else "none"


def _plain(label: str) -> str:
    """A label as alerts have it: `source.ip` is `source_ip` there."""
    return label.replace(".", "_").replace("@", "_").replace("-", "_")


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at(alert: Alert) -> str:
    return format_duration((alert.time - START) / 1000)


def _wanted(want: Expected) -> str:
    parts = [format_duration(want.at), want.state, want.level or "", want.rule or ""]
    parts += [f"{key}={value}" for key, value in (want.model_extra or {}).items()]
    return " ".join(part for part in parts if part)


def _line(alert: Alert, rule: Rule) -> str:
    labels = " ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
    name = "" if alert.rule_name == rule.name else f" {alert.rule_name}"
    events = f" {','.join(alert.event_ids)}" if alert.event_ids else ""
    return f"{_at(alert)} {alert.state.value} {alert.level}{name} {labels} {alert.message!r}{events}"
