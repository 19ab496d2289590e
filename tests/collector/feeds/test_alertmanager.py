"""The Alertmanager feed against a real Alertmanager."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo.config import Secret
from fenghuo.errors import Permanent, Retryable
from fenghuo.model import AlertState
from fenghuo_collector.feeds.alertmanager import AlertmanagerConfig, AlertmanagerFeed
from fenghuo_collector.feeds.alertmanager.encode import label_name, labels, postable
from servers.alertmanager import alertmanager
from servers.process import free_port

from .receivers import CLOCK, batch, feeding, hot, journal, over, receiver, step, until

RULE = "environment.server-room-hot"


async def test_an_alert_appears_outlives_its_first_end_by_refreshes_and_resolves(tmp_path):
    with alertmanager(tmp_path / "am") as server:
        config = AlertmanagerConfig(
            urls=[server.url], refresh=0.3, expires_after=4, console_url="https://soc.example.org"
        )
        feed = AlertmanagerFeed(config, clock=CLOCK)
        async with journal(tmp_path) as steps, feeding(steps, feed, refresh=config.refresh):
            await steps.write([batch(hot())])
            await until(lambda: server.find(alertname=RULE))
            (first,) = server.alerts()
            assert first["labels"] == {
                "alertname": RULE,
                "severity": "high",
                "site": "bj/haidian/zgc-no1",
                "agent": "gw1",
                "device": "t1",
                "location": "机房",
            }
            assert first["annotations"]["summary_zh"] == "机房温度过高"
            assert first["annotations"]["runbook_url"] == "https://example.org/hot"
            assert first["generatorURL"] == "https://soc.example.org/alerts/f1"
            await until(lambda: server.alerts()[0]["endsAt"] > first["endsAt"])
            # Longer than it would have lived without refreshes: that it stays is what has to be seen.
            await asyncio.sleep(1.4)
            assert server.find(device="t1")
            await steps.write([batch(over())])
            await until(lambda: not server.alerts())
            # The refreshes do not bring it back.
            await asyncio.sleep(0.7)
            assert not server.alerts()


async def test_without_refreshes_an_alert_resolves_by_itself(tmp_path):
    with alertmanager(tmp_path / "am") as server:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[server.url], refresh=0.3, expires_after=4), clock=CLOCK)
        await feed.deliver([step(hot())])
        assert await asyncio.to_thread(server.alerts)
        await until(lambda: not server.alerts())
        await feed.close()


async def test_a_feed_whose_alertmanager_was_down_catches_up(tmp_path):
    port = free_port()
    registry = CollectorRegistry()
    config = AlertmanagerConfig(urls=[f"http://127.0.0.1:{port}"], refresh=0.2, expires_after=20)
    feed = AlertmanagerFeed(config, clock=CLOCK)
    async with journal(tmp_path) as steps, feeding(steps, feed, registry, refresh=config.refresh):
        await steps.write([batch(hot(), hot(fingerprint="f2", labels={"device": "t2"}))])
        await steps.write(
            [batch(over(fingerprint="f2", labels={"device": "t2"}), hot(fingerprint="f3", labels={"device": "t3"}))]
        )
        failures = {"feed": "alertmanager"}
        await until(lambda: (registry.get_sample_value("fenghuo_collector_feed_failures_total", failures) or 0) > 2)
        with alertmanager(tmp_path / "am", port) as server:
            await until(lambda: {alert["labels"]["device"] for alert in server.alerts()} == {"t1", "t3"})
            await until(lambda: steps.states.place("alertmanager") == 4)
            assert steps.states.dead("alertmanager") == []


async def test_when_the_level_rises_the_alert_goes_on_under_its_new_severity_only(tmp_path):
    with alertmanager(tmp_path / "am") as server:
        config = AlertmanagerConfig(urls=[server.url], refresh=0.2, expires_after=100)
        async with journal(tmp_path) as steps:
            async with feeding(steps, AlertmanagerFeed(config, clock=CLOCK), refresh=config.refresh):
                await steps.write([batch(hot())])
                await until(lambda: server.find(severity="high"))
                await steps.write([batch(hot(level="critical"))])
                await until(lambda: [alert["labels"]["severity"] for alert in server.alerts()] == ["critical"])
            # A collector that starts anew learns what Alertmanager knows, and can end it.
            async with feeding(steps, AlertmanagerFeed(config, clock=CLOCK), refresh=config.refresh):
                await asyncio.sleep(0.3)
                await steps.write([batch(hot(level="high"))])
                await until(lambda: [alert["labels"]["severity"] for alert in server.alerts()] == ["high"])


async def test_every_member_gets_the_alerts_and_one_that_was_down_gets_them_with_a_refresh(tmp_path):
    late = free_port()
    with alertmanager(tmp_path / "one") as one:
        config = AlertmanagerConfig(urls=[one.url, f"http://127.0.0.1:{late}/"], refresh=0.2)
        feed = AlertmanagerFeed(config, clock=CLOCK)
        async with journal(tmp_path) as steps, feeding(steps, feed, refresh=config.refresh):
            await steps.write([batch(hot())])
            await until(lambda: one.find(alertname=RULE))
            await until(lambda: steps.states.place("alertmanager") == 1)
            with alertmanager(tmp_path / "two", late) as two:
                await until(lambda: two.find(alertname=RULE))
                await steps.write([batch(over())])
                await until(lambda: not one.alerts() and not two.alerts())


async def test_labels_that_alertmanager_would_refuse_are_made_to_fit(tmp_path):
    odd = hot(
        labels={"room-no": "3", "9th": "x", "severity": "mine", "温度": "y", "empty": "", "bad": "\ud800", "": "z"},
        title="\ud800",
        evidence={},
    )
    with alertmanager(tmp_path / "am") as server:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[server.url], labels={"my-team": "a"}), clock=CLOCK)
        await feed.deliver([step(odd)])
        (found,) = await asyncio.to_thread(server.alerts)
        assert found["labels"]["entity_severity"] == "mine"
        assert found["labels"]["severity"] == "high"
        assert found["labels"]["fingerprint"] == "f1"
        assert found["labels"]["my_team"] == "a"
        await feed.close()


async def test_an_alert_of_a_clock_that_is_ahead_is_taken_and_resolved(tmp_path):
    ahead = CLOCK.now() + 3_600_000
    with alertmanager(tmp_path / "am") as server:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[server.url]), clock=CLOCK)
        await feed.deliver([step(hot(starts_at=ahead, time=ahead))])
        assert await asyncio.to_thread(server.alerts)
        await feed.deliver([step(hot(state=AlertState.RESOLVED, starts_at=ahead, time=ahead, ends_at=ahead))])
        await until(lambda: not server.alerts())
        await feed.close()


async def test_the_end_of_an_alert_is_repeated_for_a_quarter_of_an_hour():
    clock = VirtualClock(CLOCK.now())
    async with receiver() as taking:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[taking.url]), clock=clock)
        await feed.deliver([step(hot()), step(over(), 2)])
        for minutes, repeated in ((14, True), (2, False)):
            clock.advance(minutes * 60)
            taking.requests.clear()
            await feed.refresh([])
            assert bool(taking.requests) is repeated
        await feed.close()


async def test_a_proxy_before_alertmanager_gets_its_credentials_and_nobody_else_sees_them():
    async with receiver() as taking:
        config = AlertmanagerConfig(
            urls=[taking.url], authorization=Secret("Bearer hush"), headers={"X-Scope-OrgID": "a"}
        )
        feed = AlertmanagerFeed(config, clock=CLOCK)
        await feed.deliver([step(hot())])
        await feed.close()
    ((headers, _),) = taking.requests
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer hush", "a")
    assert "hush" not in repr(config)


async def test_pending_alerts_are_not_sent():
    async with receiver() as taking:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[taking.url]), clock=CLOCK)
        await feed.deliver([step(hot(state=AlertState.PENDING))])
        assert taking.requests == []
        await feed.close()


async def test_what_all_members_refuse_is_permanent_and_what_one_may_yet_take_is_not():
    async with receiver() as one, receiver() as two:
        feed = AlertmanagerFeed(AlertmanagerConfig(urls=[one.url, two.url]), clock=CLOCK)
        one.answers, two.answers = [web.Response(status=400)], [web.Response(status=400)]
        with pytest.raises(Permanent):
            await feed.deliver([step(hot())])
        one.answers, two.answers = [web.Response(status=400)], [web.Response(status=503, headers={"Retry-After": "7"})]
        with pytest.raises(Retryable) as caught:
            await feed.deliver([step(hot())])
        assert caught.value.retry_after == 7
        one.answers, two.answers = [web.Response(status=503)], []
        await feed.deliver([step(hot())])
        await feed.close()


def test_the_identity_of_an_alert_does_not_depend_on_what_changes():
    base = labels(step(hot()), {})
    changed = hot(value=99.0, message="other", evidence={"a": 1}, title="other", time=1, starts_at=0)
    assert labels(step(changed), {}) == base
    assert "fingerprint" not in base


def test_labels_that_become_one_are_kept_apart_by_the_fingerprint():
    one = labels(step(hot(labels={"a-b": "x"})), {})
    two = labels(step(hot(fingerprint="f2", labels={"a.b": "x"})), {})
    assert one["a_b"] == two["a_b"]
    assert one != two


def test_names_are_those_that_every_alertmanager_takes():
    assert [label_name(key) for key in ("ok_1", "9th", "a-b", "温度", "")] == ["ok_1", "_9th", "a_b", "__", "_"]


def test_an_alert_never_ends_before_it_starts():
    found = postable(step(hot(starts_at=5_000)), {}, 1_000, None)
    assert found["startsAt"] == found["endsAt"] == "1970-01-01T00:00:01.000Z"
