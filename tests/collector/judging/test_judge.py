"""Rules across agents: from batches to alerts in every sink, over restarts and sinks without room."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from collector.ingest.support import MemorySink, events_frame, make_ingest, running, until, wire_agent
from fenghuo.alerts import event_to_alert
from fenghuo.clock import SystemClock, VirtualClock
from fenghuo.errors import Retryable
from fenghuo.model import AgentId, Event, Layout, Table
from fenghuo.rules import Engine, load_rules
from fenghuo.wire import Stream
from fenghuo_collector.judging import Judge, RulesConfig
from fenghuo_collector.sinks.base import Batch

SCHOOLS = [AgentId.parse(f"bj/haidian/school-{number}/gw1") for number in (1, 2, 3)]
DISTRICT = AgentId.parse("bj/haidian/collector")
RULE = """
title: The same bad name asked for in a district
id: 3f0f2a52-0b6c-4c7c-9a35-0b6f6a6b3d10
name: test.bad-name
kind: match
runs: collector
dataset: dns
where: {dns.question.name: bad.example}
group_by: [dns.question.name]
message: "{dns.question.name} asked at {organization.id}"
lasts: 1m
"""


def asked(identifier: str, time: int, name: str = "bad.example") -> Event:
    return Event(identifier, time, {"event": {"dataset": "dns"}, "dns": {"question": {"name": name}}})


@pytest.fixture
def rules(tmp_path: Path):
    (tmp_path / "rule.yaml").write_text(RULE)
    return load_rules([tmp_path / "rule.yaml"]).running_at("collector")


def make_judge(rules, folder: Path, clock=None) -> Judge:
    clock = clock or SystemClock()
    config = RulesConfig(path=folder / "rules.sqlite", snapshot_interval=0.01)
    return Judge(Engine(rules, clock=clock), config, DISTRICT, clock, os.urandom, CollectorRegistry())


@contextlib.asynccontextmanager
async def served(judge: Judge):
    task = asyncio.create_task(judge.run())
    try:
        yield judge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alerts_of(sink: MemorySink):
    return [event_to_alert(each) for batch in sink.batches if batch.agent == DISTRICT for each in batch.events]


async def test_events_of_several_schools_make_one_alert_in_every_sink(broker, rules, tmp_path: Path):
    judge, sink = make_judge(rules, tmp_path), MemorySink()
    ingest = make_ingest(broker.port, sink, judge)
    judge.connect(ingest.own_stream)
    now = SystemClock().now()
    async with running(ingest), served(judge):
        for number, school in enumerate(SCHOOLS[:2]):
            async with wire_agent(broker.port, school) as agent:
                frame = events_frame(1, asked(f"e{number}", now + number), agent=str(school))
                await agent.send(frame, Stream.EVENTS, school)
                await until(lambda agent=agent: 1 in agent.committed)
        await until(lambda: len(alerts_of(sink)) == 2)
    first, second = alerts_of(sink)
    assert first.fingerprint == second.fingerprint
    assert first.labels == {"dns_question_name": "bad.example"}
    assert {first.event_ids, second.event_ids} == {("e0",), ("e1",)}
    assert first.message == "bad.example asked at bj/haidian/school-1"


async def test_an_alert_that_a_sink_had_no_room_for_reaches_it_after_a_restart(broker, rules, tmp_path: Path):
    judge, sink = make_judge(rules, tmp_path), MemorySink(streams=[Stream.ALERTS])
    sink.plan = [Retryable("full")] * 10_000
    ingest = make_ingest(broker.port, sink, judge)
    judge.connect(ingest.own_stream)
    async with running(ingest), served(judge), wire_agent(broker.port, SCHOOLS[0]) as agent:
        await agent.send(events_frame(1, asked("e1", SystemClock().now()), agent=str(SCHOOLS[0])), agent=SCHOOLS[0])
        await until(lambda: len(sink.writes) > 0)
    again, better = make_judge(rules, tmp_path), MemorySink(streams=[Stream.ALERTS])
    ingest = make_ingest(broker.port, better, again, collector="c2")
    again.connect(ingest.own_stream)
    async with running(ingest), served(again):
        await until(lambda: alerts_of(better))
    assert alerts_of(better)[0].event_ids == ("e1",)


async def test_what_fired_before_a_restart_is_resolved_after_it(rules, tmp_path: Path):
    clock = VirtualClock()
    judge = make_judge(rules, tmp_path, clock)
    await judge.start()
    await judge.write([Batch(SCHOOLS[0], Stream.EVENTS, 1, clock.now(), events=[asked("e1", clock.now())])])
    await judge.close()
    clock.advance(120)
    again = make_judge(rules, tmp_path, clock)
    await again.start()
    assert [alert.state for alert in again.engine.advance(clock.now())] == ["resolved"]
    await again.close()


async def test_time_is_held_back_while_a_backlog_comes(rules, tmp_path: Path):
    clock = VirtualClock()
    judge = make_judge(rules, tmp_path, clock)
    await judge.start()
    old = clock.now() - 3_600_000
    await judge.write([Batch(SCHOOLS[0], Stream.EVENTS, 1, clock.now(), events=[asked("e1", old)])])
    async with served(judge):
        await asyncio.sleep(0)
        assert len(judge.engine.firing()) == 1
    clock.advance(20)
    async with served(judge):
        await until(lambda: not judge.engine.firing())
    await judge.close()


async def test_its_own_alerts_are_not_judged_again(rules, tmp_path: Path):
    clock = VirtualClock()
    judge = make_judge(rules, tmp_path, clock)
    await judge.start()
    await judge.write([Batch(DISTRICT, Stream.EVENTS, 1, clock.now(), events=[asked("e1", clock.now())])])
    assert judge.engine.firing() == []
    await judge.close()


async def test_without_rules_for_it_nothing_is_taken(tmp_path: Path):
    (tmp_path / "rule.yaml").write_text(RULE.replace("runs: collector", "runs: agent"))
    judge = make_judge(load_rules([tmp_path / "rule.yaml"]).running_at("collector"), tmp_path)
    assert not judge.takes(Stream.EVENTS)


async def test_an_agent_that_falls_silent_is_told_by_name(tmp_path: Path):
    (tmp_path / "rule.yaml").write_text("""
title: Agent silent
id: 3f0f2a52-0b6c-4c7c-9a35-0b6f6a6b3d11
name: test.silent
kind: absence
runs: collector
data: fenghuo_agent_up
for: 5m
message: "{agent} of {site}"
""")
    clock = VirtualClock()
    judge = make_judge(load_rules([tmp_path / "rule.yaml"]).running_at("collector"), tmp_path, clock)
    await judge.start()
    layout = Layout("fenghuo_agent", {"job": "fenghuo_agent"}, {}, ("fenghuo_agent_up",))
    tables = [Table(layout, clock.now(), [[1]])]
    for school in SCHOOLS[:2]:
        await judge.write([Batch(school, Stream.METRICS, 1, clock.now(), tables=tables)])
    clock.advance(400)
    told = judge.engine.advance(clock.now())
    await judge.close()
    assert sorted(alert.message for alert in told) == ["gw1 of bj/haidian/school-1", "gw1 of bj/haidian/school-2"]
    assert len({alert.fingerprint for alert in told}) == 2


HOT = """\
title: Hot
id: 00000000-0000-4000-8000-00000000f0aa
name: test.hot
kind: threshold
runs: collector
data: celsius
condition: not (value < 30)
flap: false
"""


async def test_what_is_no_number_neither_raises_nor_ends_an_alert(tmp_path: Path):
    (tmp_path / "hot.yaml").write_text(HOT)
    clock = VirtualClock()
    judge = make_judge(load_rules([tmp_path / "hot.yaml"]).running_at("collector"), tmp_path, clock)
    await judge.start()
    layout = Layout("sensor", {}, {"device": ("a", "b")}, ("celsius",))
    for number, column in enumerate([[float("nan"), 31.0], [float("nan"), float("nan")], [29.0, 32.0]]):
        table = Table(layout, clock.now() + number * 1000, [column])
        await judge.write([Batch(SCHOOLS[0], Stream.METRICS, number + 1, clock.now(), tables=[table])])
    told = [event_to_alert(event) for events in judge._waiting.values() for event in events]
    assert [(alert.state, alert.labels["device"]) for alert in told] == [("firing", "b")]
    await judge.close()
