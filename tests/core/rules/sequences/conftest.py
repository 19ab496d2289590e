from __future__ import annotations

import uuid

import pytest
import yaml

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files.load import parse_rules

T0 = VirtualClock().now()


def document(**keys):
    name = keys.get("name", "test.rule")
    frame = {"title": "A rule", "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "name": name, "flap": False}
    return yaml.safe_dump({**frame, **keys}, allow_unicode=True)


@pytest.fixture
def make():
    """A rule from its keys."""

    def make(**keys):
        rules, problems = parse_rules(document(**keys).encode(), "rule.yaml")
        assert not problems, problems
        return rules[0]

    return make


@pytest.fixture
def refused():
    """What is said of a rule that cannot be loaded."""

    def refused(**keys):
        rules, problems = parse_rules(document(**keys).encode(), "rule.yaml")
        assert not rules
        return [str(problem) for problem in problems]

    return refused


class Run:
    """An engine on a virtual clock; times in seconds from its start."""

    def __init__(self, *rules, **options):
        self.rules = RuleSet(tuple(rules))
        self.clock = VirtualClock(T0)
        self.options = {"agent": "bj/haidian/zgc-no1/gw1", **options}
        self.engine = Engine(self.rules, clock=self.clock, **self.options)
        self.alerts = []
        self.number = 0

    def advance(self, second):
        self.clock.set(T0 + round(second * 1000))
        self.alerts += self.engine.advance(self.clock.now())

    def event(self, second, agent=None, **fields):
        """An event; `__` in a name stands for a dot. Time passes up to it first."""
        self.advance(max(second, (self.clock.now() - T0) / 1000))
        self.number += 1
        document = {name.replace("__", "."): value for name, value in fields.items()}
        event = Event(f"e{self.number}", T0 + round(second * 1000), document)
        self.alerts += self.engine.event(event, agent)

    def restart(self):
        data = self.engine.snapshot()
        self.engine = Engine(self.rules, clock=self.clock, **self.options)
        self.engine.restore(data)

    @property
    def told(self):
        return [((alert.time - T0) / 1000, alert.state.value) for alert in self.alerts]


@pytest.fixture
def run():
    return Run
