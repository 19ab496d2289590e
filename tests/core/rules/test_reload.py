"""Exchanging rules while readings and events come: nothing is missed, nothing is told twice."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.errors import Located
from fenghuo.model import Event
from fenghuo.rules import Engine, RuleSet
from fenghuo.rules.files import load
from fenghuo.rules.files.reload import ReloadMetrics, RuleFiles, watch

DEVICE = {"device": "sw1"}
T0 = VirtualClock().now()


class Swapping:
    """The runs of a test with `exchange`: other rules from now on."""

    def __init__(self, run):
        self.run = run

    def __call__(self, *rules):
        run = self.run(*rules)
        run.exchange = lambda *new: self.exchange(run, new)
        return run

    def exchange(self, run, rules):
        run.rules = RuleSet(tuple(rules))
        run.engine = run.engine.with_rules(run.rules)


@pytest.fixture
def start(run):
    return Swapping(run)


def test_a_changed_threshold_holds_for_the_next_reading(start, make_rule):
    run = start(make_rule(data="x", condition="value > 10"))
    run.read(0, DEVICE, x=8)
    run.exchange(make_rule(data="x", condition="value > 5"))
    run.read(60, DEVICE, x=8)
    assert run.steps == [(60, "firing")]


def test_what_fires_goes_on_firing_and_is_not_told_again(start, make_rule):
    rule, other = make_rule(data="x", condition="value > 5"), make_rule(name="other", data="y", condition="value > 1")
    run = start(rule)
    run.read(0, DEVICE, x=8)
    run.exchange(rule, other)
    run.read(60, DEVICE, x=8)
    run.exchange(make_rule(data="x", condition="value > 6"), other)
    run.read(120, DEVICE, x=8)
    run.read(180, DEVICE, x=6)
    assert run.steps == [(0, "firing"), (180, "resolved")]


def test_a_hold_time_goes_on(start, make_rule):
    rule = make_rule(data="x", condition="value > 5", hold="5m")
    run = start(rule)
    run.read(0, DEVICE, x=8)
    run.read(240, DEVICE, x=8)
    run.exchange(rule)
    run.read(301, DEVICE, x=8)
    assert run.steps == [(300, "firing")]


def test_a_rate_goes_on_without_a_gap(start, make_rule):
    rule = make_rule(kind="rate", data="c", condition="value > 5")
    run = start(rule)
    run.read(0, DEVICE, counters={"c": 64}, c=0)
    run.exchange(rule, make_rule(name="other", data="x", condition="value > 1"))
    run.read(60, DEVICE, counters={"c": 64}, c=600)
    assert run.steps == [(60, "firing")]


def test_readings_that_are_held_back_are_judged_by_the_new_rules(start, make_rule):
    rule = make_rule(data="x", condition="value > 5", lateness="30s")
    run = start(rule)
    run.read(10, DEVICE, x=8)
    run.exchange(rule)
    run.read(5, DEVICE, x=1)
    run.advance(60)
    assert run.steps == [(10, "firing")]


def test_a_silence_is_still_noticed(start, make_rule):
    rule = make_rule(kind="absence", data="x", hold="5m")
    run = start(rule)
    run.read(0, DEVICE, x=8)
    run.advance(100)
    run.exchange(rule)
    run.advance(400)
    assert run.steps == [(300, "firing")]


def test_alerts_of_a_rule_that_is_no_more_are_withdrawn(start, make_rule):
    run = start(make_rule(data="x", condition="value > 5"))
    run.read(0, DEVICE, x=8)
    run.exchange()
    run.advance(1)
    assert [(state, alert.evidence.get("reason")) for (_, state), alert in zip(run.steps, run.alerts, strict=True)] == [
        ("firing", None),
        ("resolved", "rule changed"),
    ]


def test_alerts_of_what_the_rule_no_longer_looks_at_are_withdrawn_and_others_stay(start, make_rule):
    run = start(make_rule(data="x", condition="value > 5"))
    run.read(0, {}, {"device": ["sw1", "sw2"]}, x=[8, 8])
    run.exchange(make_rule(data="x", condition="value > 5", exceptions=[{"device": "sw2"}]))
    run.advance(1)
    run.read(60, {}, {"device": ["sw1", "sw2"]}, x=[8, 8])
    run.read(120, {}, {"device": ["sw1", "sw2"]}, x=[1, 8])
    told = [(alert.state.value, alert.labels["device"]) for alert in run.alerts]
    assert told == [("firing", "sw1"), ("firing", "sw2"), ("resolved", "sw2"), ("resolved", "sw1")]


def test_a_rule_that_looks_at_another_value_starts_afresh(start, make_rule):
    run = start(make_rule(data="x", condition="value > 5"))
    run.read(0, DEVICE, x=8, y=1)
    run.exchange(make_rule(data="y", condition="value > 5"))
    run.advance(1)
    assert [state for _, state in run.steps] == ["firing", "resolved"]
    assert not run.engine.firing()


def test_counts_go_on(start, make_rule):
    rule = make_rule(data="x", condition="value > 5")
    run = start(rule)
    for second in range(0, 300, 60):
        run.read(second, DEVICE, x=8)
    run.exchange(rule)
    run.read(300, DEVICE, x=8)
    (state,) = run.engine.states
    assert (state.evaluations, state.matches, state.alerts, state.groups) == (6, 6, 1, 1)


def event(second, number, **fields):
    return Event(f"e{number}", T0 + second * 1000, {"event": {"dataset": "test"}, **fields})


def frequency(make_rule, **keys):
    return make_rule(
        **{
            "kind": "frequency",
            "dataset": "test",
            "window": "1m",
            "condition": "value >= 3",
            "group_by": ["ip"],
            **keys,
        }
    )


def test_a_window_goes_on_and_a_changed_count_holds_at_once(start, make_rule):
    run = start(frequency(make_rule))
    for number in range(2):
        run.alerts += run.engine.event(event(number, number, ip="a"))
    run.exchange(frequency(make_rule))
    run.alerts += run.engine.event(event(2, 2, ip="a"))
    run.exchange(frequency(make_rule, condition="value >= 5"))
    run.alerts += run.engine.event(event(3, 3, ip="b"))
    assert run.steps == [(2, "firing")]
    run.exchange(frequency(make_rule, condition="value >= 2"))
    run.alerts += run.engine.event(event(4, 4, ip="b"))
    assert run.steps[-1] == (4, "firing")


def test_a_window_over_other_events_starts_afresh(start, make_rule):
    run = start(frequency(make_rule))
    for number in range(3):
        run.alerts += run.engine.event(event(number, number, ip="a"))
    run.exchange(frequency(make_rule, where={"ip": "b"}))
    run.advance(3)
    assert [state for _, state in run.steps] == ["firing", "resolved"]
    run.exchange(frequency(make_rule))
    run.alerts += run.engine.event(event(4, 4, ip="a"))
    assert len(run.steps) == 2


def test_events_that_are_held_back_are_judged_by_the_new_rules(start, make_rule):
    run = start(frequency(make_rule, lateness="10s"))
    for second in (2, 1, 0):
        run.alerts += run.engine.event(event(second, second, ip="a"))
    run.exchange(frequency(make_rule, lateness="10s", level="high"))
    run.advance(60)
    assert run.told[0] == (2, "firing", "high")


def every_kind(make_rule, **keys):
    """Rules of all that keeps something; `keys` go into each."""
    by_ip = {"dataset": "test", "group_by": ["ip"], "window": "2m", **keys}
    return [
        make_rule(name="held", data="x", condition="value > 5", hold="2m", clear="value < 3 for 1m", **keys),
        make_rule(name="late", data="x", condition="value > 7", lateness="30s", **keys),
        make_rule(name="rate", kind="rate", data="c", condition="value > 3", **keys),
        make_rule(name="change", kind="change", data="x", condition="previous < 4 and value > 6", lasts="3m", **keys),
        make_rule(name="absent", kind="absence", data="y", hold="4m", **keys),
        make_rule(name="waits", data="x", condition="value > 5", suppress_if={"rules": ["held"]}, **keys),
        make_rule(name="often", kind="frequency", condition="value >= 4", **by_ip),
        make_rule(name="often.late", kind="frequency", condition="value >= 3", lateness="20s", hold="10s", **by_ip),
        make_rule(name="many", kind="cardinality", field="port", condition="value >= 3", **by_ip),
        make_rule(name="sum", kind="aggregate", function="sum", field="port", condition="value > 9", **by_ip),
        make_rule(name="spike", kind="spike", condition="value > 2 * previous", **by_ip),
        make_rule(name="mean", kind="aggregate", function="avg", data="x", window="5m", condition="value > 5", **keys),
        make_rule(
            name="steps",
            kind="sequence",
            dataset="test",
            group_by=["ip"],
            within="3m",
            steps=[{"name": "a", "where": {"port": "1"}}, {"name": "b", "where": {"port": "2"}, "count": 2}],
            **keys,
        ),
        make_rule(name="new", kind="new_value", dataset="test", field="port", group_by=["ip"], learn="5m", **keys),
        make_rule(name="each", kind="match", dataset="test", where={"port": "3"}, throttle="5m", **keys),
        make_rule(name="both", kind="composite", of=["held", "often"], condition="held and often", **keys),
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_other_texts", [False, True])
def test_exchanging_rules_for_the_same_ones_changes_nothing(start, make_rule, seed, with_other_texts):
    """Tables and events at random, once with exchanges in between, once without."""
    rules = every_kind(make_rule)
    others = every_kind(make_rule, description="Told in other words.") if with_other_texts else rules

    def told(exchanging):
        chance, swaps = random.Random(seed), random.Random(seed + 1)
        run = start(*rules)
        second = counter = 0
        for number in range(250):
            second += chance.choice([1, 5, 20, 60])
            run.advance(second)
            counter += chance.randrange(400)
            if chance.random() < 0.4:
                values = {"x": chance.choice([1, 4, 6, 9]), "c": counter}
                values |= {"y": 1} if chance.random() < 0.3 else {}
                run.read(second - chance.choice([0, 0, 25]), DEVICE, counters={"c": 64}, **values)
            else:
                late = chance.choice([0, 0, 15])
                fields = {"ip": chance.choice("ab"), "port": chance.randrange(5)}
                run.alerts += run.engine.event(event(second - late, number, **fields))
            if exchanging and swaps.random() < 0.2:
                run.exchange(*swaps.choice([rules, others]))
        run.advance(second + 3600)
        # Which events a resolved alert names may differ by one that a cell has not let go of yet when it is packed.
        return [
            (
                alert.rule_name,
                alert.time,
                str(alert.state),
                alert.fingerprint,
                alert.event_ids * (alert.state == "firing"),
            )
            for alert in run.alerts
        ]

    plain = told(exchanging=False)
    assert len({name for name, *_ in plain}) >= len(rules) - 1
    assert sorted(told(exchanging=True)) == sorted(plain)


# Files

RULE = """\
title: Hot
id: 11111111-0000-4000-8000-00000000000{n}
name: hot-{n}
kind: threshold
data: x
condition: value > {limit}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "1.yaml").write_text(RULE.format(n=1, limit=1))
    (tmp_path / "2.yaml").write_text(RULE.format(n=2, limit=2))
    return tmp_path


def test_files_that_stay_have_not_changed(folder):
    (folder / "0.yaml").write_text("overlay: hot-2\nlevel: high\n")
    (folder / "4.yaml").write_text(RULE.format(n=4, limit=4) + "runs: collector\n---\noverlay: hot-1\nlevel: low\n")
    files = RuleFiles([folder], side="agent")
    files.load()
    assert not files.changed()
    os.utime(folder / "1.yaml", (1, 1))
    assert not files.changed()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "1.yaml").write_text(RULE.format(n=1, limit=7)),
        lambda folder: (folder / "1.yaml").unlink(),
        lambda folder: (folder / "1.yaml").rename(folder / "9.yaml"),
        lambda folder: (folder / "3.yaml").write_text(RULE.format(n=3, limit=3)),
        lambda folder: (folder / "a-list.txt").write_text("a"),
    ],
    ids=["content", "gone", "renamed", "new", "list"],
)
def test_a_change_is_noticed_once(folder, change):
    files = RuleFiles([folder], side="agent")
    files.load()
    change(folder)
    assert files.changed()
    files.read()
    assert not files.changed()


def test_a_change_of_the_same_size_at_the_same_time_is_noticed_where_the_file_was_replaced(folder):
    files = RuleFiles([folder], side="agent")
    files.load()
    about = (folder / "1.yaml").stat()
    (folder / "new").write_text(RULE.format(n=1, limit=7))
    os.utime(folder / "new", ns=(about.st_atime_ns, about.st_mtime_ns))
    (folder / "new").rename(folder / "1.yaml")
    assert files.changed()


def test_only_documents_that_changed_are_parsed_again(folder, monkeypatch):
    files = RuleFiles([folder], side="agent")
    before = {rule.name: rule.body for rule in files.load().rules}
    parsed = []
    original = load.parse_document

    def counted(content, *args, **keys):
        parsed.append(content)
        return original(content, *args, **keys)

    monkeypatch.setattr(load, "parse_document", counted)
    (folder / "2.yaml").write_text("# a comment\n\n---\n" + RULE.format(n=2, limit=9))
    after = {rule.name: rule for rule in files.load().rules}
    assert [b"value > 9" in content for content in parsed] == [False, True]
    assert after["hot-1"].body is before["hot-1"]
    assert after["hot-2"].place.line == 4


def test_rules_that_run_elsewhere_or_not_at_all_are_left_out(folder):
    (folder / "1.yaml").write_text(RULE.format(n=1, limit=1) + "runs: collector\n")
    (folder / "2.yaml").write_text(RULE.format(n=2, limit=2) + "enabled: false\n")
    assert not RuleFiles([folder], side="agent").load().rules
    assert [rule.name for rule in RuleFiles([folder], side="collector").load().rules] == ["hot-1"]


def test_a_broken_set_cannot_be_loaded(folder):
    (folder / "2.yaml").write_text("kind: x")
    with pytest.raises(Located, match="unknown kind"):
        RuleFiles([folder], side="agent").load()


# Watching


class Watched:
    """An engine whose rules are exchanged as files change."""

    def __init__(self, folder):
        self.files = RuleFiles([folder], side="agent")
        rules = self.files.load()
        self.registry = CollectorRegistry()
        self.metrics = ReloadMetrics(self.registry, rules)
        self.engine = Engine(rules, clock=VirtualClock())
        self.taken = asyncio.Event()
        self.now = asyncio.Event()
        self.threads = set()

    def take(self, rules):
        self.threads.add(threading.current_thread())
        self.engine = self.engine.with_rules(rules)
        self.taken.set()

    def count(self, result):
        return self.registry.get_sample_value("fenghuo_rules_reloads_total", {"result": result})

    @property
    def loaded(self):
        return self.registry.get_sample_value("fenghuo_rules_loaded")

    async def look(self):
        """Have the files looked at until something came of it."""
        before = self.count("loaded"), self.count("refused")
        self.now.set()
        async with asyncio.timeout(10):
            while (self.count("loaded"), self.count("refused")) == before:  # noqa: ASYNC110 — a metric tells nobody
                await asyncio.sleep(0.005)

    def watching(self):
        return asyncio.create_task(watch(self.files, self.take, self.metrics, interval=600, now=self.now))


@pytest.fixture
async def watched(folder):
    watched = Watched(folder)
    task = watched.watching()
    yield watched
    task.cancel()


async def test_changed_files_are_taken_on_the_loop(watched, folder):
    (folder / "3.yaml").write_text(RULE.format(n=3, limit=3))
    await watched.look()
    assert [rule.name for rule in watched.engine.rules.rules] == ["hot-1", "hot-2", "hot-3"]
    assert (watched.count("loaded"), watched.count("refused"), watched.loaded) == (1, 0, 3)
    assert watched.threads == {threading.main_thread()}


async def test_a_broken_set_is_told_once_and_the_rules_before_go_on(watched, folder, caplog):
    caplog.set_level(logging.INFO)
    engine = watched.engine
    (folder / "1.yaml").write_text(RULE.format(n=1, limit="> 1"))
    (folder / "3.yaml").write_text(RULE.format(n=2, limit=3))
    await watched.look()
    watched.now.set()
    await asyncio.sleep(0.05)
    assert watched.engine is engine
    assert (watched.count("loaded"), watched.count("refused"), watched.loaded) == (0, 1, 2)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"{folder}/1.yaml:6:20: condition: unexpected '>'" in record.getMessage()
    assert f"{folder}/3.yaml:2:5: id " in record.getMessage()
    assert "those before go on" in record.getMessage()
    (folder / "3.yaml").unlink()
    (folder / "1.yaml").write_text(RULE.format(n=1, limit=5))
    await watched.look()
    assert (watched.count("loaded"), watched.count("refused")) == (1, 1)


async def test_a_broken_set_that_is_mended_as_it_was_is_no_news(watched, folder):
    (folder / "1.yaml").write_text("kind: x")
    await watched.look()
    (folder / "1.yaml").write_text(RULE.format(n=1, limit=1))
    await watched.look()
    assert watched.count("loaded") == 1


async def test_the_loop_goes_on_while_files_are_read(watched, folder, monkeypatch):
    reading, release = threading.Event(), threading.Event()
    original = watched.files.read

    def slow():
        reading.set()
        assert release.wait(10)
        return original()

    monkeypatch.setattr(watched.files, "read", slow)
    (folder / "1.yaml").write_text(RULE.format(n=1, limit=5))
    watched.now.set()
    assert await asyncio.to_thread(reading.wait, 10)
    before = watched.engine
    await asyncio.sleep(0)
    assert watched.engine is before
    release.set()
    await asyncio.wait_for(watched.taken.wait(), 10)


async def test_files_are_looked_at_again_and_again(folder):
    watched = Watched(folder)
    task = asyncio.create_task(watch(watched.files, watched.take, watched.metrics, interval=0.01))
    (folder / "1.yaml").write_text(RULE.format(n=1, limit=5))
    await asyncio.wait_for(watched.taken.wait(), 10)
    task.cancel()
