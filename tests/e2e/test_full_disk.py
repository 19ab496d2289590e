"""A disk that is full under the spool: the agent goes on, starts all the same, and recovers; what was committed stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.disk import fill, small_disk
from servers.mosquitto import Mosquitto
from servers.process import wait_for

from .spooled import contents
from .world import Collector, LoadedAgent, loaded_agent, now


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.environ.get("CI") == "true" and os.geteuid():
        pytest.skip("only root may mount a small disk")
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def school(tmp_path: Path, broker: Mosquitto, disk: Path) -> Iterator[LoadedAgent]:
    spool = {"path": str(disk / "spool.db"), "cap": "512KiB", "reserve": "32KiB"}
    made = loaded_agent(tmp_path / "agent", broker.port, rate=800, spool=spool)
    yield made
    made.stop()


def everything_arrives(district: Collector, school: LoadedAgent, seen: set[str]) -> None:
    wait_for(lambda: seen <= set(district.event_ids("load")), "what was seen to be stored", 40)
    ids = district.event_ids("load")
    assert len(ids) == len(set(ids))
    assert district.metric("fenghuo_collector_ingest_lost_batches_total") == 0
    assert district.metric("fenghuo_collector_ingest_dropped_items_total") == 0


def test_an_agent_whose_disk_fills_goes_on_and_loses_nothing(
    district: Collector, school: LoadedAgent, disk: Path
) -> None:
    school.start()
    wait_for(lambda: len(district.event_ids("load")) > 100, "the load to arrive")
    district.stop()
    filler = fill(disk)
    wait_for(lambda: "takes nothing" in school.said(), "the spool to find the disk full", 30)
    full_at = now()
    wait_for(lambda: school.seen(after=full_at + 2_000), "the agent to go on")
    assert school.process
    assert school.process.poll() is None
    filler.unlink()
    district.start()
    district.ready()
    everything_arrives(district, school, school.seen(before=now() - 1_000))
    assert "Traceback" not in school.said()


def test_an_agent_starts_on_a_full_disk_and_what_was_committed_stays(
    district: Collector, school: LoadedAgent, disk: Path
) -> None:
    school.start()
    wait_for(lambda: len(district.event_ids("load")) > 100, "the load to arrive")
    district.stop()
    more = now() + 1_500
    wait_for(lambda: school.seen(after=more), "events that wait")
    filler = fill(disk)
    school.kill()
    held = contents(disk / "spool.db").events
    assert held, "committed and not delivered"
    school.start()
    began = now()
    wait_for(lambda: school.seen(after=began) or not runs(school), "the agent to run, or to wait for room", 20)
    assert runs(school), school.said()
    filler.unlink()
    district.start()
    district.ready()
    wait_for(lambda: len(school.seen(after=began)) > 100, "the agent to make events again", 40)
    everything_arrives(district, school, held | school.seen(after=began, before=now() - 1_000))
    assert "Traceback" not in school.said()


def test_an_agent_that_finds_no_room_for_a_new_spool_begins_when_there_is(
    district: Collector, school: LoadedAgent, disk: Path
) -> None:
    filler = fill(disk)
    school.start()
    wait_for(lambda: "spool" in school.said() or not runs(school), "the agent to say what is wrong", 20)
    assert runs(school), school.said()
    filler.unlink()
    wait_for(lambda: len(district.event_ids("load")) > 100, "events to arrive", 60)
    assert "Traceback" not in school.said()


def runs(school: LoadedAgent) -> bool:
    return school.process is not None and school.process.poll() is None
