"""A collector that is away and a broker that says nothing: noticed, and nothing is lost."""

from __future__ import annotations

import time

import pytest

from fenghuo.ids import uuid7_time
from servers.mosquitto import Mosquitto
from servers.process import wait_for

from .world import Collector, LoadedAgent, now


def everything_arrives(district: Collector, school: LoadedAgent, seconds: float = 60) -> None:
    """All that was seen until now is stored, once, and no number is missing."""
    seen = school.seen(before=now() - 1_000)
    assert len(seen) > 100, "the load was real"
    wait_for(lambda: seen <= set(district.event_ids("load")), "what was seen to be stored", seconds)
    ids = district.event_ids("load")
    assert len(ids) == len(set(ids))
    assert district.metric("fenghuo_collector_ingest_lost_batches_total") == 0


def away(district: Collector, school: LoadedAgent, seconds: float) -> None:
    wait_for(lambda: len(school.seen()) > 50, "the load to begin")
    district.stop()
    time.sleep(seconds)
    back = now()
    district.start()
    district.ready()
    wait_for(lambda: any(event > back for event in times(district)), "live events to arrive", 30)
    everything_arrives(district, school)


def times(district: Collector) -> list[int]:
    return [uuid7_time(event) for event in district.event_ids("load")]


def test_a_collector_that_was_away_misses_nothing(district: Collector, school: LoadedAgent) -> None:
    away(district, school, 5)


@pytest.mark.slow
def test_a_collector_that_was_away_for_ten_minutes_misses_nothing(district: Collector, school: LoadedAgent) -> None:
    away(district, school, 600)


def test_a_broker_that_says_nothing_is_noticed_and_costs_nothing(
    broker: Mosquitto, district: Collector, school: LoadedAgent
) -> None:
    wait_for(lambda: len(district.event_ids("load")) > 50, "the load to arrive")
    broker.freeze()
    try:
        wait_for(lambda: "no connection to the broker" in school.said(), "the agent to notice", 30)
    finally:
        broker.thaw()
    everything_arrives(district, school)
