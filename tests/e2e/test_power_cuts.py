"""Agent, broker and collector die at random moments under load; nothing that was seen a second before is lost."""

from __future__ import annotations

import random
import time

import pytest

from servers.mosquitto import Mosquitto
from servers.process import wait_for

from .world import RATE, Collector, LoadedAgent, now

SEEN_MS = 1_000
"""An event is safe a second after it was seen."""


def stored(district: Collector) -> list[str]:
    return district.event_ids("load")


def settle(district: Collector, school: LoadedAgent) -> set[str]:
    """Let the agent deliver everything, end it, and wait until the store has stopped growing."""
    school.stop()
    school.command[-1] = "0"
    seen = school.seen()
    school.start()
    wait_for(lambda: seen <= set(stored(district)) or quiet(district), "the backlog to be delivered", 60)
    return seen


def quiet(district: Collector) -> bool:
    """Whether nothing new was stored for three seconds."""
    before = len(stored(district))
    time.sleep(3)
    return before > 0 and len(stored(district)) == before


def rounds(broker: Mosquitto, district: Collector, school: LoadedAgent, number: int, seed: int) -> None:
    chance = random.Random(seed)
    promised: set[str] = set()
    began = 0
    for _ in range(number):
        time.sleep(chance.uniform(0.5, 2.5))
        victim = chance.choice(["agent", "agent", "broker", "collector"])
        if victim == "agent":
            promised |= school.seen(after=began, before=now() - SEEN_MS)
            school.kill()
            began = now()
            school.start()
        elif victim == "broker":
            broker.kill()
            broker.start()
        else:
            district.kill()
            district.start()
    wait_for(lambda: len(school.seen()) > 0, "events to be made")
    district.ready()
    promised |= school.seen(after=began, before=now() - SEEN_MS)
    settle(district, school)
    ids = stored(district)
    assert len(promised) > number * RATE * 0.1, "the load was real"
    assert promised - set(ids) == set(), "an event that was seen a second before is missing"
    assert len(ids) == len(set(ids)), "an event is stored twice"
    assert district.metric("fenghuo_collector_ingest_lost_batches_total") == 0, "a gap in the sequences"
    assert district.metric("fenghuo_collector_ingest_dropped_items_total") == 0


def test_three_deaths_lose_nothing(broker: Mosquitto, district: Collector, school: LoadedAgent) -> None:
    rounds(broker, district, school, 3, seed=1)


@pytest.mark.slow
def test_twenty_deaths_lose_nothing(broker: Mosquitto, district: Collector, school: LoadedAgent) -> None:
    rounds(broker, district, school, 20, seed=20)
