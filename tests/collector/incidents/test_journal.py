"""The journal of alerts: every step once, the newest state right, places kept."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from fenghuo.alerts import alert_to_event
from fenghuo.clock import VirtualClock
from fenghuo.errors import PartialWrite
from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Alert, AlertState, Event
from fenghuo.wire import Stream
from fenghuo_collector.incidents import AlertJournal, JournalConfig
from fenghuo_collector.sinks.base import Batch

START = 1_767_225_600_000
AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
OTHER = AgentId.parse("bj/haidian/zgc-no2/gw1")
PENDING, FIRING, RESOLVED = AlertState


@contextlib.asynccontextmanager
async def journal(folder, clock=None, **options):
    config = JournalConfig.model_validate({"path": folder / "alerts.sqlite", **options})
    opened = AlertJournal(config, clock=clock or VirtualClock(START), registry=CollectorRegistry())
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close()


def alert(fingerprint: str = "f", state: AlertState = FIRING, time: int = START, **changes: object) -> Alert:
    plain = Alert(
        fingerprint=fingerprint,
        rule_id="r",
        rule_name="rule",
        title="Title",
        title_zh="标题",
        state=state,
        level="high",
        labels={"device": "sw1"},
        time=time,
        starts_at=START,
        ends_at=time if state is RESOLVED else None,
    )
    return dataclasses.replace(plain, **changes)


def batch(*alerts: Alert, agent: AgentId = AGENT, sequence: int = 1) -> Batch:
    events = [alert_to_event(each, uuid7(each.time)) for each in alerts]
    return Batch(agent, Stream.ALERTS, sequence, START, events=events)


async def test_steps_are_numbered_in_the_order_in_which_they_came(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert("a"), alert("b")), batch(alert("c"), agent=OTHER)])
        found = await steps.after(0, 10)
        assert [(step.number, step.alert.fingerprint, step.agent) for step in found] == [
            (1, "a", AGENT),
            (2, "b", AGENT),
            (3, "c", OTHER),
        ]
        assert await steps.after(1, 1) == [found[1]]
        assert steps.last == 3
        assert found[0].alert == alert("a")


async def test_a_step_that_comes_again_is_not_numbered_again(tmp_path):
    async with journal(tmp_path) as steps:
        once = batch(alert("a"))
        await steps.write([once, once])
        await steps.write([once, batch(alert("b"))])
        assert [(step.number, step.alert.fingerprint) for step in await steps.after(0, 10)] == [(1, "a"), (2, "b")]


async def test_a_late_step_is_history_but_does_not_overturn_what_is_newer(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert(state=RESOLVED, time=START + 2_000))])
        await steps.write([batch(alert(state=FIRING, time=START + 1_000))])
        assert steps.states.firing() == []
        assert [step.alert.state for step in steps.states.history("f")] == [FIRING, RESOLVED]
        assert steps.states.find("f").alert.state is RESOLVED


async def test_of_steps_of_the_same_moment_the_later_batch_counts_whatever_order_they_come_in(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert(state=RESOLVED), sequence=8)])
        await steps.write([batch(alert(state=FIRING), sequence=7)])
        assert steps.states.firing() == []
        await steps.write([batch(alert(state=FIRING), sequence=9)])
        assert len(steps.states.firing()) == 1


STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(AlertState)), st.integers(0, 5)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
async def test_the_state_is_that_of_the_newest_step_however_steps_are_mixed_and_repeated(made, dice):
    batches = [
        batch(alert(name, state, START + time * 1_000), sequence=number)
        for number, (name, state, time) in enumerate(made, 1)
    ]
    mixed = batches + dice.sample(batches, len(batches) // 2)
    dice.shuffle(mixed)
    with tempfile.TemporaryDirectory() as folder:
        async with journal(Path(folder)) as steps:
            for each in mixed:
                await steps.write([each])
            newest: dict[str, tuple[int, int, AlertState]] = {}
            for number, (name, state, time) in enumerate(made, 1):
                newest[name] = max(newest.get(name, (-1, 0, state)), (time, number, state), key=lambda known: known[:2])
            expected = {name: state for name, (_, _, state) in newest.items()}
            assert {step.alert.fingerprint: step.alert.state for step in steps.states.current()} == expected
            assert steps.last == len(made)


async def test_the_same_fingerprint_at_two_agents_is_two_alerts(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert()), batch(alert(state=RESOLVED, time=START + 1), agent=OTHER)])
        assert [step.agent for step in steps.states.firing()] == [AGENT]
        assert steps.states.find("f", OTHER).alert.state is RESOLVED
        assert len(steps.states.history("f", AGENT)) == 1


async def test_firing_alerts_are_narrowed_and_counted_by_site_and_level(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert("a"), alert("b", level="critical"), alert("p", PENDING))])
        await steps.write([batch(alert("c"), agent=OTHER)])
        states = steps.states
        assert {step.alert.fingerprint for step in states.firing("bj/haidian/zgc-no1")} == {"a", "b"}
        assert len(states.firing("bj")) == 3
        assert states.firing("bj/hai") == []
        counts = states.counts()
        assert counts.total == 3
        assert counts.levels == {"high": 2, "critical": 1}
        assert counts.sites == {"bj/haidian/zgc-no1": {"high": 1, "critical": 1}, "bj/haidian/zgc-no2": {"high": 1}}
        assert states.counts("bj/haidian/zgc-no2").total == 1


async def test_what_is_no_alert_is_refused_alone(tmp_path):
    async with journal(tmp_path) as steps:
        wrong = Batch(
            AGENT,
            Stream.ALERTS,
            2,
            START,
            events=[
                Event("x", START, {"event": {"kind": "alert"}}),
                alert_to_event(alert("ok"), "y"),
                dataclasses.replace(alert_to_event(alert("late"), "z"), time=2**63),
            ],
        )
        with pytest.raises(PartialWrite) as caught:
            await steps.write([batch(alert("a")), wrong])
        assert [rejection.index for rejection in caught.value.rejected] == [1, 3]
        assert {step.alert.fingerprint for step in steps.states.firing()} == {"a", "ok"}


async def test_everything_is_there_after_a_restart(tmp_path):
    async with journal(tmp_path) as steps:
        await steps.write([batch(alert("a"), alert("b"))])
        await steps.move("webhook", 1)
        (first, _) = await steps.after(0, 10)
        await steps.bury("webhook", first, "no")
    async with journal(tmp_path) as steps:
        assert steps.last == 2
        assert await steps.place("webhook") == 1
        assert await steps.place("other") is None
        assert steps.states.dead("webhook") == [(first, "no")]
        await steps.write([batch(alert("c"))])
        assert steps.last == 3


async def test_a_reader_that_waits_is_woken_by_a_write(tmp_path):
    async with journal(tmp_path) as steps:
        assert not await steps.grown(0, 0.01)
        waiting = asyncio.create_task(steps.grown(0, 30))
        await asyncio.sleep(0)
        await steps.write([batch(alert())])
        assert await asyncio.wait_for(waiting, 5)
        assert await steps.grown(0, 0.01)


async def test_old_steps_go_but_what_fires_stays_known(tmp_path):
    clock = VirtualClock(START)
    async with journal(tmp_path, clock, retention=86_400) as steps:
        await steps.write([batch(alert("firing"), alert("over", RESOLVED))])
        clock.advance(2 * 86_400)
        await steps.write([batch(alert("new", time=START + 1))])
        await steps.maintain()
        assert [step.alert.fingerprint for step in await steps.after(0, 10)] == ["new"]
        assert {step.alert.fingerprint for step in steps.states.current()} == {"firing", "new"}
        assert steps.last == 3


async def test_the_number_of_steps_is_bounded(tmp_path):
    async with journal(tmp_path, max_steps=1000) as steps:
        for start in range(0, 3000, 500):
            await steps.write([batch(*[alert(f"f{start + n}", time=START + n) for n in range(500)])])
        await steps.maintain()
        left = await steps.after(0, 5000)
        assert [left[0].number, left[-1].number, len(left)] == [2001, 3000, 1000]


async def test_a_lost_journal_is_made_again_from_stored_events(tmp_path):
    story = [alert("a"), alert("a", RESOLVED, START + 5), alert("b", time=START + 9)]
    events = [(AGENT, alert_to_event(each, uuid7(each.time))) for each in story]
    random.Random(3).shuffle(events)
    no_alert = (AGENT, Event("x", START, {}))
    async with journal(tmp_path) as steps:
        assert await steps.rebuild([*events, no_alert]) == 3
        assert await steps.rebuild(events) == 0
        assert [step.alert.fingerprint for step in steps.states.firing()] == ["b"]
        assert [step.alert.state for step in steps.states.history("a")] == [FIRING, RESOLVED]


async def test_it_is_a_required_sink_of_alerts_only(tmp_path):
    async with journal(tmp_path) as steps:
        assert (steps.name, steps.required) == ("alerts", True)
        assert [stream for stream in Stream if steps.takes(stream)] == [Stream.ALERTS]
