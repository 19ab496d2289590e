"""Sigma documents as people write them, and events to try them on."""

import pytest
import yaml

from fenghuo.clock import VirtualClock
from fenghuo.errors import Place
from fenghuo.model import Event
from fenghuo.rules import Engine
from fenghuo.rules.detection import View, compile_detection
from fenghuo.rules.rule import RuleSet
from fenghuo.rules.sigma import SigmaDocument, load_sigma, read_sigma

START = 1_700_000_000_000


@pytest.fixture
def documents():
    """Text of one file (or several, by name) → Sigma documents."""

    def read(*texts):
        return [
            SigmaDocument(
                data, Place(f"file{number}.yml", 1), lambda path, file=number: Place(f"file{file}.yml", 1, len(path))
            )
            for number, text in enumerate(texts)
            for data in yaml.safe_load_all(text)
            if data is not None
        ]

    return read


@pytest.fixture
def read(documents):
    """Texts of files → what was made of them."""

    def read_all(*texts, **options):
        return read_sigma(documents(*texts), **options)

    return read_all


@pytest.fixture
def matches(read):
    """Whether a rule with this detection, as a mapping, matches an event."""

    def match(detection, event, **more):
        rule = {"title": "a rule", "logsource": {"product": "fenghuo"}, "detection": detection, **more}
        options = rule.pop("options", {})
        result = read(yaml.safe_dump(rule, allow_unicode=True), **options)
        assert [str(problem) for problem in result.problems] == []
        assert [one.reason for one in result.inapplicable] == []
        return compile_detection(result.rules[0].node)(View(event))

    return match


@pytest.fixture
def replay(documents):
    """The alerts of a set of documents over events: pairs of seconds and an ECS document."""

    def run(events, *texts, until=None, restart=None, **options):
        loaded = load_sigma(documents(*texts), **options)
        assert [str(problem) for problem in loaded.problems] == []
        assert [one.reason for one in loaded.inapplicable] == []
        clock = VirtualClock(START)
        engine = Engine(RuleSet(tuple(loaded.rules)), clock=clock, agent="bj/school/gw1")
        alerts = []

        def wait(moment):
            while (due := engine.due) is not None and due < moment:
                clock.set(due)
                alerts.extend(engine.advance(due))
            clock.set(moment)
            alerts.extend(engine.advance(moment))

        for number, (second, document) in enumerate(events):
            time = START + round(second * 1000)
            wait(max(time, clock.now()))
            if number == restart:
                saved = engine.snapshot()
                engine = Engine(RuleSet(tuple(loaded.rules)), clock=clock, agent="bj/school/gw1")
                engine.restore(saved)
            alerts.extend(engine.event(Event(f"e{number}", time, document)))
        if until is not None:
            wait(START + round(until * 1000))
        return [Told(alert) for alert in alerts]

    return run


class Told:
    """An alert step, short."""

    def __init__(self, alert):
        self.alert = alert
        self.title = alert.title
        self.at = (alert.time - START) / 1000
        self.state = str(alert.state)
        self.labels = alert.labels
        self.value = alert.value
        self.level = alert.level
        self.events = list(alert.event_ids)

    def __repr__(self):
        return f"{self.at}s {self.state} {self.title} {self.labels} {self.value} {self.events}"
