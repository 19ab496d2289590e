from __future__ import annotations

import functools
import uuid

import pytest
import yaml

from fenghuo.clock import VirtualClock
from fenghuo.model import Layout, Table
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files.load import parse_rules


@functools.cache
def parse(text):
    rules, problems = parse_rules(text.encode(), "rule.yaml")
    assert not problems, problems
    return rules[0]


T0 = VirtualClock().now()


@pytest.fixture
def make_rule():
    """A rule from keys; what is not said is as plain as can be. `hold` stands for `for`."""

    def make(**keys):
        if "hold" in keys:
            keys["for"] = keys.pop("hold")
        name = keys.get("name", "test.rule")
        frame = {"title": "A rule", "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "name": name, "kind": "threshold"}
        return parse(yaml.safe_dump({**frame, "flap": False, **keys}, allow_unicode=True))

    return make


class Run:
    """An engine on a virtual clock; times in seconds from its start. `told` is what came: (second, state, level)."""

    def __init__(self, *rules, **options):
        self.rules = RuleSet(tuple(rules))
        self.clock = VirtualClock(T0)
        self.options = {"agent": "bj/haidian/zgc-no1/gw1", **options}
        self.engine = Engine(self.rules, clock=self.clock, **self.options)
        self.alerts = []
        self.layouts = {}

    def advance(self, second):
        self.clock.set(T0 + round(second * 1000))
        self.alerts += self.engine.advance(self.clock.now())

    def read(self, second, labels, row_labels=None, counters=None, epochs=None, name="test", **columns):
        """Process a table; a column is a list, or one value for a table of one row."""
        row_labels = row_labels or {}
        key = (name, str(labels), str(row_labels), tuple(columns))
        if key not in self.layouts:
            self.layouts[key] = Layout(name, labels, row_labels, tuple(columns), counters or {})
        lists = [value if isinstance(value, list) else [value] for value in columns.values()]
        self.table(Table(self.layouts[key], T0 + round(second * 1000), lists, epochs))

    def table(self, table):
        self.alerts += self.engine.process(table)

    def end(self, second, labels, row_labels=None, name="test", fields=("x",)):
        self.table(Table(Layout(name, labels, row_labels or {}, fields), T0 + round(second * 1000), (), ended=True))

    def restart(self, *, away=0.0, rules=None):
        data = self.engine.snapshot()
        self.clock.advance(away)
        self.rules = RuleSet(tuple(rules)) if rules is not None else self.rules
        self.engine = Engine(self.rules, clock=self.clock, **self.options)
        self.engine.restore(data)

    @property
    def told(self):
        return [((alert.time - T0) / 1000, alert.state.value, alert.level) for alert in self.alerts]

    @property
    def steps(self):
        """(second, state, own labels' values)"""
        return [((alert.time - T0) / 1000, alert.state.value) for alert in self.alerts]


@pytest.fixture
def run():
    return Run
