"""The agent's flow from readings to what is handed to the spool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.model import AgentId, Asset, Event, Table, single
from fenghuo.rules import Engine, load_rules
from fenghuo_agent.pipeline import RULES_STATE, Pipeline

AGENT = AgentId.parse("bj/haidian/zgc-no1/gw1")
RULE = """
title: Hot
title_zh: 过热
name: test.hot
id: 0191d6a0-0000-7000-8000-000000000001
status: test
kind: threshold
data: sensor_temperature_celsius
condition: value > 30
level: high
message: "{device} is hot"
tests:
  - title: hot
    input: [{at: 0s, device: t1, sensor_temperature_celsius: 35}]
    expect: [{at: 0s, state: firing, device: t1}]
  - title: cool
    input: [{at: 0s, device: t1, sensor_temperature_celsius: 20}]
    expect: []
"""


class Recorder:
    """Stands in for the batcher: what it was handed, in order."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, object]] = []

    def table(self, table: Table) -> None:
        self.taken.append(("table", table))

    def event(self, event: Event) -> None:
        self.taken.append(("event", event))

    def asset(self, event: Event) -> None:
        self.taken.append(("asset", event))

    def alert(self, event: Event) -> None:
        self.taken.append(("alert", event))

    def save(self, state: Mapping[str, bytes]) -> None:
        self.taken.append(("save", state))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.taken]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def pipeline(tmp_path: Path, clock: VirtualClock, recorder: Recorder) -> Pipeline:
    (tmp_path / "hot.yaml").write_text(RULE)
    engine = Engine(load_rules([tmp_path]), clock=clock, agent=str(AGENT))
    return Pipeline(AGENT, engine, recorder, clock, bytes)  # type: ignore[arg-type]


def reading(clock: VirtualClock, device: str, celsius: float) -> Table:
    return single(
        "sensor", {"job": "mqtt_sensor", "device": device}, {"sensor_temperature_celsius": celsius}, clock.now()
    )


def test_an_alert_follows_its_reading_and_is_saved_with_the_memory_that_made_it(
    pipeline: Pipeline, clock: VirtualClock, recorder: Recorder
) -> None:
    pipeline.table(reading(clock, "t1", 35))
    assert recorder.kinds() == ["table", "alert", "save"]
    alert = recorder.taken[1][1]
    assert isinstance(alert, Event)
    assert alert.document["fenghuo"]["alert"]["state"] == "firing"
    assert alert.document["observer"]["name"] == "gw1"
    state = recorder.taken[2][1]
    assert isinstance(state, Mapping)
    assert state[RULES_STATE]


def test_a_storm_of_alerts_does_not_save_the_memory_with_each_of_them(
    pipeline: Pipeline, clock: VirtualClock, recorder: Recorder
) -> None:
    for number in range(100):
        pipeline.table(reading(clock, f"t{number}", 35))
    assert recorder.kinds().count("alert") == 100
    assert recorder.kinds().count("save") == 1


def test_an_asset_is_sent_under_an_id_of_its_own_each_time(
    pipeline: Pipeline, clock: VirtualClock, recorder: Recorder
) -> None:
    pipeline.asset(Asset("chassis-1", clock.now(), {"host": {"name": "sw1"}}))
    clock.advance(1)
    pipeline.asset(Asset("chassis-1", clock.now(), {"host": {"name": "sw2"}, "device": {"manufacturer": "H3C"}}))
    events = [event for _, event in recorder.taken if isinstance(event, Event)]
    assert len({event.id for event in events}) == 2
    assert [event.document["host"]["name"] for event in events] == ["sw1", "sw2"]
    assert events[1].document["device"] == {"id": "chassis-1", "manufacturer": "H3C"}
    assert events[1].document["fenghuo"]["asset"] == {"id": "chassis-1"}
    assert {event.document["device"]["id"] for event in events} == {"chassis-1"}
