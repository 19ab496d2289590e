"""Kind `indicator` in the engine: what an alert says, whose lists count, and lists that change under a running rule."""

from __future__ import annotations

import os

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, load_rules
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.indicators import Indicators
from fenghuo.rules.kinds.indicator import MAX_VALUES

RULE = """title: A rule
id: 00000000-0000-4000-8000-00000000000{number}
name: test.rule-{number}
kind: indicator
culprit: {{ip: source.ip}}
message: "{{indicator}} {{type}} {{list}} {{confidence}} {{field}} {{observed}} {{description}}"
flap: false
{body}
"""


class Running:
    def __init__(self, folder, *bodies, lists=None):
        self.folder = folder
        self.clock = VirtualClock()
        documents = [RULE.format(number=number, body=body) for number, body in enumerate(bodies)]
        (folder / "rules.yaml").write_text("---\n".join(documents))
        self.rules = load_rules([folder / "rules.yaml"], lists=lists)
        self.engine = Engine(self.rules, clock=self.clock)
        self.count = 0

    def write(self, name, content):
        self.count += 1
        (self.folder / name).write_text(content)
        os.utime(self.folder / name, ns=(self.count * 10**9,) * 2)

    def see(self, **fields):
        self.count += 1
        document = {name.replace("__", "."): value for name, value in fields.items()}
        return self.engine.event(Event(f"e{self.count}", self.clock.now() + self.count, document))


def test_an_alert_says_which_indicator_of_which_list_in_ours_and_in_ecs_words(tmp_path):
    (tmp_path / "feed.csv").write_text(
        "indicator,type,confidence,valid_until,description\nbad.example,domain,75,2027-01-01,a botnet\n"
    )
    running = Running(tmp_path, "lists: feed.csv")
    (alert,) = running.see(source__ip="10.0.0.1", dns__question__name="WWW.bad.example")
    assert alert.message == "bad.example domain feed 75 dns.question.name WWW.bad.example a botnet"
    assert (alert.value, alert.culprit, alert.event_ids) == (75.0, {"ip": "10.0.0.1"}, ("e1",))
    assert (
        alert.evidence["values"]
        | {
            "expires": "2027-01-01T00:00:00.000Z",
            "threat.feed.name": "feed",
            "threat.indicator.type": "domain-name",
            "threat.indicator.name": "bad.example",
            "threat.indicator.confidence": "High",
            "threat.indicator.description": "a botnet",
        }
        == alert.evidence["values"]
    )


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("destination.ip", "203.0.113.1", "ipv4-addr"),
        ("destination.ip", "203.0.113.99", "ipv4-addr"),
        ("destination.ip", "2001:db8::1", "ipv6-addr"),
        ("destination.ip", "2001:db8:ffff::1", "ipv6-addr"),
        ("file.hash.md5", "d41d8cd98f00b204e9800998ecf8427e", "file"),
        ("url.full", "http://bad.example/x", "url"),
    ],
)
def test_the_type_is_told_in_the_words_of_ecs(tmp_path, field, value, word):
    (tmp_path / "feed.txt").write_text("203.0.113.1\n203.0.113.64/26\n2001:db8::1\n2001:db8::/32\nd41d8cd98f00b204e9800998ecf8427e\nhttp://bad.example/x\n")  # fmt: skip
    (alert,) = Running(tmp_path, "lists: feed.txt").see(source__ip="10.0.0.1", **{field.replace(".", "__"): value})
    assert alert.evidence["values"]["threat.indicator.type"] == word
    assert alert.evidence["values"]["threat.indicator.confidence"] == "Not Specified"


def test_each_rule_hears_of_its_own_lists_only(tmp_path):
    (tmp_path / "a.txt").write_text("a.example\nboth.example\n")
    (tmp_path / "b.txt").write_text("b.example\nboth.example\n")
    running = Running(tmp_path, "lists: a.txt", "lists: [b.txt]", "lists: [a.txt, b.txt]")
    for name, rules in (("a.example", {"0", "2"}), ("b.example", {"1", "2"}), ("both.example", {"0", "1", "2"})):
        alerts = running.see(source__ip=name, dns__question__name=name)
        assert {alert.rule_name[-1] for alert in alerts} == rules


def test_all_values_of_a_field_are_looked_up_to_a_bound_and_the_surest_hit_is_told(tmp_path):
    (tmp_path / "feed.csv").write_text("indicator,confidence\n203.0.113.1,10\n203.0.113.2,90\nlate.example,100\n")
    running = Running(tmp_path, "lists: feed.csv")
    (alert,) = running.see(source__ip="10.0.0.1", dns__resolved_ip=["203.0.113.1", "192.0.2.1", "203.0.113.2"])
    assert (alert.value, alert.evidence["values"]["others"]) == (90.0, "203.0.113.1")
    names = [f"n{number}.example" for number in range(MAX_VALUES)]
    assert running.see(source__ip="10.0.0.2", dns__question__name=[*names, "late.example"]) == []
    assert running.see(source__ip="10.0.0.3", dns__question__name=[5, None, {"a": 1}, "", "late.example"])


def test_a_changed_list_counts_from_its_reload_on_and_a_broken_one_changes_nothing(tmp_path):
    (tmp_path / "feed.txt").write_text("one.example\n")
    running = Running(tmp_path, "lists: feed.txt\ngroup_by: [dns.question.name]")
    assert running.see(dns__question__name="one.example")
    running.write("feed.txt", "two.example\n203.0.113.1\n")
    assert not running.see(dns__question__name="two.example")
    running.rules.lists.indicators.load()
    assert running.see(dns__question__name="two.example")
    assert not running.see(dns__question__name="www.one.example")
    assert running.see(
        dns__question__name="x", destination__ip="203.0.113.1"
    )  # a type that the list did not hold before
    running.write("feed.txt", "no indicator at all\n")
    running.rules.lists.indicators.load()
    assert running.see(dns__question__name="www.two.example")


def test_in_the_background_a_rule_begins_with_an_empty_list(tmp_path):
    (tmp_path / "feed.txt").write_text("one.example\n")
    lists = Lists(indicators=Indicators(background=True))
    running = Running(tmp_path, "lists: feed.txt", lists=lists)
    assert not running.see(source__ip="10.0.0.1", dns__question__name="one.example")
    lists.refresh()
    assert lists.indicators.wait(10)
    assert running.see(source__ip="10.0.0.1", dns__question__name="one.example")


def test_the_life_of_an_alert_outlasts_a_restart(tmp_path):
    (tmp_path / "feed.txt").write_text("one.example\n")
    running = Running(tmp_path, "lists: feed.txt\nlasts: 10s")
    assert running.see(source__ip="10.0.0.1", dns__question__name="one.example")
    data = running.engine.snapshot()
    running.engine = Engine(running.rules, clock=running.clock)
    running.engine.restore(data)
    running.clock.advance(60)
    (alert,) = running.engine.advance(running.clock.now())
    assert alert.state.value == "resolved"
