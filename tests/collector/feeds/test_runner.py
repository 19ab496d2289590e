"""Running feeds: places, order, retries, dead letters, refreshes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.errors import Permanent, Retryable
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.feeds.config import FeedsConfig, build_feeds
from fenghuo_collector.incidents import AlertJournal, JournalConfig

from .receivers import CLOCK, batch, feeding, hot, journal, over, until


class Ear:
    """A feed that keeps what it hears; `judge` may raise first."""

    name = "ear"

    def __init__(self, judge: Callable[[Sequence[Step]], object] = lambda _: None) -> None:
        self.judge = judge
        self.heard: list[str] = []
        self.refreshed: list[list[str]] = []
        self.closed = False

    async def deliver(self, steps: Sequence[Step]) -> None:
        self.judge(steps)
        self.heard += [step.alert.fingerprint for step in steps]

    async def refresh(self, firing: Sequence[Step]) -> None:
        self.judge(())
        self.refreshed.append([step.alert.fingerprint for step in firing])

    async def close(self) -> None:
        self.closed = True


def named(*names: str) -> list:
    return [hot(fingerprint=name) for name in names]


def sample(registry: CollectorRegistry, name: str) -> float:
    return registry.get_sample_value(f"fenghuo_collector_feed_{name}", {"feed": "ear"}) or 0.0


async def test_steps_are_handed_over_in_order_and_the_place_moves_behind_them(tmp_path):
    ear, registry = Ear(), CollectorRegistry()
    async with journal(tmp_path) as steps, feeding(steps, ear, registry, batch=2):
        for name in "abcde":
            await steps.write([batch(*named(name))])
        await until(lambda: steps.states.place("ear") == 5)
        assert ear.heard == list("abcde")
        assert sample(registry, "delivered_total") == 5
        await until(lambda: sample(registry, "behind") == 0)


async def test_a_feed_goes_on_from_its_place_after_a_restart(tmp_path):
    async with journal(tmp_path) as steps:
        before = Ear()
        async with feeding(steps, before):
            await steps.write([batch(*named("a", "b"))])
            await until(lambda: steps.states.place("ear") == 2)
        assert before.closed
        await steps.write([batch(*named("c"))])
        after = Ear()
        async with feeding(steps, after):
            await until(lambda: steps.states.place("ear") == 3)
        assert after.heard == ["c"]


async def test_a_new_feed_is_told_of_what_fires_and_not_of_what_is_over(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(*named("a", "b"), over(fingerprint="a"))])
    async with journal(tmp_path) as steps:
        ear = Ear()
        await steps.write([batch(*named("c"), over(fingerprint="c"))])
        async with feeding(steps, ear):
            await until(lambda: steps.states.place("ear") == 5)
        assert ear.heard == ["b", "c", "c"]


async def test_nothing_overtakes_a_step_that_is_to_be_tried_again(tmp_path):
    tries = []

    def judge(steps: Sequence[Step]) -> None:
        tries.append(steps[0].alert.fingerprint)
        if len(tries) < 4:
            raise Retryable("away")

    ear, registry = Ear(judge), CollectorRegistry()
    async with journal(tmp_path) as steps, feeding(steps, ear, registry, batch=1):
        await steps.write([batch(*named("a", "b"))])
        await until(lambda: steps.states.place("ear") == 2)
    assert tries == ["a", "a", "a", "a", "b"]
    assert ear.heard == ["a", "b"]
    assert sample(registry, "failures_total") == 3


async def test_of_a_batch_with_one_bad_step_only_that_one_is_given_up(tmp_path):
    def judge(steps: Sequence[Step]) -> None:
        if any(step.alert.fingerprint == "bad" for step in steps):
            raise Permanent("will not do")

    ear, registry = Ear(judge), CollectorRegistry()
    async with journal(tmp_path) as steps:
        await steps.write([batch(hot(fingerprint="first"))])
        await steps.move("ear", 0)
        await steps.write([batch(*named("a", "bad", "b"))])
        async with feeding(steps, ear, registry):
            await until(lambda: steps.states.place("ear") == 4)
        assert ear.heard == ["first", "a", "b"]
        assert [(step.alert.fingerprint, why) for step, why in steps.states.dead("ear")] == [("bad", "will not do")]
        assert sample(registry, "dead_total") == 1


async def test_a_fault_of_our_own_does_not_hold_up_what_comes_after(tmp_path, caplog):
    def judge(steps: Sequence[Step]) -> None:
        if steps and steps[0].alert.fingerprint == "a":
            raise KeyError("oops")

    ear = Ear(judge)
    async with journal(tmp_path) as steps, feeding(steps, ear, batch=1):
        await steps.write([batch(*named("a", "b"))])
        await until(lambda: steps.states.place("ear") == 2)
        assert ear.heard == ["b"]
        assert "KeyError" in steps.states.dead("ear")[0][1]
    assert "Traceback" in caplog.text


async def test_what_fires_is_refreshed_now_and_then(tmp_path):
    ear = Ear()
    async with journal(tmp_path) as steps, feeding(steps, ear, refresh=0.1):
        await steps.write([batch(*named("a", "b"), over(fingerprint="a"))])
        await until(lambda: ear.refreshed.count(["b"]) > 2)


async def test_a_refresh_that_is_refused_does_not_stop_deliveries(tmp_path, caplog):
    def judge(steps: Sequence[Step]) -> None:
        if not steps:
            raise Permanent("no refreshes here")

    ear = Ear(judge)
    async with journal(tmp_path) as steps, feeding(steps, ear, refresh=0.05):
        await steps.write([batch(*named("a"))])
        await until(lambda: ear.heard == ["a"])
        await until(lambda: "refuses the refresh" in caplog.text)


async def test_steps_that_retention_took_first_are_counted_as_lost(tmp_path, caplog):
    ear, registry = Ear(), CollectorRegistry()
    async with journal(tmp_path) as steps:
        await steps.write([batch(*named("a", "b", "c"))])
        await steps.move("ear", 0)
        await steps._file.run(lambda: steps._open().execute("DELETE FROM step WHERE number < 3"))
        async with feeding(steps, ear, registry):
            await until(lambda: steps.states.place("ear") == 3)
    assert ear.heard == ["c"]
    assert sample(registry, "lost_total") == 2
    assert "2 steps are lost" in caplog.text


async def test_a_place_beyond_a_replaced_journals_end_is_mended(tmp_path):
    ear = Ear()
    async with journal(tmp_path) as steps:
        await steps.write([batch(*named("a"))])
        await steps.move("ear", 99)
        async with feeding(steps, ear):
            await until(lambda: steps.states.place("ear") == 1)
            await steps.write([batch(*named("b"))])
            await until(lambda: ear.heard == ["b"])


async def test_feeds_do_not_wait_for_each_other(tmp_path):
    def refuse(_: Sequence[Step]) -> None:
        raise Retryable("away")

    slow, quick = Ear(refuse), Ear()
    slow.name = "slow"
    async with journal(tmp_path) as steps, feeding(steps, slow), feeding(steps, quick):
        await steps.write([batch(*named("a"))])
        await until(lambda: quick.heard == ["a"])
        assert steps.states.place("slow") in (None, 0)


async def test_a_delivery_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("fenghuo_collector.feeds.runner.DELIVERY_SECONDS", 0.05)

    class Hanging(Ear):
        async def deliver(self, steps: Sequence[Step]) -> None:
            if not self.refreshed:
                self.refreshed.append([])
                await asyncio.Event().wait()
            await super().deliver(steps)

    ear = Hanging()
    async with journal(tmp_path) as steps, feeding(steps, ear):
        await steps.write([batch(*named("a"))])
        await until(lambda: ear.heard == ["a"])


async def test_a_feed_that_runs_before_the_journal_is_open_waits_for_it(tmp_path):
    ear = Ear()
    steps = AlertJournal(JournalConfig(path=tmp_path / "alerts.sqlite"), clock=CLOCK, registry=CollectorRegistry())
    async with feeding(steps, ear):
        await asyncio.sleep(0)
        with pytest.raises(Retryable):
            await steps.write([batch(*named("a"))])
        await steps.start()
        await steps.write([batch(*named("a"))])
        await until(lambda: ear.heard == ["a"])
    await steps.close()


async def test_feeds_are_made_from_the_configuration(tmp_path):
    config = FeedsConfig.model_validate(
        {"alertmanager": [{"name": "am"}], "webhook": [{"url": "https://example.org/hook", "batch": 5}]}
    )
    async with journal(tmp_path) as steps:
        runners = build_feeds(config, steps, clock=CLOCK, random=Random(1), registry=CollectorRegistry())
        assert [runner.name for runner in runners] == ["am", "webhook"]


def test_two_feeds_of_one_name_are_refused():
    with pytest.raises(ValueError, match="several feeds are named webhook"):
        FeedsConfig.model_validate({"webhook": [{"url": "https://a.example"}, {"url": "https://b.example"}]})
